"""Layers that several mechanisms share."""

from torch import Tensor, nn


class ConvBNReLU(nn.Sequential):
    """Convolution, batch norm, ReLU ("CBR"): (B, in, H, W) -> (B, out, H', W').

    The convolution has no bias, since the batch norm that follows has one, and pads by
    `dilation * (kernel_size - 1) / 2`, so that stride 1 keeps H and W. The ReLU works in place.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: odd side of the square kernel.
        stride: step of the convolution, in pixels.
        dilation: distance of neighbouring taps, in pixels.
        groups: number of blocked connections from input to output channels.
        relu: leave the ReLU out with `False` (convolution and batch norm alone).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        relu: bool = True,
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel_size,
                stride=stride,
                padding=dilation * (kernel_size - 1) // 2,
                dilation=dilation,
                groups=groups,
                bias=False,
            ),
            nn.BatchNorm2d(out_channels),
        ]
        if relu:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


def flatten_positions(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H*W, C): one row per position, as the papers write X."""
    return x.flatten(2).transpose(1, 2)


def unflatten_positions(rows: Tensor, height: int, width: int) -> Tensor:
    """(B, H*W, C) -> (B, C, H, W): the inverse of `flatten_positions`."""
    return rows.transpose(1, 2).unflatten(2, (height, width))
