"""Disentangled non-local block (Yin et al., "Disentangled Non-Local Neural Networks", 2020)."""

from typing import Literal

from torch import Tensor, nn

from context_modules.attention import AnyKernel, attend
from context_modules.layers import (
    Transform,
    flatten_positions,
    one_of,
    pointwise,
    positive,
    unflatten_positions,
)

Whitening = Literal["none", "mean"]
Joined = Literal["before", "after"]


class DisentangledNonLocal(nn.Module):
    """Non-local block with its pairwise and its unary term apart: (B, C, H, W) -> (B, C, H, W).

    Yin et al., ECCV 2020. The logit q_i . k_j of a non-local block is a sum of a whitened pairwise
    term (q_i - mean q) . (k_j - mean k), a unary term mean q . k_j, the same for every query, and
    what the softmax cancels. Multiplied inside one softmax they hinder each other; here each has
    its own, and the unary term a weight of its own, m_j = w_m . x_j:

        y_i = sum_j (softmax_j((q_i - mean q) . (k_j - mean k) / t) + softmax_j(m_j)) v_j
        z = x + W_z y

    The unary sum is one vector for the whole map. Cost: N^2 * (key_channels + value_channels) +
    N * value_channels multiply-accumulates beside the 1x1 convolutions, N = H * W.

    mmsegmentation's form: `temperature: 0.05, scaled: true`, and `joined: after` before version 1.

    Args:
        in_channels: C.
        key_channels: channels of q and k; `None` means C / 2.
        value_channels: channels of v; `None` means C / 2.
        whitening: `mean` subtracts the means over positions, `none` leaves the pairwise term as a
            non-local block has it.
        temperature: t, by which the logits of the pairwise term are divided.
        scaled: divide them by sqrt(key_channels) too.
        unary: with or without the unary term; without and without whitening this is a non-local
            block.
        joined: whether both sums are added `before` W_z or `after` it, each through W_z. They
            differ by the norm in W_z: its shift then counts twice.
        transform: kind of the convolutions of q, k and v.
        output_transform: kind of W_z.
        kernel: `explicit`, `fused` or `triton`, see `context_modules.attention`.

    Raises:
        ValueError: for sizes below 1, a temperature that is not positive, or an unknown word.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        key_channels: int | None = None,
        value_channels: int | None = None,
        whitening: Whitening = "mean",
        temperature: float = 1.0,
        scaled: bool = False,
        unary: bool = True,
        joined: Joined = "before",
        transform: Transform = "conv_bias",
        output_transform: Transform = "conv_bn",
        kernel: AnyKernel = "explicit",
    ) -> None:
        super().__init__()
        keys = in_channels // 2 if key_channels is None else key_channels
        values = in_channels // 2 if value_channels is None else value_channels
        positive(in_channels=in_channels, key_channels=keys, value_channels=values)
        one_of("whitening", whitening, ("none", "mean"))
        one_of("joined", joined, ("before", "after"))
        if temperature <= 0:
            raise ValueError(f"temperature is {temperature}; it must be above 0")
        self.whitening: Whitening = whitening
        self.joined: Joined = joined
        self.scale = (keys**-0.5 if scaled else 1.0) / temperature
        self.kernel: AnyKernel = kernel
        self.query = pointwise(in_channels, keys, transform)
        self.key = pointwise(in_channels, keys, transform)
        self.value = pointwise(in_channels, values, transform)
        self.mask = nn.Conv2d(in_channels, 1, 1) if unary else None  # w_m
        self.output = pointwise(values, in_channels, output_transform)  # W_z

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        value = flatten_positions(self.value(x))  # (B, N, value_channels)
        pairwise = unflatten_positions(self._pairwise(x, value), *x.shape[2:])
        if self.mask is None:
            return x + self.output(pairwise)  # type: ignore[no-any-return]
        weights = self.mask(x).flatten(2).softmax(dim=-1)  # (B, 1, N)
        unary = (weights @ value).transpose(1, 2)[..., None]  # (B, value_channels, 1, 1)
        if self.joined == "before":
            return x + self.output(pairwise + unary)  # type: ignore[no-any-return]
        return x + self.output(pairwise) + self.output(unary)  # type: ignore[no-any-return]

    def affinity_elements(self, input_shape: tuple[int, ...]) -> int:
        """Elements of the pairwise relation, batch 1: N^2, or 0 if fused.

        Args:
            input_shape: (B, C, H, W).
        """
        return (input_shape[2] * input_shape[3]) ** 2 if self.kernel == "explicit" else 0

    def _pairwise(self, x: Tensor, value: Tensor) -> Tensor:
        """(B, C, H, W), (B, N, value_channels) -> (B, N, value_channels)."""
        query = flatten_positions(self.query(x))  # (B, N, key_channels)
        key = flatten_positions(self.key(x))
        if self.whitening == "mean":
            query = query - query.mean(dim=1, keepdim=True)
            key = key - key.mean(dim=1, keepdim=True)
        return attend(query, key, value, scale=self.scale, kernel=self.kernel)
