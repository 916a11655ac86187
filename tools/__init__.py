"""What only maintainers run, from the project's folder: `python -m tools.sync`, `python -m
tools.readme`."""
