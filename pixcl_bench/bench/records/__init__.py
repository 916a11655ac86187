"""Records of runs: written, read, published."""
