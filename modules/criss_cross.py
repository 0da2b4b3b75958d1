"""Criss-cross attention and the recurrent head of CCNet (RCCA)."""

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from context_modules.attention import AnyKernel
from context_modules.blocks import BLOCK, in_blocks
from context_modules.criss_cross_operator import criss_cross_by_triton
from context_modules.layers import ConvBNReLU, Transform, leak, pointwise, positive
from context_modules.self_attention import Residual, add_residual, check_widths


class CrissCrossAttention(nn.Module):
    """Criss-cross attention (Huang et al., "CCNet", 2019, Eq. 1 and 2, Figure 3), repeatable.

    (B, in_channels, H, W) -> (B, in_channels, H, W).

    Every position attends to its own column and its own row in one softmax; done twice
    (`recurrence: 2`, shared weights), every position reaches every other. A position lies in both
    its column and its row: the two tables hold H + W entries, of which the column's own one is
    masked, so that H + W - 1 positions take part. Cost: recurrence * H * W * (H + W) *
    (key_channels + value_channels) multiply-accumulates beside the convolutions, all repeated.

    Defaults are CCNet's: biased 1x1 convolutions, no scaling of the logits, values as wide as the
    map, no output projection, gamma 0 at first. With `key_channels: 256, value_channels: 256,
    transform: cbr, output_transform: conv_bn` it stands in the frame of SRNet's non-local block.

    Args:
        in_channels: channels of the input and the output.
        key_channels: channels of query and key; `None` means in_channels / 8.
        value_channels: channels of the values; `None` means in_channels.
        transform: kind of the query, key and value convolutions.
        output_transform: kind of the projection back to in_channels; `none` leaves it out, and
            value_channels must then equal in_channels.
        recurrence: how often the attention is applied.
        residual: see `context_modules.self_attention`.
        kernel: `explicit` holds the attention maps; `fused` goes through the rows of the map block
            by block and makes each block again in the backward; `triton` runs kernels on a GPU.

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
        output_transform: Transform | Literal["none"] = "none",
        recurrence: int = 1,
        residual: Residual = "scaled",
        kernel: AnyKernel = "explicit",
    ) -> None:
        super().__init__()
        keys = in_channels // 8 if key_channels is None else key_channels
        values = in_channels if value_channels is None else value_channels
        positive(
            in_channels=in_channels, key_channels=keys, value_channels=values, recurrence=recurrence
        )
        check_widths(
            in_channels=in_channels,
            out=in_channels,
            values=values,
            output_transform=output_transform,
            residual=residual,
        )
        self.query = pointwise(in_channels, keys, transform)
        self.key = pointwise(in_channels, keys, transform)
        self.value = pointwise(in_channels, values, transform)
        self.output = (
            nn.Identity()
            if output_transform == "none"
            else pointwise(values, in_channels, output_transform)
        )
        self.recurrence = recurrence
        self.kernel: AnyKernel = kernel
        self.residual: Residual = residual
        self.gamma = nn.Parameter(torch.zeros(1)) if residual == "scaled" else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, in_channels, H, W)."""
        for _ in range(self.recurrence):
            context = criss_cross(self.query(x), self.key(x), self.value(x), kernel=self.kernel)
            x = add_residual(self.output(context), x, self.residual, self.gamma)
            del context  # before the next round allocates
        return x

    def affinity_elements(self, input_shape: Sequence[int]) -> int:
        """Elements of the attention maps A of Eq. 1 that one forward makes, batch 1.

        R H W (H + W), R the recurrence: O(HW (H + W)) in SRNet's Table 1. The masked entry of the
        column is stored, and counts. The others hold blocks of them alone, or none.

        Args:
            input_shape: (B, in_channels, H, W).
        """
        if self.kernel != "explicit":
            return 0
        height, width = input_shape[-2:]
        return self.recurrence * height * width * (height + width)


def criss_cross(
    query: Tensor, key: Tensor, value: Tensor, *, kernel: AnyKernel = "explicit"
) -> Tensor:
    """Attend along the column and the row of every position (CCNet, Eq. 1 and 2).

    Args:
        query: (B, D, H, W).
        key: (B, D, H, W).
        value: (B, C, H, W).
        kernel: see `CrissCrossAttention`.

    Returns:
        (B, C, H, W).

    Raises:
        NotImplementedError: `triton` without a GPU or Triton, or in float64.
    """
    if kernel == "triton":
        return criss_cross_by_triton(query, key, value)
    if kernel == "fused":
        return _fused(query, key, value)
    height = query.shape[-2]
    weights = criss_cross_weights(query, key)  # (B, H, W, H + W)
    down = torch.matmul(weights[..., :height].transpose(1, 2), _columns(value))  # (B, W, H, C)
    across = torch.matmul(weights[..., height:], _rows(value))  # (B, H, W, C)
    return (down.transpose(1, 2) + across).permute(0, 3, 1, 2)


