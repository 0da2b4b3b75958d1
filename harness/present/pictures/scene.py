"""A small made scene on which pictures of a module's inner maps can be checked by eye."""

import torch
from torch import Tensor


def rectangles(height: int, width: int) -> Tensor:
    """Labels of a scene of three classes: background 0, two rectangles of class 1, one of class 2.

    Two separate regions of one class show whether a module groups by class or by region.

    Returns:
        (height, width) integer labels.
    """
    labels = torch.zeros(height, width, dtype=torch.long)
    labels[height // 8 : height // 2, width // 8 : 3 * width // 8] = 1
    labels[height // 2 : 7 * height // 8, 5 * width // 8 : 7 * width // 8] = 1
    labels[height // 8 : 3 * height // 8, width // 2 : 7 * width // 8] = 2
    return labels


def features(labels: Tensor, channels: int, *, noise: float = 0.25, seed: int = 0) -> Tensor:
    """Features of a scene: a random direction per class plus noise.

    Args:
        labels: (H, W).
        channels: C.
        noise: standard deviation of the noise, against directions of unit variance.
        seed: of directions and noise.

    Returns:
        (1, channels, H, W).
    """
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(int(labels.max()) + 1, channels, generator=generator)
    clean = directions[labels].permute(2, 0, 1)
    return (clean + noise * torch.randn(clean.shape, generator=generator)).unsqueeze(0)
