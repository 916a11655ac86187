"""Data sets that are drawn by the program."""