def criss_cross_weights(query: Tensor, key: Tensor) -> Tensor:
    """The attention map A of Eq. 1: (B, D, H, W) twice -> (B, H, W, H + W), column first."""
    own = torch.eye(query.shape[-2], dtype=torch.bool, device=query.device)
    return _weights(query, key, _columns(key), own)


def _fused(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    # Channels last, rows and columns are matrices as they lie, and no product copies them.
    query, key, value = (
        x.contiguous(memory_format=torch.channels_last) for x in (query, key, value)
    )
    batch, _, height, width = query.shape
    own = torch.eye(height, dtype=torch.bool, device=query.device)
    keys, values = _columns(key), _columns(value)

    def some(q: Tensor, k: Tensor, v: Tensor, position: Tensor) -> Tensor:
        weights = _weights(q, k, keys, position[0, 0])
        down = torch.matmul(weights[..., :height].transpose(1, 2), values)
        across = torch.matmul(weights[..., height:], _rows(v))
        return (down.transpose(1, 2) + across).permute(0, 3, 1, 2)

    step = max(1, BLOCK // (batch * width * (height + width)))
    return in_blocks(some, (query, key, value, own[None, None]), step, dim=2)


def _weights(query: Tensor, key: Tensor, columns: Tensor, own: Tensor) -> Tensor:
    """The attention map of some rows of the map, (B, h, W, H + W).

    Args:
        query: (B, D, h, W), of these rows.
        key: (B, D, h, W), likewise.
        columns: (B, W, H, D), the keys of all rows.
        own: (h, H), whether a row is the query's own.
    """
    down = torch.matmul(_columns(query), columns.transpose(-2, -1))  # (B, W, h, H)
    down = down.masked_fill_(own, float("-inf"))  # the row holds the position itself
    across = torch.matmul(_rows(query), _rows(key).transpose(-2, -1))  # (B, h, W, W)
    return torch.cat([down.transpose(1, 2), across], dim=-1).softmax(dim=-1)


def _columns(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, W, H, C): one matrix per column."""
    return x.permute(0, 3, 2, 1)


def _rows(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H, W, C): one matrix per row."""
    return x.permute(0, 2, 3, 1)


class RCCA(nn.Module):
    """Recurrent criss-cross attention head (Huang et al., "CCNet", 2019, Figure 2), no classifier.

    (B, in_channels, H, W) -> (B, out_channels, H, W).

    A 3x3 CBR reduces, criss-cross attention is applied `recurrence` times, a 3x3 CBR follows; its
    result is concatenated with the input of the head and fused by a 3x3 CBR.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the attention and of the output.
        key_channels: channels of query and key; `None` means out_channels / 8.
        recurrence: R of the paper.
        kernel: see `CrissCrossAttention`.
        negative_slope: of all ReLUs, see `context_modules.layers.leak`.

    Raises:
        ValueError: for sizes below 1.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        out_channels: int = 512,
        key_channels: int | None = None,
        recurrence: int = 2,
        kernel: AnyKernel = "explicit",
        negative_slope: float = 0.0,
    ) -> None:
        super().__init__()
        positive(in_channels=in_channels, out_channels=out_channels)
        self.context = nn.Sequential(
            ConvBNReLU(in_channels, out_channels, 3),
            CrissCrossAttention(
                out_channels, key_channels=key_channels, recurrence=recurrence, kernel=kernel
            ),
            ConvBNReLU(out_channels, out_channels, 3),
        )
        self.fuse = ConvBNReLU(in_channels + out_channels, out_channels, 3)
        leak(self, negative_slope)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        return self.fuse(torch.cat([x, self.context(x)], dim=1))  # type: ignore[no-any-return]

    def affinity_elements(self, input_shape: Sequence[int]) -> int:
        """Those of the criss-cross attention."""
        attention = cast(CrissCrossAttention, self.context[1])
        return attention.affinity_elements(input_shape)
