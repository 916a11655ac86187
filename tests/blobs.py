"""Pictures of four blobs of different size, a little elsewhere in each, and where they are (y,
x)."""

import torch
from torch import Tensor


def blobs(n: int, side: int = 32, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Pictures of four blobs of different size, a little elsewhere in each, and where they are (y,
    x)."""
    g = torch.Generator().manual_seed(seed)
    base = torch.tensor([[8.0, 8], [8, 24], [24, 10], [22, 24]]) * side / 32
    points = base + torch.randn(n, 4, 2, generator=g) * 0.5 + torch.randn(n, 1, 2, generator=g)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    grid = torch.stack([y, x], -1).float()
    sigma, light = torch.tensor([1.5, 2.5, 3.5, 2.0]), torch.tensor([1.0, 0.5, 0.7, 0.8])
    squared = (grid[None, None] - points[:, :, None, None]).square().sum(-1)
    return (light[:, None, None] * torch.exp(-squared / (2 * sigma[:, None, None] ** 2))).sum(
        1, keepdim=True
    ).clamp(max=1), points
