"""Classes that name left or right: a mirrored image needs them exchanged."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harness.training.data.dataset import Decode, Pair, PairedImages, Sample, SegmentationData

Sides = tuple[tuple[int, int], ...]
"""Pairs of classes that are each other's mirror image."""


class SidedImages(PairedImages):
    """Images of a real data set some of whose classes are sides.

    Args:
        sides: pairs of classes that are each other's mirror image.
        mirrored: whether each image is there twice: the second half are the mirror images of the
            first, sides exchanged.
        others: see `PairedImages`.
    """

    def __init__(
        self,
        name: str,
        classes: Sequence[str],
        root: Path,
        pairs: Sequence[Pair],
        *,
        decode: Decode,
        sides: Sides,
        mirrored: bool,
    ) -> None:
        mapping: Any = {"sides": sides, "mirrored": mirrored}
        super().__init__(name, classes, root, pairs, decode=decode, mapping=mapping)
        self.sides, self._mirrored = sides, mirrored

    def __len__(self) -> int:
        return super().__len__() * (2 if self._mirrored else 1)

    def __getitem__(self, index: int) -> Sample:
        count = super().__len__()
        if not self._mirrored or index < count:
            return super().__getitem__(index)
        sample = super().__getitem__(index - count)
        labels = exchanged(256, self.sides)[sample.labels.flip(-1)]
        return Sample(sample.image.flip(-1), labels)


def sides_of(data: SegmentationData) -> Sides:
    """The sides of any data; none of most."""
    return getattr(data, "sides", ())


def exchanged(count: int, sides: Sides) -> Tensor:
    """(count,) int64: each number from 0 on, those of sides exchanged."""
    order = torch.arange(count)
    for left, right in sides:
        order[left], order[right] = right, left
    return order
