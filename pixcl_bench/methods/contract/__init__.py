"""What a learner is, for each task, and how one is built from a configuration."""
