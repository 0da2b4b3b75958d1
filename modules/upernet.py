"""UPerNet's head: pyramid pooling on top of a feature pyramid (Xiao et al., 2018)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from context_modules.layers import ConvBNReLU, positive, resize
from context_modules.levels import channels_of_levels, check_levels, top_down
from context_modules.pyramid_pooling import PyramidPooling


class UPerNet(nn.Module):
    """UPerNet's fused map: (B, C_1, H_1, W_1), ..., (B, C_L, H_L, W_L) -> (B, channels, H_1, W_1).

    Xiao et al., "Unified Perceptual Parsing for Scene Understanding", ECCV 2018, Section 3.2 and
    Figure 4, with maps x_1 (fine) to x_L (coarse):

        p_L = PPM(x_L),   p_l = CBR1x1(x_l) + up(p_{l+1})          top down
        y = CBR3x3([CBR3x3(p_1), ..., CBR3x3(p_{L-1}), p_L])       all at the size of x_1

    Each of PPM's levels has `channels` channels. The last convolution, L * channels to channels on
    the finest map, costs more than all others together.

    Args:
        in_channels: C_1, channels of the first and finest map.
        level_channels: C_2 to C_L; `None` means twice, four and eight times C_1.
        channels: of every level and of the output.
        bins: regions per side of each level of the pooling.

    Raises:
        ValueError: for sizes below 1, or in `forward` for another number of maps.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        level_channels: Sequence[int] | None = None,
        channels: int = 512,
        bins: Sequence[int] = (1, 2, 3, 6),
    ) -> None:
        super().__init__()
        self.level_channels = channels_of_levels(in_channels, level_channels)
        positive(channels=channels)
        self.out_channels = channels
        *finer, coarsest = self.level_channels
        self.pool = PyramidPooling(
            coarsest, out_channels=channels, bins=bins, branch_channels=channels
        )
        self.lateral = nn.ModuleList(ConvBNReLU(each, channels) for each in finer)
        self.smooth = nn.ModuleList(ConvBNReLU(channels, channels, 3) for _ in finer)
        self.fuse = ConvBNReLU(len(self.level_channels) * channels, channels, 3)

    def forward(self, finest: Tensor, *coarser: Tensor) -> Tensor:
        """Maps from fine to coarse -> (B, channels, H_1, W_1)."""
        maps = (finest, *coarser)
        check_levels(maps, self.level_channels)
        laterals = [layer(x) for layer, x in zip(self.lateral, maps[:-1], strict=True)]
        *merged, pooled = top_down([*laterals, self.pool(maps[-1])], "bilinear")
        del laterals
        levels = [layer(x) for layer, x in zip(self.smooth, merged, strict=True)]
        size = finest.shape[-2:]
        joined = torch.cat([resize(each, *size) for each in (*levels, pooled)], dim=1)
        del merged, pooled, levels
        return self.fuse(joined)  # type: ignore[no-any-return]
