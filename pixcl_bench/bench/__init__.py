"""The grid: configuration, run keys, runner, store of records."""
