"""DeepLabv3+: ASPP and a decoder that sharpens it with a fine map (Chen et al., 2018)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.layers import ConvBNReLU, positive, resize


class DeepLabV3Plus(nn.Module):
    """DeepLabv3+'s head: (B, C_l, h, w), (B, C_h, H, W) -> (B, out_channels, h, w).

    Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic Image
    Segmentation", ECCV 2018, Section 3.1 and Figure 2. ASPP on the last stage's map, upsampled to
    the size of a fine one, which a 1x1 CBR has reduced to a few channels; two 3x3 CBR on both:

        a = CBR1x1([CBR1x1(high), CBR3x3 per rate, pooled image])
        y = CBR3x3(CBR3x3([up(a), CBR1x1(low)]))

    With `separable` every 3x3 of both, dilated or not, is a depthwise 3x3 CBR and a 1x1 CBR, which
    cuts its cost by about 9. mmsegmentation's head: `out_channels: 512, fuse_kernel: 3`.

    Args:
        in_channels: C_l, channels of the fine map, the first input.
        high_channels: C_h; `None` means 8 * C_l, as of a ResNet's first and last stages.
        out_channels: of ASPP's branches, of the decoder and of the output.
        low_channels: of the fine map behind its 1x1; 48 in the paper.
        rates: dilations of ASPP; the paper's (6, 12, 18) at output stride 16 are twice at 8.
        separable: depthwise separable convolutions.
        fuse_kernel: odd side of the convolution that fuses ASPP's branches.

    Raises:
        ValueError: for sizes or rates below 1, no rates, or an even kernel.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        high_channels: int | None = None,
        out_channels: int = 256,
        low_channels: int = 48,
        rates: Sequence[int] = (12, 24, 36),
        separable: bool = True,
        fuse_kernel: int = 1,
    ) -> None:
        super().__init__()
        high = 8 * in_channels if high_channels is None else high_channels
        positive(in_channels=in_channels, high_channels=high, out_channels=out_channels)
        positive(low_channels=low_channels)
        if not rates or min(rates) < 1:
            raise ValueError(f"rates is {list(rates)}; give at least one number, each at least 1")
        if fuse_kernel < 1 or fuse_kernel % 2 == 0:
            raise ValueError(f"fuse_kernel is {fuse_kernel}; give an odd number from 1")
        self.out_channels = out_channels
        self.image = ConvBNReLU(high, out_channels)
        self.branches = nn.ModuleList(
            [
                ConvBNReLU(high, out_channels),
                *(_spatial(high, out_channels, rate, separable=separable) for rate in rates),
            ]
        )
        self.fuse = ConvBNReLU((len(rates) + 2) * out_channels, out_channels, fuse_kernel)
        self.low = ConvBNReLU(in_channels, low_channels)
        self.decode = nn.Sequential(
            _spatial(out_channels + low_channels, out_channels, 1, separable=separable),
            _spatial(out_channels, out_channels, 1, separable=separable),
        )

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """(B, C_l, h, w), (B, C_h, H, W) -> (B, out_channels, h, w)."""
        context = resize(self._pyramid(high), *low.shape[-2:])
        return self.decode(torch.cat([context, self.low(low)], dim=1))  # type: ignore[no-any-return]

    def _pyramid(self, high: Tensor) -> Tensor:
        """ASPP: (B, C_h, H, W) -> (B, out_channels, H, W)."""
        pooled = resize(self.image(F.adaptive_avg_pool2d(high, 1)), *high.shape[-2:])
        joined = torch.cat([pooled, *(branch(high) for branch in self.branches)], dim=1)
        return self.fuse(joined)  # type: ignore[no-any-return]


def _spatial(in_channels: int, out_channels: int, dilation: int, *, separable: bool) -> nn.Module:
    """A 3x3 CBR, or a depthwise and a 1x1 CBR in its place."""
    if not separable:
        return ConvBNReLU(in_channels, out_channels, 3, dilation=dilation)
    return nn.Sequential(
        ConvBNReLU(in_channels, in_channels, 3, dilation=dilation, groups=in_channels),
        ConvBNReLU(in_channels, out_channels),
    )
