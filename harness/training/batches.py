"""The mini-batches of a training, augmented; each a function of the seed and its number alone.

So a training that goes on after an interruption draws what it would have drawn, and readers in
other processes draw the same in any order.
"""

import hashlib
import os
from collections.abc import Iterator

import torch
from torch import Generator, Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from context_modules.losses import VOID
from harness.messages import HarnessError
from harness.suite.recipe import AugmentationSpec, RecipeSpec
from harness.training.data.dataset import SegmentationData

Batch = tuple[Tensor, Tensor]
"""Images (B, 3, H, W), normalised, and labels (B, H, W)."""


class BatchError(HarnessError):
    """Images that make no batch."""


class Batches(Dataset[Batch]):
    """Batch number n: images (B, 3, H, W), normalised, and labels (B, H, W).

    The images are permuted anew in every pass over the data; a batch may end one pass and begin the
    next, so that all have `recipe.batch` images. They are numbered from `first` on, below `steps`.
    """

    def __init__(
        self, data: SegmentationData, recipe: RecipeSpec, seed: int, first: int, steps: int
    ) -> None:
        if len(data) == 0:
            raise BatchError("the training split has no image; check the data")
        self._data = data
        self._recipe = recipe
        self._seed = seed
        self._first, self._steps = first, steps
        self._fill = torch.tensor(recipe.mean)
        self._order: tuple[int, list[int]] = (-1, [])

    def __len__(self) -> int:
        return self._steps - self._first

    def __getitem__(self, index: int) -> Batch:
        step = self._first + index
        size = self._recipe.batch
        varied = [self._varied(step * size + place) for place in range(size)]
        shapes = {image.shape for image, _ in varied}
        if len(shapes) > 1:
            listed = ", ".join(sorted(f"{h}x{w}" for _, h, w in shapes))
            raise BatchError(
                f"the images of a batch have sizes {listed}; add augmentation: crop: [H, W] to "
                "the recipe"
            )
        images = torch.stack([image for image, _ in varied])
        labels = torch.stack([label for _, label in varied])
        return normalise(images, self._recipe.mean, self._recipe.std), labels

    def _varied(self, number: int) -> Batch:
        """The image of that number, counted over all passes."""
        sample = self._data[self._index(number)]
        chance = generator(self._seed, "augment", number)
        return augment(sample.image, sample.labels, self._recipe.augmentation, self._fill, chance)

    def _index(self, number: int) -> int:
        passed, place = divmod(number, len(self._data))
        if self._order[0] != passed:
            order = torch.randperm(
                len(self._data), generator=generator(self._seed, "order", passed)
            )
            self._order = (passed, order.tolist())
        return self._order[1][place]


_MOST_READERS = 8


def read_batches(batches: Batches, workers: int | None, device: torch.device) -> Iterator[Batch]:
    """The batches in order, read ahead by worker processes; the same for any number of them.

    `None` workers: chosen by the device. A GPU takes the batches from pinned memory.
    """
    on_gpu = device.type == "cuda"
    if workers is None:
        workers = min(_MOST_READERS, len(os.sched_getaffinity(0))) if on_gpu else 0
    if workers == 0:
        return (batches[index] for index in range(len(batches)))
    # Spawned, not forked: a fork copies the locks of the threads that PyTorch runs, held or not.
    loader = DataLoader(
        batches,
        batch_size=None,
        shuffle=False,
        num_workers=workers,
        pin_memory=on_gpu,
        multiprocessing_context="spawn",
    )
    return iter(loader)


def derived_seed(*place: object) -> int:
    """A seed of 63 bits from a place such as `(seed, "augment", step, position)`."""
    text = "/".join(map(str, place))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*place: object) -> torch.Generator:
    """A fresh generator on the CPU for a place."""
    made = torch.Generator()
    made.manual_seed(derived_seed(*place))
    return made


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
    top = _integer_below(image.shape[-2] - height + 1, chance)
    left = _integer_below(image.shape[-1] - width + 1, chance)
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
        factor = spec.scales[_integer_below(len(spec.scales), chance)]
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


def _integer_below(count: int, chance: Generator) -> int:
    return int(torch.randint(count, (), generator=chance))
