"""A small convolutional backbone, for training on a few CPU cores."""

import math

import torch
from torch import Tensor, nn

from context_modules.layers import BatchNorm, ConvBNReLU

_POSITION_CHANNELS = 4


class SmallBackbone(nn.Module):
    """A few 3x3 convolutions: (B, in, H, W) -> (B, width, H/stride, W/stride), rounded up.

    Not of a paper: made so that context modules can be trained and compared in minutes on two
    cores. The strides come last, so that a position sees few pixels of the image and nothing beyond
    (`receptive_radius`). Whatever needs a wider view is the context module's to give.

        in -> stem -> stem -> stem -> w, stride 2 -> w, stride 2                         (w = width)

    As it stands here (stride 4) a position sees 13 x 13 pixels; behind bilinear upsampling by 4, a
    prediction depends on pixels at most 11 rows and columns away (`prediction_radius`).

    Two more inputs for the context module, each a part of the `width` channels of the map:

    - `colours`: the mean colour around each position, normalised. A few convolutions that are
      trained to tell patterns keep little of it, and a relation by colour is then not learnt.
    - `positions`: sine and cosine of row and column, a quarter of a period to each side of the
      middle. Their products give the cosine of differences (Vaswani et al. 2017, Section 3.5, the
      lowest frequency), so that a relation by distance can be learnt; attention between positions
      alone knows no distance. They depend on nothing in the image.

    Cost with the defaults: 9 HW (in w / 4 + w^2 / 8 + w^2 / 16 + w^2 / 16) MACs with w = width,
    39.5 M at 64 x 64.

    Attributes:
        feature_channels: channels of the maps that `features` gives.
        out_channels: `width`.
        output_stride: that of the last map.
        receptive_radius: pixels that a position sees to each side of its own.
        prediction_radius: the same of a pixel behind bilinear upsampling to the image.

    Args:
        in_channels: channels of the image.
        width: channels of the last map; a multiple of 4.
        output_stride: 2 or 4.
        stem_convs: convolutions before the strides, from 1.
        stem_width: their channels; `None`: width / 4.
        colours: give the mean colour along.
        positions: give row and column along.

    Raises:
        ValueError: `width` is no positive multiple of 4 or has no room, or another argument is out
            of its range.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        width: int = 64,
        output_stride: int = 4,
        stem_convs: int = 3,
        stem_width: int | None = None,
        colours: bool = False,
        positions: bool = False,
    ) -> None:
        super().__init__()
        stem = width // 4 if stem_width is None else stem_width
        convolved = width - colours * in_channels - positions * _POSITION_CHANNELS
        _check(width, convolved, output_stride, stem_convs, stem)
        self.stage1 = nn.Sequential(
            *(ConvBNReLU(stem if n else in_channels, stem, 3) for n in range(stem_convs))
        )
        strides = int(math.log2(output_stride))
        widths = [width] * (strides - 1) + [convolved]
        self.stage2 = ConvBNReLU(stem, widths[0], 3, stride=2)
        self.stage3: nn.Module = (
            ConvBNReLU(width, convolved, 3, stride=2) if strides == 2 else nn.Identity()
        )
        self.colour: nn.Module | None = None
        if colours:
            # Reaches output_stride - 1 pixels to each side: less far than the convolutions.
            self.colour = nn.Sequential(
                nn.AvgPool2d(
                    2 * output_stride - 1,
                    output_stride,
                    padding=output_stride - 1,
                    count_include_pad=False,
                ),
                BatchNorm(in_channels, affine=False),
            )
        self.positions = positions
        self.output_stride = output_stride
        self.receptive_radius = stem_convs + output_stride - 1
        self.prediction_radius = self.receptive_radius + output_stride * 3 // 2 - 1
        self.feature_channels = (stem, width, width)
        self.out_channels = width

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> the last map."""
        return self.features(x)[-1]

    def features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The maps at strides 1, 2 and the last one, `feature_channels` wide, for auxiliary heads.

        At output stride 2 the last two are the same.
        """
        full = self.stage1(x)
        half = self.stage2(full)
        last = self.stage3(half)
        parts = [last]
        if self.colour is not None:
            parts.append(self.colour(x))
        if self.positions:
            parts.append(position_channels(last))
        whole = torch.cat(parts, dim=1) if len(parts) > 1 else last
        return full, whole if self.output_stride == 2 else half, whole


def position_channels(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, 4, H, W): sine and cosine of row and column, from -pi/2 to pi/2."""
    batch, _, height, width = x.shape
    rows, columns = (
        torch.linspace(-math.pi / 2, math.pi / 2, side, dtype=x.dtype, device=x.device)
        for side in (height, width)
    )
    down, across = rows[:, None].expand(height, width), columns.expand(height, width)
    channels = torch.stack([down.sin(), down.cos(), across.sin(), across.cos()])
    return channels.expand(batch, -1, -1, -1)


def _check(width: int, convolved: int, output_stride: int, stem_convs: int, stem: int) -> None:
    if width < 4 or width % 4:
        raise ValueError(
            f"width is {width}; it must be a multiple of 4, a quarter of it is the first width"
        )
    if convolved < 1:
        raise ValueError(f"width is {width}; colours and positions leave no channel; raise it")
    if output_stride not in (2, 4):
        raise ValueError(f"output_stride is {output_stride}; choose 2 or 4")
    if stem_convs < 1 or stem < 1:
        raise ValueError(f"stem_convs and stem_width are {stem_convs} and {stem}; give at least 1")
