"""The non-local block of Wang et al., and what later papers measure under its name."""

from typing import Literal

from torch import nn

from context_modules.attention import AnyKernel
from context_modules.layers import ConvBNReLU, Transform
from context_modules.self_attention import Residual, SelfAttention


class NonLocal(SelfAttention):
    """Embedded-Gaussian non-local block (Wang et al., "Non-local Neural Networks", 2018).

    (B, in_channels, H, W) -> (B, in_channels, H, W).

        y = softmax(theta(x) phi(x)^T) g(x)      Eq. 1 with Section 3.2, "Embedded Gaussian"
        z = W_z y + x                            Eq. 6

    theta, phi and g are one biased 1x1 convolution each, to half of the channels; W_z is a 1x1
    convolution back with batch norm, whose weight starts at 0 so that the block starts as the
    identity (Section 4.1). The logits are not scaled.

    Cost: N^2 * (key_channels + value_channels) multiply-accumulates beside the 1x1 convolutions,
    N = H * W, and two N x N tables at the peak with the explicit kernel.

    Other forms under the same name:
        * SRNet, Table 3, "+NL": `transform: cbr, residual: scaled`. At 512x96x96: 0.527 M
          parameters, 4.832 + 43.487 GMAC, 675 MiB.
        * `key_stride: 2`: the subsampling of Wang et al., Section 3.3. OCNet's "SA-2x" pools the
          queries, too: `base_oc` with `downsample: 2`.
        * The block that CCNet compares with: `key_channels: 64, value_channels: 512,
          output_transform: none, residual: scaled`; 108.152 GFLOP at 512x97x97.

    Args:
        in_channels: channels of the input and the output.
        key_channels: channels of theta and phi; `None` means in_channels / 2.
        value_channels: channels of g; `None` means in_channels / 2.
        transform: kind of the convolutions theta, phi and g.
        output_transform: kind of W_z; `none` leaves it out, and value_channels must then equal
            in_channels.
        scaled: divide the logits by sqrt(key_channels).
        residual: see `context_modules.self_attention`; `scaled` starts as the identity by its
            gamma of 0, and W_z then starts as any convolution.
        key_stride: max-pool the map of keys and values by this factor.
        kernel: `explicit`, `fused` or `triton`, see `context_modules.attention`.

    Raises:
        ValueError: for sizes below 1, or value channels that do not fit.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        key_channels: int | None = None,
        value_channels: int | None = None,
        transform: Transform = "conv_bias",
        output_transform: Transform | Literal["none"] = "conv_bn",
        scaled: bool = False,
        residual: Residual = "plain",
        key_stride: int = 1,
        kernel: AnyKernel = "explicit",
    ) -> None:
        super().__init__(
            in_channels,
            key_channels=key_channels,
            value_channels=value_channels,
            query_convs=1,
            query_transform=transform,
            value_transform=transform,
            output_transform=output_transform,
            scaled=scaled,
            residual=residual,
            key_stride=key_stride,
            kernel=kernel,
        )
        self.out_channels = in_channels
        if residual == "plain" and isinstance(self.output, ConvBNReLU):
            _start_at_zero(self.output)


def _start_at_zero(layers: nn.Sequential) -> None:
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.zeros_(layer.weight)
