"""Modules that the suites of mistakes.yaml name."""

from typing import Literal

from torch import nn


class Block(nn.Module):
    def __init__(
        self,
        in_channels: int,
        *,
        kernel_size: int = 1,
        rates: tuple[int, ...] = (1, 2),
        scale: float = 1.0,
        mode: Literal["sum", "concat"] = "sum",
    ) -> None:
        super().__init__()


class Sized(nn.Module):
    def __init__(self, in_channels: int, input_size: tuple[int, int], width: int) -> None:
        super().__init__()


class Bare(nn.Module):
    pass


NUMBER = 3
