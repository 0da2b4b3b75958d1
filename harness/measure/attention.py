"""Costs of the operators that hold a whole attention, which PyTorch's registry counts in part."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from harness.measure.cost import Cost

Rule = Callable[[Sequence[Any], dict[str, Any], Any], Cost]


def _products(query: Sequence[int], key: Sequence[int], value: Sequence[int]) -> int:
    """Q K^T and A V: (..., Nq, D), (..., Nk, D), (..., Nk, Dv), every pair of positions once."""
    *batch, queries, width = query
    keys = key[-2]
    return prod(batch) * queries * keys * (width + value[-1])


def _attention(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    query, key, value = args[:3]
    pairs = prod(query.shape[:-1]) * key.shape[-2]
    return Cost(
        matmul_macs=_products(query.shape, key.shape, value.shape),
        elementwise=(("softmax", pairs),),
    )


def _attention_backward(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    # dV, dA, dQ, dK and the recomputed logits: five products, three of width D and two of width Dv
    # (Dao et al. 2022, FlashAttention, algorithm 4).
    query, key, value = args[1:4]
    pairs = prod(query.shape[:-1]) * key.shape[-2]
    macs = pairs * (3 * query.shape[-1] + 2 * value.shape[-1])
    return Cost(matmul_macs=macs, elementwise=(("softmax", pairs),))


def _multi_head_attention(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    """`nn.MultiheadAttention`'s fast path: four projections and the attention, in one operator."""
    query, key, _, width = args[:4]
    batch, queries, _ = query.shape
    keys = key.shape[1]
    projections = batch * width * width * (2 * queries + 2 * keys)
    return Cost(
        matmul_macs=projections + 2 * batch * queries * keys * width,
        elementwise=(
            ("bias", batch * width * (2 * queries + 2 * keys)),
            ("softmax", batch * int(args[4]) * queries * keys),
        ),
    )


def _transformer_encoder_layer(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    """`nn.TransformerEncoderLayer`'s fast path: attention, two norms, two linear layers."""
    x, width, heads = args[:3]
    hidden, activation = args[14].shape[0], "activation" if args[7] else "relu"
    batch, positions = x.shape[0], x.shape[1]
    tokens, pairs = batch * positions, batch * positions * positions
    return Cost(
        matmul_macs=tokens * (4 * width * width + 2 * width * hidden) + 2 * pairs * width,
        elementwise=(
            ("bias", tokens * (5 * width + hidden)),
            ("softmax", pairs * int(heads)),
            ("layer_norm", 2 * tokens * width),
            (activation, tokens * hidden),
            ("add", 2 * tokens * width),
        ),
    )


ATTENTION: dict[str, Rule] = {
    "_transformer_encoder_layer_fwd": _transformer_encoder_layer,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_flash_attention": _attention,
    "_scaled_dot_product_efficient_attention": _attention,
    "_scaled_dot_product_cudnn_attention": _attention,
    "_scaled_dot_product_fused_attention_overrideable": _attention,
    "_scaled_dot_product_flash_attention_for_cpu_backward": _attention_backward,
    "_scaled_dot_product_flash_attention_backward": _attention_backward,
    "_scaled_dot_product_efficient_attention_backward": _attention_backward,
    "_scaled_dot_product_cudnn_attention_backward": _attention_backward,
    "_native_multi_head_attention": _multi_head_attention,
}
