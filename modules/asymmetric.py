"""Asymmetric non-local blocks: keys and values are a few samples of the map (Zhu et al. 2019)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.attention import AnyKernel, attend
from context_modules.layers import (
    ConvBNReLU,
    add_biases,
    flatten_positions,
    pointwise,
    positive,
    unflatten_positions,
)

# Section 3.2: 1 + 9 + 36 + 64 = 110 anchors.
POOL_SIZES = (1, 3, 6, 8)


def sample(x: Tensor, pool_sizes: Sequence[int]) -> Tensor:
    """Spatial pyramid sampling (Section 3.2): (B, C, H, W) -> (B, S, C).

    Average-pools the map to each n x n and lists all bins: S = sum of n^2, whatever H and W.
    """
    return torch.cat([flatten_positions(F.adaptive_avg_pool2d(x, n)) for n in pool_sizes], dim=1)


class APNB(nn.Module):
    """Asymmetric pyramid non-local block: (B, in_channels, H, W) -> (B, out_channels, H, W).

    Zhu et al., "Asymmetric Non-local Neural Networks for Semantic Segmentation", 2019, Section 3.2:

        phi = theta = CBR(x), gamma = conv(x)       to key_channels and value_channels
        theta_P = sample(theta), gamma_P = sample(gamma)
        O = softmax(phi theta_P^T / sqrt(key_channels)) gamma_P
        y = CBR([W_O O, x])

    Cost: N * S * (key_channels + value_channels) multiply-accumulates beside the convolutions, with
    N = H * W and S = 110 samples instead of N.

    Query and key share one projection, as the published implementation has it; it is computed once
    here and twice there, N * in_channels * key_channels multiply-accumulates that a counter of that
    code sees. The scale, the concatenation with x and W_O, which starts at 0, also follow it.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output; `None` means in_channels.
        key_channels: channels of query and key; `None` means in_channels / 2.
        value_channels: channels of the values; `None` means in_channels / 2.
        pool_sizes: sides n of the pyramid's levels.
        share_query_key: use one projection for query and key.
        dropout: share of channels dropped behind the last convolution, in training.
        kernel: `explicit`, `fused` or `triton`, see `context_modules.attention`.
        biases: give the convolutions in front of batch norms biases, too, as the released code has
            them.

    Raises:
        ValueError: for sizes below 1, no pool sizes or a dropout outside of [0, 1].
    """

    def __init__(
        self,
        in_channels: int,
        *,
        out_channels: int | None = None,
        key_channels: int | None = None,
        value_channels: int | None = None,
        pool_sizes: tuple[int, ...] = POOL_SIZES,
        share_query_key: bool = True,
        dropout: float = 0.05,
        kernel: AnyKernel = "explicit",
        biases: bool = False,
    ) -> None:
        super().__init__()
        self.out_channels = in_channels if out_channels is None else out_channels
        keys = in_channels // 2 if key_channels is None else key_channels
        values = in_channels // 2 if value_channels is None else value_channels
        positive(in_channels=in_channels, out_channels=self.out_channels)
        positive(key_channels=keys, value_channels=values)
        self.pool_sizes = _checked(pool_sizes, dropout)
        self.kernel: AnyKernel = kernel
        self.query = pointwise(in_channels, keys, "cbr")  # phi
        self.key = None if share_query_key else pointwise(in_channels, keys, "cbr")  # theta
        self.value = pointwise(in_channels, values, "conv_bias")  # gamma
        self.output = _output(values, self.out_channels)  # W_O
        self.fuse = pointwise(self.out_channels + in_channels, self.out_channels, "cbr")
        self.dropout = nn.Dropout2d(dropout)
        if biases:
            add_biases(self)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        # Values first: their map is freed before that of the queries is there.
        value = sample(self.value(x), self.pool_sizes)  # (B, S, value_channels)
        query = self.query(x)  # (B, key_channels, H, W)
        key = sample(query if self.key is None else self.key(x), self.pool_sizes)
        rows = attend(flatten_positions(query), key, value, kernel=self.kernel)
        del query, key, value
        context = self.output(unflatten_positions(rows, *x.shape[2:]))
        del rows
        y: Tensor = self.dropout(self.fuse(torch.cat((context, x), dim=1)))
        return y


class AFNB(nn.Module):
    """Asymmetric fusion non-local block: (B, C_l, h, w), (B, C_h, H, W) -> (B, out, H, W).

    Zhu et al. 2019, Section 3.3: queries from the high-level map, sampled keys and values from the
    low-level one.

        phi = CBR(x_h), theta_P = sample(CBR(x_l)), gamma_P = sample(conv(x_l))
        O = softmax(phi theta_P^T / sqrt(key_channels)) gamma_P
        y = BN conv([W_O O, x_h])

    The two maps may differ in size. Cost: as `APNB`. Scale, concatenation and the start of W_O at 0
    follow the published implementation.

    Args:
        in_channels: C_l, channels of the low-level map, the first input.
        high_channels: C_h; `None` means 2 * C_l, as of a ResNet's last two stages.
        out_channels: channels of the output; `None` means C_h.
        key_channels: channels of query and key.
        value_channels: channels of the values.
        pool_sizes: sides n of the pyramid's levels.
        dropout: share of channels dropped behind the last convolution, in training.
        kernel: `explicit`, `fused` or `triton`, see `context_modules.attention`.
        biases: give the convolutions in front of batch norms biases, too, as the released code has
            them.

    Raises:
        ValueError: for sizes below 1, no pool sizes or a dropout outside of [0, 1].
    """

    def __init__(
        self,
        in_channels: int,
        *,
        high_channels: int | None = None,
        out_channels: int | None = None,
        key_channels: int = 256,
        value_channels: int = 256,
        pool_sizes: tuple[int, ...] = POOL_SIZES,
        dropout: float = 0.05,
        kernel: AnyKernel = "explicit",
        biases: bool = False,
    ) -> None:
        super().__init__()
        high = 2 * in_channels if high_channels is None else high_channels
        self.out_channels = high if out_channels is None else out_channels
        positive(in_channels=in_channels, high_channels=high, out_channels=self.out_channels)
        positive(key_channels=key_channels, value_channels=value_channels)
        self.pool_sizes = _checked(pool_sizes, dropout)
        self.kernel: AnyKernel = kernel
        self.query = pointwise(high, key_channels, "cbr")  # phi
        self.key = pointwise(in_channels, key_channels, "cbr")  # theta
        self.value = pointwise(in_channels, value_channels, "conv_bias")  # gamma
        self.output = _output(value_channels, self.out_channels)  # W_O
        self.fuse = pointwise(self.out_channels + high, self.out_channels, "conv_bn")
        self.dropout = nn.Dropout2d(dropout)
        if biases:
            add_biases(self)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """(B, C_l, h, w), (B, C_h, H, W) -> (B, out_channels, H, W)."""
        key = sample(self.key(low), self.pool_sizes)  # (B, S, key_channels)
        value = sample(self.value(low), self.pool_sizes)
        query = flatten_positions(self.query(high))  # (B, H*W, key_channels)
        rows = attend(query, key, value, kernel=self.kernel)
        del query, key, value
        context = self.output(unflatten_positions(rows, *high.shape[2:]))
        del rows
        y: Tensor = self.dropout(self.fuse(torch.cat((context, high), dim=1)))
        return y


class APNBHead(nn.Sequential):
    """The head with APNB alone: 3x3 CBR, APNB; (B, in_channels, H, W) -> (B, channels, H, W).

    Zhu et al. 2019, Figure 2 without the fusion block. With 2048 channels in: 10,358,016 parameters
    (10.36 M).

    Args:
        in_channels: channels of the input.
        channels: channels behind the 3x3 convolution and of the output.
        pool_sizes: as of `APNB`.
        dropout: as of `APNB`.
        kernel: as of `APNB`.
        biases: as of `APNB`.

    Raises:
        ValueError: as `APNB`.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: int = 512,
        pool_sizes: tuple[int, ...] = POOL_SIZES,
        dropout: float = 0.05,
        kernel: AnyKernel = "explicit",
        biases: bool = False,
    ) -> None:
        positive(in_channels=in_channels, channels=channels)
        super().__init__(
            ConvBNReLU(in_channels, channels, 3),
            APNB(channels, pool_sizes=pool_sizes, dropout=dropout, kernel=kernel),
        )
        self.out_channels = channels
        if biases:
            add_biases(self)


