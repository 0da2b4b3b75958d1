"""A tiny data set and recipe, small enough to train on in a second."""

import json
from dataclasses import dataclass
from typing import Any

import torch

from harness.suite.recipe import RecipeSpec
from harness.training.data.dataset import VOID, Sample

SIZE = 16


@dataclass(frozen=True)
class TinyData:
    """Squares of a bright or dark colour on grey: three classes that a convolution can learn."""

    split: str = "train"
    length: int = 12
    size: int = SIZE
    classes: tuple[str, ...] = ("ground", "dark", "bright")

    @property
    def version(self) -> str:
        return f"tiny-{self.split}-{self.length}-{self.size}"

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        chance = torch.Generator().manual_seed(index + (1000 if self.split == "val" else 0))
        image = 0.5 + 0.05 * torch.randn(3, self.size, self.size, generator=chance)
        labels = torch.zeros(self.size, self.size, dtype=torch.int64)
        for kind in (1, 2):
            top, left = (int(torch.randint(self.size // 2, (), generator=chance)) for _ in "yx")
            window = (slice(top, top + self.size // 2), slice(left, left + self.size // 2))
            labels[window] = kind
        image[:, labels == 1] -= 0.4
        image[:, labels == 2] += 0.4
        labels[0, :2] = VOID
        return Sample(image.clamp(0, 1), labels)


def tiny_recipe(**changes: Any) -> RecipeSpec:
    plain = {
        "recipe": "tiny",
        "network": {"backbone": "small", "backbone_arguments": {"width": 8}, "width": 8},
        "steps": 8,
        "batch": 4,
        "optimizer": {"learning_rate": 0.1},
        "augmentation": {"scale_range": [0.8, 1.2], "crop": [SIZE, SIZE]},
        **changes,
    }
    return RecipeSpec.model_validate_json(json.dumps(plain), strict=True)
