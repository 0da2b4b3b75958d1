"""A small convolutional backbone, for training on a few CPU cores."""

from torch import Tensor, nn

from modules.layers import ConvBNReLU, positive


class SmallBackbone(nn.Module):
    """Five 3x3 convolutions at output stride 4: (B, in, H, W) -> (B, width, H/4, W/4), rounded up.

    Not of a paper: made so that a context module can be trained and compared in minutes on two
    cores. A position sees 27 x 27 pixels of the image and nothing beyond, so whatever needs a
    wider view is the context module's to give.

        in -> width/2, stride 2 -> width/2 -> width, stride 2 -> width -> width

    Cost: 9 HW (in w / 8 + w^2 / 16 + w^2 / 32 + 2 w^2 / 16) MACs with w = width.

    Attributes:
        feature_channels: channels of the maps that `features` gives.
        out_channels: `width`.
        output_stride: 4.

    Args:
        in_channels: channels of the image.
        width: channels of the last map; even.

    Raises:
        ValueError: `width` is odd or not positive.
    """

    output_stride = 4

    def __init__(self, in_channels: int = 3, *, width: int = 64) -> None:
        super().__init__()
        positive(width=width)
        if width % 2:
            raise ValueError(f"width is {width}; it must be even, half of it is the first width")
        half = width // 2
        self.stage1 = nn.Sequential(
            ConvBNReLU(in_channels, half, 3, stride=2), ConvBNReLU(half, half, 3)
        )
        self.stage2 = nn.Sequential(
            ConvBNReLU(half, width, 3, stride=2), ConvBNReLU(width, width, 3)
        )
        self.stage3 = ConvBNReLU(width, width, 3)
        self.feature_channels = (half, width, width)
        self.out_channels = width

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> the last map."""
        return self.stage3(self.stage2(self.stage1(x)))  # type: ignore[no-any-return]

    def features(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The maps at strides 2, 4 and 4, `feature_channels` wide, for auxiliary heads."""
        half = self.stage1(x)
        quarter = self.stage2(half)
        return half, quarter, self.stage3(quarter)
