"""SegFormer's all-MLP decoder (Xie et al., 2021)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from context_modules.layers import ConvBNReLU, Transform, pointwise, positive, resize
from context_modules.levels import channels_of_levels, check_levels


class SegFormerHead(nn.Module):
    """Every map to one width, upsampled, concatenated, mixed: maps -> (B, channels, H_1, W_1).

    Xie et al., "SegFormer", NeurIPS 2021, Section 3.2, Eq. 4, with maps x_1 (fine) to x_L (coarse):

        y = CBR1x1([up(linear(x_L)), ..., linear(x_1)])

    The linear layers are 1x1 convolutions with a bias. Nothing here looks beyond a pixel: context
    has to be in the maps. Cost: the mixing, N_1 L channels^2 multiply-accumulates with N_1 = H_1 *
    W_1, beside the linear layers.

    Args:
        in_channels: C_1, channels of the first and finest map.
        level_channels: C_2 to C_L; `None` means twice, four and eight times C_1. MiT-B1 to B5 have
            64 and 128, 320, 512.
        channels: of the output; 256 in the paper for B0 and B1, 768 for the larger.
        transform: kind of the linear layers; mmsegmentation has `cbr`.

    Raises:
        ValueError: for sizes below 1, an unknown word, or in `forward` for another number of maps.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        level_channels: Sequence[int] | None = None,
        channels: int = 256,
        transform: Transform = "conv_bias",
    ) -> None:
        super().__init__()
        self.level_channels = channels_of_levels(in_channels, level_channels)
        positive(channels=channels)
        self.out_channels = channels
        self.linear = nn.ModuleList(
            pointwise(each, channels, transform) for each in self.level_channels
        )
        self.fuse = ConvBNReLU(len(self.level_channels) * channels, channels)

    def forward(self, finest: Tensor, *coarser: Tensor) -> Tensor:
        """Maps from fine to coarse -> (B, channels, H_1, W_1)."""
        maps = (finest, *coarser)
        check_levels(maps, self.level_channels)
        size = finest.shape[-2:]
        levels = [resize(layer(x), *size) for layer, x in zip(self.linear, maps, strict=True)]
        # The published code concatenates from coarse to fine.
        return self.fuse(torch.cat(levels[::-1], dim=1))  # type: ignore[no-any-return]
