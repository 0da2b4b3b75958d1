"""ResNet-C: the residual network with a narrow deep stem, as mmsegmentation trains it."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from context_modules.published import load_weights
from context_modules.resnet import DEPTHS, FirstDilation, ResNet

_WIDTHS = (32, 32, 64)


class ResNetV1c(ResNet):
    """A `ResNet` whose stem is three 3x3 convolutions to 32, 32 and 64 channels.

    Source: He et al. 2019 (Bag of Tricks for Image Classification with Convolutional Neural
    Networks, Figure 2 b). Weights are published as `resnet50_v1c` by mmsegmentation and gluon, as
    `resnet50c` by timm; PSPNet's deep stem, which `ResNet` has, is twice as wide.

    Shapes and attributes: see `ResNet`. The stem is one `Sequential` named `conv1`, followed by
    `bn1`, as there.

    Args:
        in_channels: channels of the image.
        depth: number of weighted layers, a key of `DEPTHS`.
        output_stride: see `ResNet`, as are all others.
        multi_grid: one factor per block of layer4, or none.
        first_dilation: of what stood before a removed stride; `before` in mmsegmentation.
        ceil_pool: whether the stem's pooling rounds sizes up.
        weights: a file for `context_modules.published.load_weights`.

    Raises:
        ValueError: as `ResNet` does.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        depth: int = 50,
        output_stride: int = 8,
        multi_grid: Sequence[int] = (),
        first_dilation: FirstDilation = "before",
        ceil_pool: bool = False,
        weights: str | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            depth=depth,
            stem="7x7",  # as many channels behind it
            output_stride=output_stride,
            multi_grid=multi_grid,
            first_dilation=first_dilation,
            ceil_pool=ceil_pool,
        )
        self.conv1 = _narrow_stem(in_channels)
        if weights is not None:
            load_weights(self, weights)


def _narrow_stem(in_channels: int) -> nn.Sequential:
    """in -> 32, 32, 64 at half the size, without the last norm; He et al. 2015, Eq. 10."""
    layers: list[nn.Module] = []
    for width in _WIDTHS:
        convolution = nn.Conv2d(
            in_channels, width, 3, stride=1 if layers else 2, padding=1, bias=False
        )
        nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
        layers += [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        in_channels = width
    return nn.Sequential(*layers[:-2])


BACKBONES: dict[str, tuple[type[ResNetV1c], dict[str, Any]]] = {
    f"resnet{depth}_v1c": (ResNetV1c, {"depth": depth}) for depth in DEPTHS
}
