"""Layers that several mechanisms share."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

Transform = Literal["conv", "conv_bias", "conv_bn", "cbr"]
"""A 1x1 convolution: alone, with a bias, with batch norm, with batch norm and ReLU."""


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that also trains on one value per channel, as an image pooled to 1x1 has.

    One value has no variance, and `nn.BatchNorm2d` refuses it in training. Here such a map is
    normalised with the running statistics, which it leaves as they are. State and cost are those
    of `nn.BatchNorm2d`.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name of the base class
        """(B, C, H, W) -> (B, C, H, W)."""
        if self.training and self.track_running_stats and input.numel() == input.shape[1]:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)


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
            BatchNorm(out_channels),
        ]
        if relu:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


def add_biases(module: nn.Module) -> None:
    """Give every convolution without a bias one of zeros, in front of batch norm, too.

    A bias that a batch norm follows changes nothing but the count of parameters, and the gradients
    by rounding: some released code has them.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is None:
            layer.bias = nn.Parameter(layer.weight.new_zeros(layer.out_channels))


def leak(module: nn.Module, negative_slope: float) -> None:
    """Make all ReLUs of a module leaky: x below 0 becomes negative_slope * x.

    The released code of OCNet, CCNet and RANet has 0.01 in all of its activations, the default of
    the in-place norm that they use, where the papers write ReLU. 0 leaves the module as it is.

    Raises:
        ValueError: the slope is not from 0 to below 1.
    """
    if not 0 <= negative_slope < 1:
        raise ValueError(f"negative_slope is {negative_slope}; give a number from 0 to below 1")
    if negative_slope == 0:
        return
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.ReLU):
                setattr(parent, name, nn.LeakyReLU(negative_slope, inplace=child.inplace))


def pointwise(in_channels: int, out_channels: int, transform: Transform) -> nn.Module:
    """The 1x1 convolution that `transform` names: (B, in, H, W) -> (B, out, H, W).

    Raises:
        ValueError: for an unknown transform.
    """
    match transform:
        case "conv" | "conv_bias":
            return nn.Conv2d(in_channels, out_channels, 1, bias=transform == "conv_bias")
        case "conv_bn" | "cbr":
            return ConvBNReLU(in_channels, out_channels, relu=transform == "cbr")
    raise ValueError(
        f"transform is {transform!r}; choose one of 'conv', 'conv_bias', 'conv_bn', 'cbr'"
    )


def positive(**values: int) -> None:
    """Check arguments that count something.

    Raises:
        ValueError: naming the first argument below 1.
    """
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1")


def pair(name: str, values: Sequence[int]) -> tuple[int, int]:
    """Check an argument that holds one positive number per side of the map, height first.

    Raises:
        ValueError: naming the argument.
    """
    if len(values) != 2 or min(values) < 1:
        raise ValueError(f"{name} is {list(values)}; give two positive numbers, height then width")
    return int(values[0]), int(values[1])


def resize(x: Tensor, height: int, width: int, *, align_corners: bool = False) -> Tensor:
    """Bilinear interpolation to (height, width); nothing at the same size."""
    if x.shape[-2:] == (height, width):
        return x
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=align_corners)


def flatten_positions(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H*W, C): one row per position, as the papers write X."""
    return x.flatten(2).transpose(1, 2)


def unflatten_positions(rows: Tensor, height: int, width: int) -> Tensor:
    """(B, H*W, C) -> (B, C, H, W): the inverse of `flatten_positions`."""
    batch, _, channels = rows.shape
    return rows.transpose(1, 2).reshape(batch, channels, height, width)


def one_of(argument: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a value that is not among the choices.

    Raises:
        ValueError: names the argument, the value and the choices.
    """
    if value not in choices:
        raise ValueError(f"{argument} must be one of {', '.join(choices)}, not {value!r}")
