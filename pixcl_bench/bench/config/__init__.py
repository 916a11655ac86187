"""`benchmarks.yaml`: reading, checking, and the grid of runs that it describes."""
