"""Modules that take and return what people's modules do."""

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Result = namedtuple("Result", "scores nothing")


class Pyramid(nn.Module):
    """A neck: a list of feature maps in, a list out."""

    def __init__(self, channels: list[int], width: int = 8) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)

    def forward(self, feats: list[Tensor]) -> list[Tensor]:
        assert type(feats) is list
        outs = []
        for layer in self.lateral:
            outs.append(layer(feats.pop(0)))  # what it does to the list is no matter of the next
        return outs


class Tokens(nn.Module):
    """A block of a transformer that is told the size of its map."""

    def __init__(self, dim: int = 16) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.mix = nn.Linear(dim, dim)

    def forward(self, x: Tensor, H: int, W: int) -> Tensor:
        b, _, c = x.shape
        y = self.mix(x).transpose(1, 2).reshape(b, c, H, W)
        return self.depthwise(y).flatten(2).transpose(1, 2)


class Pair(Tokens):
    def forward(self, x: Tensor, hw_shape: tuple[int, int]) -> Tensor:  # type: ignore[override]
        assert type(hw_shape) is tuple
        return super().forward(x, *hw_shape)


class Holder:
    """An object with a tensor in it, and itself."""

    def __init__(self, held: Tensor) -> None:
        self.held = held
        self.me = self


@dataclass
class Output:
    last: Tensor
    more: dict[str, Any]


class Text(nn.Module):
    """Integer ids by name, out come dataclasses and objects in one another."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 8)
        self.mix = nn.Linear(8, 8)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, scale: float | None) -> Output:
        assert input_ids.dtype == torch.int64
        assert attention_mask.dtype == torch.bool
        assert scale is None
        y = self.mix(self.embedding(input_ids)) * attention_mask[..., None]
        return Output(y, {"pooled": (y, Holder(y.mean(1)))})


class Metas(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(in_channels, 3, 1)

    def forward(self, x: Tensor, img_metas: list[dict[str, Any]]) -> Result:
        assert img_metas == [{"img_shape": [32, 32, 3], "flip": False, "name": "a.png"}]
        return Result(self.score(x), None)


def block(width: int) -> nn.Module:
    """A factory."""
    return nn.Sequential(nn.Conv2d(8, width, 1), nn.BatchNorm2d(width), nn.ReLU())


def nothing(width: int) -> int:
    """No factory."""
    return width


def fused(module: nn.Sequential) -> nn.Module:
    return torch.nn.utils.fusion.fuse_conv_bn_eval(module[0].eval(), module[1].eval())


def frozen(module: nn.Module) -> None:
    module.requires_grad_(False)


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wide: nn.Module = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.narrow: nn.Module | None = nn.Conv2d(8, 8, 1, bias=False)

    def switch_to_deploy(self) -> None:
        self.narrow = None

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.wide(x)
        return y if self.narrow is None else y + self.narrow(x)


class Branched(nn.Sequential):
    """Its parts can be reparametrised, and it has no method for that itself."""

    def __init__(self) -> None:
        super().__init__(Branches(), Branches())


class Types(nn.Module):
    """Says of what type its product was: 1 element of it a byte."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.mix(x)
        assert y.dtype == torch.bfloat16, y.dtype
        return y
