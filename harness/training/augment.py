"""Augmentation of training images: flip, scale, brightness, crop."""

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from context_modules.losses import VOID
from harness.training.recipe import AugmentationSpec


def augment(
    image: Tensor, labels: Tensor, spec: AugmentationSpec, fill: Tensor, chance: Generator
) -> tuple[Tensor, Tensor]:
    """Vary an image and its labels together.

    In the order of the papers (CPNet, Section 4.1; OCNet, Section 4.2): mirror, scale, change the
    brightness, then crop at random, padding what is too small. No class is ever invented: labels
    are scaled by the nearest pixel, and padding is void.

    Args:
        image: (3, H, W) in [0, 1].
        labels: (H, W) integers, void 255.
        spec: what varies.
        fill: (3,) colour of padding; the mean, so that it is 0 once the mean is subtracted.
        chance: source of all random numbers.

    Returns:
        Image and labels of the crop's size, or of the (scaled) image's where no crop is asked for.
    """
    if spec.flip and _uniform(chance) < 0.5:
        image, labels = image.flip(-1), labels.flip(-1)
    image, labels = _scale(image, labels, spec, chance)
    if spec.brightness > 0:
        change = (2 * _uniform(chance) - 1) * spec.brightness / 255
        image = (image + change).clamp(0, 1)
    if spec.crop is not None:
        image, labels = random_crop(image, labels, spec.crop, fill, chance)
    return image.contiguous(), labels.contiguous()


def random_crop(
    image: Tensor, labels: Tensor, size: tuple[int, int], fill: Tensor, chance: Generator
) -> tuple[Tensor, Tensor]:
    """Cut a window of `size` (H, W), after padding right and below where the image is smaller."""
    height, width = size
    down = max(0, height - image.shape[-2])
    right = max(0, width - image.shape[-1])
    if down or right:
        shifted = image - fill[:, None, None]
        image = F.pad(shifted, (0, right, 0, down)) + fill[:, None, None]
        labels = F.pad(labels, (0, right, 0, down), value=VOID)
    top = _below(image.shape[-2] - height + 1, chance)
    left = _below(image.shape[-1] - width + 1, chance)
    window = (..., slice(top, top + height), slice(left, left + width))
    return image[window], labels[window]


def normalise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """(..., 3, H, W) in [0, 1] -> (x - mean) / std, channel by channel."""
    shift = images.new_tensor(mean)[:, None, None]
    return (images - shift) / images.new_tensor(std)[:, None, None]


def _scale(
    image: Tensor, labels: Tensor, spec: AugmentationSpec, chance: Generator
) -> tuple[Tensor, Tensor]:
    factor = 1.0
    if spec.scales:
        factor = spec.scales[_below(len(spec.scales), chance)]
    elif spec.scale_range is not None:
        low, high = spec.scale_range
        factor = low + (high - low) * _uniform(chance)
    aspect = 1 + spec.aspect * (2 * _uniform(chance) - 1) if spec.aspect > 0 else 1.0
    height, width = image.shape[-2:]
    size = (max(1, round(height * factor)), max(1, round(width * factor * aspect)))
    if size == (height, width):
        return image, labels
    scaled = F.interpolate(image[None], size, mode="bilinear", align_corners=False)[0]
    # float64 holds every label exactly; interpolation takes no integers.
    nearest = F.interpolate(labels[None, None].double(), size, mode="nearest-exact")
    return scaled, nearest[0, 0].to(labels.dtype)


def _uniform(chance: Generator) -> float:
    return float(torch.rand((), generator=chance))


def _below(count: int, chance: Generator) -> int:
    return int(torch.randint(count, (), generator=chance))
