"""What heads over several maps share: maps of a backbone's stages, from fine to coarse."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from context_modules.layers import positive, resize

Upsampling = Literal["nearest", "bilinear"]


def channels_of_levels(in_channels: int, level_channels: Sequence[int] | None) -> tuple[int, ...]:
    """Channels of all maps, the finest first.

    Args:
        in_channels: of the first map.
        level_channels: of the others; `None` means those of a residual network, whose four stages
            double from one to the next.

    Raises:
        ValueError: naming what is below 1.
    """
    positive(in_channels=in_channels)
    if level_channels is None:
        return tuple(in_channels * factor for factor in (1, 2, 4, 8))
    if not level_channels or min(level_channels) < 1:
        raise ValueError(
            f"level_channels is {list(level_channels)}; give at least one, each at least 1"
        )
    return (in_channels, *level_channels)


def check_levels(maps: Sequence[Tensor], channels: Sequence[int]) -> None:
    """Refuse another number of maps, or other channels.

    Raises:
        ValueError: says what was given and what is expected, with the keys of a suite.
    """
    given = [each.shape[1] for each in maps]
    if given != list(channels):
        raise ValueError(
            f"maps have {given} channels where {list(channels)} are expected; give input one shape "
            "for each, the finest first, and level_channels the channels of all but that"
        )


def top_down(maps: Sequence[Tensor], upsampling: Upsampling) -> list[Tensor]:
    """Each map summed with all coarser ones at its size (Lin et al., FPN, 2017, Figure 3).

    Args:
        maps: of one width, from fine to coarse.
        upsampling: of the coarser map to the next finer one's size.
    """
    merged = list(maps)
    for i in range(len(merged) - 1, 0, -1):
        height, width = merged[i - 1].shape[-2:]
        coarse = (
            resize(merged[i], height, width)
            if upsampling == "bilinear"
            else F.interpolate(merged[i], (height, width), mode="nearest")
        )
        merged[i - 1] = merged[i - 1] + coarse
    return merged