class AsymmetricNonLocal(nn.Module):
    """The network's head: (B, C_l, h, w), (B, C_h, H, W) -> (B, channels, H, W).

    Zhu et al. 2019, Figure 2: AFNB fuses the last two stages at the width of the last, a 3x3 CBR
    reduces, APNB. With 1024 and 2048 channels in: 20,326,912 parameters (20.33 M), with the biases
    of the released code 20,330,752.

    Args:
        in_channels: C_l, channels of the low-level map, the first input.
        high_channels: C_h; `None` means 2 * C_l.
        channels: channels behind the 3x3 convolution and of the output.
        key_channels: channels of AFNB's query, key and values.
        pool_sizes: as of `APNB`, for both blocks.
        dropout: as of `APNB`, for both blocks.
        kernel: as of `APNB`, for both blocks.
        biases: as of `APNB`, for both blocks and the convolution between them.

    Raises:
        ValueError: as `APNB`.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        high_channels: int | None = None,
        channels: int = 512,
        key_channels: int = 256,
        pool_sizes: tuple[int, ...] = POOL_SIZES,
        dropout: float = 0.05,
        kernel: AnyKernel = "explicit",
        biases: bool = False,
    ) -> None:
        super().__init__()
        self.out_channels = channels
        self.fusion = AFNB(
            in_channels,
            high_channels=high_channels,
            key_channels=key_channels,
            value_channels=key_channels,
            pool_sizes=pool_sizes,
            dropout=dropout,
            kernel=kernel,
        )
        self.context = APNBHead(
            self.fusion.out_channels,
            channels=channels,
            pool_sizes=pool_sizes,
            dropout=dropout,
            kernel=kernel,
        )
        if biases:
            add_biases(self)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """(B, C_l, h, w), (B, C_h, H, W) -> (B, channels, H, W)."""
        y: Tensor = self.context(self.fusion(low, high))
        return y


def _output(in_channels: int, out_channels: int) -> nn.Conv2d:
    conv = nn.Conv2d(in_channels, out_channels, 1)
    nn.init.zeros_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


def _checked(pool_sizes: Sequence[int], dropout: float) -> tuple[int, ...]:
    if not pool_sizes or min(pool_sizes) < 1:
        raise ValueError(f"pool_sizes is {list(pool_sizes)}; give at least one, each at least 1")
    if not 0 <= dropout <= 1:
        raise ValueError(f"dropout is {dropout}; it must lie in [0, 1]")
    return tuple(pool_sizes)
