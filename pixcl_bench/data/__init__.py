"""The catalogue of data sets, and their loaders."""
