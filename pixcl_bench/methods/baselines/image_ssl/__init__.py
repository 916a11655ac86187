"""Contrastive and distillation baselines that learn one vector for an image."""
