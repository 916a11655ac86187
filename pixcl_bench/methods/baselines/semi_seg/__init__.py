"""Baselines of semi-supervised segmentation."""
