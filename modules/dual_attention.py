"""Position and channel attention, and the head of DANet that sums them."""

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from context_modules.attention import AnyKernel
from context_modules.layers import ConvBNReLU, positive
from context_modules.self_attention import SelfAttention, add_residual

Affinity = Literal["similarity", "dissimilarity"]


class PositionAttention(SelfAttention):
    """Position attention (Fu et al., "Dual Attention Network", 2019, Eq. 1 and 2, Figure 3 A).

    (B, in_channels, H, W) -> (B, in_channels, H, W).

    Self-attention over positions: query and key are one biased 1x1 convolution each, values are as
    wide as the map, logits are not scaled, and gamma (0 at first) scales the context before the
    input is added. Cost: N^2 * (key_channels + in_channels) multiply-accumulates, N = H * W.

    Args:
        in_channels: channels of the input and the output.
        key_channels: channels of query and key; `None` means in_channels / 8.
        kernel: `explicit`, `fused` or `triton`, see `context_modules.attention`.

    Raises:
        ValueError: for channels below 1.
    """

    def __init__(
        self, in_channels: int, *, key_channels: int | None = None, kernel: AnyKernel = "explicit"
    ) -> None:
        super().__init__(
            in_channels,
            key_channels=in_channels // 8 if key_channels is None else key_channels,
            value_channels=in_channels,
            query_convs=1,
            query_transform="conv_bias",
            value_transform="conv_bias",
            output_transform="none",
            scaled=False,
            residual="scaled",
            kernel=kernel,
        )


class ChannelAttention(nn.Module):
    """Channel attention (Fu et al., "Dual Attention Network", 2019, Eq. 3 and 4, Figure 3 B).

    (B, in_channels, H, W) -> (B, in_channels, H, W).

    The relation of two channels is the inner product of their maps; there are no convolutions.
    Cost: 2 * H * W * in_channels^2 multiply-accumulates.

    The paper's Eq. 3 takes the softmax of the inner products. The authors' released code takes it
    of (row maximum - inner product), which prefers unlike channels: `affinity: dissimilarity`.

    Args:
        in_channels: channels of the input and the output; the function works for any number.
        affinity: `similarity` (the text) or `dissimilarity` (the code).

    Raises:
        ValueError: for an unknown affinity.
    """

    def __init__(self, in_channels: int, *, affinity: Affinity = "similarity") -> None:
        super().__init__()
        positive(in_channels=in_channels)
        if affinity not in ("similarity", "dissimilarity"):
            raise ValueError(f"affinity is {affinity!r}; choose 'similarity' or 'dissimilarity'")
        self.affinity = affinity
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, in_channels, H, W)."""
        rows = x.flatten(2)  # (B, C, N)
        context = torch.matmul(self._relation(rows), rows)  # Eq. 4
        return add_residual(context.view_as(x), x, "scaled", self.gamma)

    def affinity_elements(self, input_shape: Sequence[int]) -> int:
        """Elements of the relation of Eq. 3, batch 1: C^2, the logits not counted again.

        Args:
            input_shape: (B, C, H, W).
        """
        return int(input_shape[1]) ** 2

    def _relation(self, rows: Tensor) -> Tensor:
        """(B, C, N) -> (B, C, C), Eq. 3."""
        logits = torch.matmul(rows, rows.transpose(1, 2))
        # softmax(maximum - logits) = softmax(-logits): the maximum is the same along a row.
        return (logits if self.affinity == "similarity" else -logits).softmax(dim=-1)


class DANet(nn.Module):
    """Dual attention head (Fu et al., "Dual Attention Network", 2019, Figure 2), no classifier.

    (B, in_channels, H, W) -> (B, out_channels, H, W).

    Two branches, each a 3x3 CBR that reduces, an attention (position; channel) and a 3x3 CBR;
    their sum is the result.

    Args:
        in_channels: channels of the input.
        out_channels: channels of both branches and of the output.
        key_channels: of the position attention; `None` means out_channels / 8.
        affinity: of the channel attention.
        kernel: of the position attention.

    Raises:
        ValueError: for channels below 1 or an unknown affinity.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        out_channels: int = 512,
        key_channels: int | None = None,
        affinity: Affinity = "similarity",
        kernel: AnyKernel = "explicit",
    ) -> None:
        super().__init__()
        positive(in_channels=in_channels, out_channels=out_channels)
        self.out_channels = out_channels
        self.position = nn.Sequential(
            ConvBNReLU(in_channels, out_channels, 3),
            PositionAttention(out_channels, key_channels=key_channels, kernel=kernel),
            ConvBNReLU(out_channels, out_channels, 3),
        )
        self.channel = nn.Sequential(
            ConvBNReLU(in_channels, out_channels, 3),
            ChannelAttention(out_channels, affinity=affinity),
            ConvBNReLU(out_channels, out_channels, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H, W)."""
        return self.position(x) + self.channel(x)  # type: ignore[no-any-return]

    def affinity_elements(self, input_shape: Sequence[int]) -> int:
        """Elements of both relations, batch 1: (HW)^2 + C^2 in SRNet's Table 1.

        C is out_channels, to which the branches reduce.

        Args:
            input_shape: (B, in_channels, H, W).
        """
        batch, _, *sides = input_shape
        reduced = (batch, self.out_channels, *sides)
        position = cast(PositionAttention, self.position[1]).affinity_elements(reduced)
        return position + cast(ChannelAttention, self.channel[1]).affinity_elements(reduced)
