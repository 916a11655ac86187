"""Containers of images, volumes, landmarks and pixels, and their splits."""
