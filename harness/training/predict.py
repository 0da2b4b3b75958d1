"""Prediction: class probabilities of whole images or sliding crops, at several scales, mirrored."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

Network = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Views:
    """How an image is looked at.

    Attributes:
        scales: sizes, as multiples of the image's.
        flip: each also mirrored.
        crop: (H, W) of sliding crops; `None` for the whole image at once.
        overlap: share that neighbouring crops have in common; a third is PSPNet's (Zhao et al.
            2017, its published test script).
        batch: crops at once.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    crop: tuple[int, int] | None = None
    overlap: float = 1 / 3
    batch: int = 8


@torch.no_grad()
def predict(network: Network, images: Tensor, views: Views) -> Tensor:
    """Average the probabilities of all views (CPNet, Section 4.1, "Inference").

    Each view is brought to the size of the image and passed through a softmax before the mean.

    Args:
        network: (B, 3, h, w) -> (B, K, h, w) logits.
        images: (B, 3, H, W), normalised.
        views: how they are looked at.

    Returns:
        (B, K, H, W) float32, sums of 1 over K.
    """
    size = images.shape[-2:]
    total: Tensor | None = None
    for view, mirrored in _views(images, views):
        logits = _logits(network, view, views).float()
        if logits.shape[-2:] != size:
            logits = F.interpolate(logits, size, mode="bilinear", align_corners=False)
        probabilities = logits.softmax(1)
        if mirrored:
            probabilities = probabilities.flip(-1)
        total = probabilities if total is None else total.add_(probabilities)
    assert total is not None, "there is at least one scale"
    return total.div_(len(views.scales) * (2 if views.flip else 1))


def _views(images: Tensor, views: Views) -> Iterator[tuple[Tensor, bool]]:
    height, width = images.shape[-2:]
    for scale in views.scales:
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        scaled = images
        if size != (height, width):
            scaled = F.interpolate(images, size, mode="bilinear", align_corners=False)
        yield scaled, False
        if views.flip:
            yield scaled.flip(-1), True


def _logits(network: Network, images: Tensor, views: Views) -> Tensor:
    if views.crop is None:
        return network(images)
    return sliding(network, images, views.crop, overlap=views.overlap, batch=views.batch)


def sliding(
    network: Network,
    images: Tensor,
    crop: tuple[int, int],
    *,
    overlap: float = 1 / 3,
    batch: int = 8,
) -> Tensor:
    """Logits of overlapping crops, averaged where they overlap: (B, 3, H, W) -> (B, K, H, W).

    Every crop has exactly the size `crop`, as a network with one map size needs: the last ones are
    moved back into the image, and an image that is smaller is padded by 0, the mean, to the right
    and below.
    """
    height, width = images.shape[-2:]
    padding = (0, max(0, crop[1] - width), 0, max(0, crop[0] - height))
    padded = F.pad(images, padding) if any(padding) else images
    places = [
        (top, left)
        for top in starts(padded.shape[-2], crop[0], overlap)
        for left in starts(padded.shape[-1], crop[1], overlap)
    ]
    at_once = max(1, batch // images.shape[0])
    total: Tensor | None = None
    counts = padded.new_zeros(1, 1, *padded.shape[-2:], dtype=torch.float32)
    for first in range(0, len(places), at_once):
        group = places[first : first + at_once]
        windows = [padded[..., y : y + crop[0], x : x + crop[1]] for y, x in group]
        logits = network(torch.cat(windows)).float()
        if total is None:
            total = logits.new_zeros(images.shape[0], logits.shape[1], *padded.shape[-2:])
        for (top, left), part in zip(group, logits.chunk(len(group)), strict=True):
            window = (..., slice(top, top + crop[0]), slice(left, left + crop[1]))
            total[window] += part
            counts[window] += 1
    assert total is not None, "there is at least one crop"
    return (total / counts)[..., :height, :width]


def starts(size: int, crop: int, overlap: float) -> list[int]:
    """Where crops begin along a side: evenly, the last one at the end of the side."""
    stride = max(1, round(crop * (1 - overlap)))
    last = max(0, size - crop)
    return [*range(0, last, stride), last]
