"""The plain head: two 3x3 convolutions, no context module."""

from torch import Tensor, nn

from context_modules.layers import ConvBNReLU, positive


class FCNHead(nn.Module):
    """Two 3x3 CBR (Li et al., SRNet, Table 3, row "+2*3x3"): (B, in, H, W) -> (B, out, H, W).

    SRNet puts the context modules that it compares between these two convolutions.

    Complexity: k^2 H W channels (in_channels + out_channels) multiply-accumulates, k the side of
    the kernels, 3.

    Args:
        in_channels: channels of the input.
        channels: channels between the two convolutions.
        out_channels: channels of the output.
        kernel_size: side of both kernels; 1 leaves a position's view as the backbone gave it, so
            that nothing but the backbone decides what such a network can know.

    Raises:
        ValueError: channels below 1, or a kernel size that is not odd.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: int = 512,
        out_channels: int = 512,
        kernel_size: int = 3,
    ) -> None:
        super().__init__()
        positive(in_channels=in_channels, channels=channels, out_channels=out_channels)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size is {kernel_size}; give an odd number from 1")
        self.out_channels = out_channels
        # One flat sequence: nothing outside holds the first map while the second norm writes.
        self.layers = nn.Sequential(
            *ConvBNReLU(in_channels, channels, kernel_size),
            *ConvBNReLU(channels, out_channels, kernel_size),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        y: Tensor = self.layers(x)
        return y
