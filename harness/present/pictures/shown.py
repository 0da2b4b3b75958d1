"""A trained network before one image of the validation split, as pictures ask it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from context_modules.affinity_loss import downsample_labels
from context_modules.segmentor import Segmentor
from harness.training.data.dataset import Sample
from harness.training.kept import KeptNetwork


@dataclass(frozen=True)
class Shown:
    """A trained network and the middle of an image, as large as the network was trained on."""

    name: str  # of the case
    kept: KeptNetwork
    index: int  # of the image

    @property
    def network(self) -> Segmentor:
        """The network, in evaluation mode."""
        return self.kept.network

    @cached_property
    def sample(self) -> Sample:
        """The image, (3, H, W), and its labels, (H, W)."""
        return self.kept.centre(self.index)

    @property
    def input(self) -> Tensor:
        """The image as the network takes it, (1, 3, H, W)."""
        return self.kept.normalised(self.sample.image)

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names."""
        return self.kept.plan.val.classes

    def labels(self, size: tuple[int, int]) -> Tensor:
        """The labels at the size of a map, (h, w)."""
        return downsample_labels(self.sample.labels[None], size)[0]

    @torch.no_grad()
    def entering(self, part: nn.Module) -> Tensor:
        """The map that enters a part of the network, (1, C, h, w)."""
        with noted(part) as calls:
            self.network(self.input)
        return calls[0][0]


@contextmanager
def noted(part: nn.Module) -> Iterator[list[tuple[Tensor, Any]]]:
    """Input and output of each call of a part of a network within the block."""
    calls: list[tuple[Tensor, Any]] = []
    hook = part.register_forward_hook(lambda _, given, out: calls.append((given[0], out)))
    try:
        yield calls
    finally:
        hook.remove()
