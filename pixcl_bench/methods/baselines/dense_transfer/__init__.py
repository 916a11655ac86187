"""Baselines of pre-training for dense prediction."""
