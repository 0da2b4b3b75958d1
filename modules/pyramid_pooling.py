"""Pyramid pooling module (PPM) of PSPNet."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.layers import ConvBNReLU, positive, resize


class PyramidPooling(nn.Module):
    """Pyramid pooling (Zhao et al., "Pyramid Scene Parsing Network", 2017, Figure 3 c).

    (B, in_channels, H, W) -> (B, out_channels, H, W).

    The map is averaged over b x b regions for every b of `bins`, each pooled map is reduced by a
    1x1 CBR, upsampled and concatenated with the input; a 3x3 CBR fuses. The cost is that of the
    fusing convolution, 9 * H * W * (in_channels + len(bins) * branch_channels) * out_channels
    multiply-accumulates; the branches work on a few pixels.

    By default corners are not aligned, so that a pooled region lies over the pixels it was averaged
    from; the released code of the paper and semseg align them.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        bins: regions per side of each pyramid level.
        branch_channels: channels of each reduced level; `None` is the paper's
            in_channels / len(bins), so that the levels together are as wide as the input.
        fuse_kernel: odd side of the fusing convolution's kernel; 1 leaves pooling as the only way
            by which a position sees others.
        align_corners: whether the corners of a pooled map lie on those of the input when it is
            upsampled, as in the released code.

    Raises:
        ValueError: without bins, for a bin below 1, for fewer input channels than bins, or for a
            kernel whose side is not odd.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        out_channels: int = 512,
        bins: Sequence[int] = (1, 2, 3, 6),
        branch_channels: int | None = None,
        fuse_kernel: int = 3,
        align_corners: bool = False,
    ) -> None:
        super().__init__()
        if fuse_kernel < 1 or fuse_kernel % 2 == 0:
            raise ValueError(f"fuse_kernel is {fuse_kernel}; give an odd number from 1")
        if not bins or min(bins) < 1:
            raise ValueError(f"bins is {list(bins)}; give at least one number, each at least 1")
        width = in_channels // len(bins) if branch_channels is None else branch_channels
        positive(in_channels=in_channels, out_channels=out_channels, branch_channels=width)
        self.bins = tuple(bins)
        self.align_corners = align_corners
        self.levels = nn.ModuleList(ConvBNReLU(in_channels, width) for _ in self.bins)
        self.fuse = ConvBNReLU(in_channels + len(self.bins) * width, out_channels, fuse_kernel)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        return self.fuse(torch.cat([x, *self._pooled(x)], dim=1))  # type: ignore[no-any-return]

    def _pooled(self, x: Tensor) -> list[Tensor]:
        """Every level at the size of the input: len(bins) times (B, branch_channels, H, W)."""
        return [
            resize(
                level(F.adaptive_avg_pool2d(x, side)),
                *x.shape[-2:],
                align_corners=self.align_corners,
            )
            for side, level in zip(self.bins, self.levels, strict=True)
        ]
