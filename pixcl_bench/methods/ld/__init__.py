"""LD: local discrimination, its transfer to segmentation, and its variant guided by shapes."""
