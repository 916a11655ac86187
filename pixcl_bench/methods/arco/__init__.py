"""ARCO: stratified sampling of the pixels that a contrastive loss compares."""
