"""What any method must beat, by task, and what it cannot be expected to beat."""
