"""The mini-batches of a training, each a function of the seed and its number alone."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from harness.errors import HarnessError
from harness.training.augment import augment, normalise
from harness.training.chance import generator
from harness.training.data.dataset import SegmentationData
from harness.training.recipe import RecipeSpec

Batch = tuple[Tensor, Tensor]


class BatchError(HarnessError):
    """Images that make no batch."""


class Batches(Dataset[Batch]):
    """Batch number n: images (B, 3, H, W), normalised, and labels (B, H, W).

    The images are permuted anew in every pass over the data; a batch may end one pass and begin the
    next, so that all have `recipe.batch` images.

    Args:
        data: training images.
        recipe: batch, augmentation, mean and deviation.
        seed: of order and augmentation.
        first: number of the first batch.
        steps: number behind the last one.
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


def read_batches(batches: Batches, workers: int, *, pinned: bool = False) -> Iterator[Batch]:
    """The batches in order, read ahead by worker processes; the same for any number of them."""
    if workers == 0:
        return (batches[index] for index in range(len(batches)))
    # Spawned, not forked: a fork copies the locks of the threads that PyTorch runs, held or not.
    loader = DataLoader(
        batches,
        batch_size=None,
        shuffle=False,
        num_workers=workers,
        pin_memory=pinned,
        multiprocessing_context="spawn",
    )
    return iter(loader)
