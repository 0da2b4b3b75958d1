"""Atrous spatial pyramid pooling (ASPP) of DeepLabv3."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.layers import ConvBNReLU, positive, resize


class AtrousBranches(nn.Module):
    """The local branches of ASPP: a 1x1 CBR and one dilated 3x3 CBR per rate.

    (B, in_channels, H, W) -> a list of 1 + len(rates) maps (B, branch_channels, H, W).
    """

    def __init__(self, in_channels: int, branch_channels: int, rates: Sequence[int]) -> None:
        super().__init__()
        if not rates or min(rates) < 1:
            raise ValueError(f"rates is {list(rates)}; give at least one number, each at least 1")
        positive(in_channels=in_channels, branch_channels=branch_channels)
        self.branches = nn.ModuleList(
            [
                ConvBNReLU(in_channels, branch_channels),
                *(ConvBNReLU(in_channels, branch_channels, 3, dilation=rate) for rate in rates),
            ]
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, in_channels, H, W) -> 1 + len(rates) times (B, branch_channels, H, W)."""
        return [branch(x) for branch in self.branches]


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al., DeepLabv3, arXiv:1706.05587, Figure 5).

    (B, in_channels, H, W) -> (B, out_channels, H, W).

    Parallel branches, each a CBR to `branch_channels`: the image pooled to one pixel and broadcast,
    a 1x1, and a dilated 3x3 per rate; a 1x1 CBR fuses their concatenation. The dilated branches
    cost 9 * len(rates) * H * W * in_channels * branch_channels multiply-accumulates.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        branch_channels: channels of each branch.
        rates: dilation of the 3x3 branches, in pixels; the paper's at output stride 8 are twice
            (6, 12, 18).
        image_pooling: with or without the image-level branch.

    Raises:
        ValueError: without rates, for a rate below 1, or for channels below 1.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        out_channels: int = 256,
        branch_channels: int = 256,
        rates: Sequence[int] = (12, 24, 36),
        image_pooling: bool = True,
    ) -> None:
        super().__init__()
        positive(out_channels=out_channels)
        self.image = ConvBNReLU(in_channels, branch_channels) if image_pooling else None
        self.atrous = AtrousBranches(in_channels, branch_channels, rates)
        self.fuse = ConvBNReLU((len(rates) + 1 + image_pooling) * branch_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        return self.fuse(  # type: ignore[no-any-return]
            torch.cat([*self._image_level(x), *self.atrous(x)], dim=1)
        )

    def _image_level(self, x: Tensor) -> list[Tensor]:
        """The image-level branch, (B, branch_channels, H, W), or nothing."""
        if self.image is None:
            return []
        return [resize(self.image(F.adaptive_avg_pool2d(x, 1)), *x.shape[-2:])]
