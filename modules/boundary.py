"""Boundary labels made from segmentation labels."""

import torch
from torch import Tensor

VOID = 255


def boundary_labels(labels: Tensor, *, radius: int = 2, void: int = VOID) -> Tensor:
    """The binary boundary mask of a segmentation, as RANet supervises B with (Section 4).

    A pixel is on a boundary where a pixel within `radius` has another label. RANet follows CASENet
    and SEAL, whose Cityscapes boundaries have a radius of 2 pixels; as there, both sides of a
    boundary are marked. Void is unknown, not a class: it makes no boundary and is void itself.

    Args:
        labels: (..., H, W) integer labels.
        radius: Euclidean, in pixels, at least 1.
        void: the label that marks unlabelled pixels, here and in the result.

    Returns:
        (..., H, W) of the same dtype: 1 on a boundary, 0 elsewhere, `void` where unlabelled.
    """
    if radius < 1:
        raise ValueError(f"radius is {radius}; a boundary is at least 1 pixel wide on each side")
    if labels.is_floating_point():
        raise ValueError(f"labels are {labels.dtype}; class indices are integers")
    known = labels != void
    differs = torch.zeros_like(known)
    for dy, dx in _half_disc(radius):
        (here_y, there_y), (here_x, there_x) = _overlap(dy), _overlap(dx)
        here, there = (..., here_y, here_x), (..., there_y, there_x)
        change = (labels[here] != labels[there]) & known[here] & known[there]
        differs[here] |= change
        differs[there] |= change
    return differs.to(labels.dtype).masked_fill(~known, void)


def _half_disc(radius: int) -> list[tuple[int, int]]:
    """Offsets within the radius; one of every two opposite ones, since both ends are marked."""
    span = range(-radius, radius + 1)
    return [
        (dy, dx)
        for dy in span
        for dx in span
        if (dy, dx) > (0, 0) and dy * dy + dx * dx <= radius * radius
    ]


def _overlap(offset: int) -> tuple[slice, slice]:
    """Along one axis: the pixels that have a neighbour at `offset`, and those neighbours."""
    low, high = slice(None, -abs(offset) or None), slice(abs(offset), None)
    return (low, high) if offset >= 0 else (high, low)
