"""Baselines that find landmarks."""
