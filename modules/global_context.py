"""Global context block (Cao et al., "GCNet", 2019)."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from context_modules.layers import one_of

Pooling = Literal["attention", "average"]
Fusion = Literal["add", "multiply"]


class GlobalContext(nn.Module):
    """One context vector for the whole map, added to every position: (B, C, H, W) -> the same.

    Cao et al., "GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond", 2019,
    Eq. 5. A non-local block gives nearly the same context to every query, so that it can be shared:

        c = sum_j softmax_j(W_k x_j) x_j                    context modelling: C numbers
        z_i = x_i + W_v2 ReLU(LN(W_v1 c))                   transform and fusion

    W_v1 and W_v2 are biased 1x1 convolutions around a bottleneck of C / r channels with layer norm.
    `fusion: [multiply]` scales by sigmoid(W_v2 ...) instead, as an SE block; both fusions have
    transforms of their own, and multiply comes first. With `pooling: average` c is the mean.

    Cost: 2 N C multiply-accumulates for the context and 2 C^2 / r for each transform, N = H * W.
    mmsegmentation's head has r = 4.

    Args:
        in_channels: C.
        reduction: r; 16 in the paper.
        pooling: how the context is made.
        fusion: how it meets the map; one of `add` and `multiply`, or both.

    Raises:
        ValueError: a bottleneck without channels, no fusion or an unknown word.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        reduction: int = 16,
        pooling: Pooling = "attention",
        fusion: Sequence[Fusion] = ("add",),
    ) -> None:
        super().__init__()
        if not 1 <= reduction <= in_channels:
            raise ValueError(
                f"reduction is {reduction}; it must lie between 1 and in_channels ({in_channels})"
            )
        one_of("pooling", pooling, get_args(Pooling))
        if not fusion:
            raise ValueError("fusion is empty; give add, multiply or both")
        for each in fusion:
            one_of("fusion", each, get_args(Fusion))
        hidden = in_channels // reduction
        self.weigh = nn.Conv2d(in_channels, 1, 1) if pooling == "attention" else None  # W_k
        self.add = _transform(in_channels, hidden) if "add" in fusion else None
        self.multiply = _transform(in_channels, hidden) if "multiply" in fusion else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        context = self.context(x)
        if self.multiply is not None:
            x = x * self.multiply(context).sigmoid()
        if self.add is not None:
            x = x + self.add(context)
        return x

    def context(self, x: Tensor) -> Tensor:
        """The vector c: (B, C, H, W) -> (B, C, 1, 1)."""
        if self.weigh is None:
            return x.mean(dim=(2, 3), keepdim=True)
        weights = self.weigh(x).flatten(2).softmax(dim=-1)  # (B, 1, N)
        return torch.matmul(x.flatten(2), weights.transpose(1, 2))[..., None]

    def affinity_elements(self, input_shape: Sequence[int]) -> int:
        """Elements of the one relation that all queries share, batch 1: N, or 0 with the mean.

        Args:
            input_shape: (B, C, H, W).
        """
        return 0 if self.weigh is None else input_shape[2] * input_shape[3]


def _transform(channels: int, hidden: int) -> nn.Sequential:
    """(B, C, 1, 1) -> (B, C, 1, 1); the last layer starts at 0, as the published code has it."""
    last = nn.Conv2d(hidden, channels, 1)
    nn.init.zeros_(last.weight)
    if last.bias is not None:
        nn.init.zeros_(last.bias)
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 1), nn.LayerNorm([hidden, 1, 1]), nn.ReLU(inplace=True), last
    )
