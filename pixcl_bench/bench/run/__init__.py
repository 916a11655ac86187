"""Runs: workers, sessions, progress."""
