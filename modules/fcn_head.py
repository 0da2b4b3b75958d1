"""The plain head: two 3x3 convolutions, no context module."""

from torch import Tensor, nn

from modules.layers import ConvBNReLU, positive


class FCNHead(nn.Module):
    """Two 3x3 CBR (Li et al., SRNet, Table 3, row "+2*3x3"): (B, in, H, W) -> (B, out, H, W).

    SRNet puts the context modules that it compares between these two convolutions.

    Complexity: 9 H W channels (in_channels + out_channels) multiply-accumulates.

    Args:
        in_channels: channels of the input.
        channels: channels between the two convolutions.
        out_channels: channels of the output.

    Raises:
        ValueError: channels below 1.
    """

    def __init__(self, in_channels: int, *, channels: int = 512, out_channels: int = 512) -> None:
        super().__init__()
        positive(in_channels=in_channels, channels=channels, out_channels=out_channels)
        self.out_channels = out_channels
        # One flat sequence: nothing outside holds the first map while the second norm writes.
        self.layers = nn.Sequential(
            *ConvBNReLU(in_channels, channels, 3), *ConvBNReLU(channels, out_channels, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        y: Tensor = self.layers(x)
        return y
