"""A small convolutional backbone, for training on a few CPU cores."""

from torch import Tensor, nn

from modules.layers import ConvBNReLU


class SmallBackbone(nn.Module):
    """Five 3x3 convolutions at output stride 4: (B, in, H, W) -> (B, width, H/4, W/4), rounded up.

    Not of a paper: made so that context modules can be trained and compared in minutes on two
    cores. The strides come last, so that a position sees 13 x 13 pixels of the image and nothing
    beyond; behind bilinear upsampling by 4, a prediction depends on pixels at most 11 rows and
    columns away. Whatever needs a wider view is the context module's to give.

        in -> w/4 -> w/4 -> w/4 -> w, stride 2 -> w, stride 2

    Cost: 9 HW (in w / 4 + w^2 / 8 + w^2 / 16 + w^2 / 16) MACs with w = width, 39.5 M at 64 x 64.

    Attributes:
        feature_channels: channels of the maps that `features` gives.
        out_channels: `width`.
        output_stride: 4.
        receptive_radius: pixels that a position sees to each side of its own.

    Args:
        in_channels: channels of the image.
        width: channels of the last map; a multiple of 4.

    Raises:
        ValueError: `width` is no positive multiple of 4.
    """

    output_stride = 4
    receptive_radius = 6

    def __init__(self, in_channels: int = 3, *, width: int = 64) -> None:
        super().__init__()
        if width < 4 or width % 4:
            raise ValueError(
                f"width is {width}; it must be a multiple of 4, a quarter of it is the first width"
            )
        narrow = width // 4
        self.stage1 = nn.Sequential(
            ConvBNReLU(in_channels, narrow, 3),
            ConvBNReLU(narrow, narrow, 3),
            ConvBNReLU(narrow, narrow, 3),
        )
        self.stage2 = ConvBNReLU(narrow, width, 3, stride=2)
        self.stage3 = ConvBNReLU(width, width, 3, stride=2)
        self.feature_channels = (narrow, width, width)
        self.out_channels = width

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> the last map."""
        return self.stage3(self.stage2(self.stage1(x)))  # type: ignore[no-any-return]

    def features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The maps at strides 1, 2 and 4, `feature_channels` wide, for auxiliary heads."""
        full = self.stage1(x)
        half = self.stage2(full)
        return full, half, self.stage3(half)
