"""Data sets that come with small packages."""
