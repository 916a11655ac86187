"""What code means: one canonical form of Python code, hashed as a graph of the definitions that
it calls."""
