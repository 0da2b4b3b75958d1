"""How far a network sees: what the ceiling of `harness.training.data.ceiling` is computed for."""

import math

import torch
from torch import Tensor

from context_modules.segmentor import Segmentor

_AT_ONCE = 4
"""Images in one pass; each holds one pixel that is no number."""


@torch.no_grad()
def reach(network: Segmentor, size: tuple[int, int]) -> int:
    """Farthest row or column, towards any side, that a prediction depends on; in pixels.

    A pixel that is no number (NaN) makes every output that is computed from it no number either,
    whatever the weights are, so that this is a fact of the structure. Products with a weight of 0,
    such as a masked pair of an attention, count as a dependence: a sparse attention may be said to
    see farther than it does, never less far. Beyond the border there is nothing to see.

    Args:
        network: is left in the mode in which it was.
        size: (H, W) of its images.

    Returns:
        From 0 to the longest side less one, which is the whole image.
    """
    trained = network.training
    network.eval()
    try:
        return max(map(max, _distances(network, size)))
    finally:
        network.train(trained)


def _distances(network: Segmentor, size: tuple[int, int]) -> list[list[int]]:
    """Distances of the outputs that each pixel of one period of the strides reaches."""
    stride = network.backbone.output_stride
    top, left = ((side - stride) // 2 for side in size)
    pixels = [(top + y, left + x) for y in range(stride) for x in range(stride)]
    # Corners are the farthest from what they reach, where all is within reach.
    pixels += [(0, 0), (size[0] - 1, size[1] - 1)]
    device = next(network.parameters()).device
    found = []
    for first in range(0, len(pixels), _AT_ONCE):
        group = pixels[first : first + _AT_ONCE]
        images = torch.zeros(len(group), 3, *size, device=device)
        for image, (y, x) in zip(images, group, strict=True):
            image[:, y, x] = math.nan
        reached = network(images).isnan().any(1)
        found += [[_farthest(one, at) for one, at in zip(reached, group, strict=True)]]
    return found


def _farthest(reached: Tensor, at: tuple[int, int]) -> int:
    places = reached.nonzero()
    if len(places) == 0:
        return 0
    return int((places - places.new_tensor(at)).abs().max())
