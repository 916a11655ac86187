"""One learner per file: the methods of the papers, and their baselines."""
