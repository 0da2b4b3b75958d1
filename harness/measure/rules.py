"""Rules of the operators that PyTorch's registry of costs lacks, or counts in part.

An attention and this project's own operators are opaque to a dispatch mode, so their work is
written down here.
"""

from collections.abc import Callable, Sequence
from math import log2, prod
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DynamicOutputShapeException, FakeTensor

from context_modules.line_maximum import boundary_line_samples
from harness.measure.cost import Cost, product, steps
from harness.measure.subject import tensors_of

Rule = Callable[[Sequence[Any], dict[str, Any], Any], Cost]


def _attention(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    # Q K^T and A V: (..., Nq, D), (..., Nk, D), (..., Nk, Dv), every pair of positions once.
    query, key, value = args[:3]
    pairs = prod(query.shape[:-1]) * key.shape[-2]
    macs = pairs * (query.shape[-1] + value.shape[-1])
    return Cost(matmul_macs=macs, elementwise=(("softmax", pairs),))


def _attention_backward(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    # dV, dA, dQ, dK and the recomputed logits: five products, three of width D and two of width Dv
    # (Dao et al. 2022, FlashAttention, algorithm 4).
    query, key, value = args[1:4]
    pairs = prod(query.shape[:-1]) * key.shape[-2]
    macs = pairs * (3 * query.shape[-1] + 2 * value.shape[-1])
    return Cost(matmul_macs=macs, elementwise=(("softmax", pairs),))


def _attention_part(of_width: int, of_values: int) -> Rule:
    """An operator of this project's attention: of all pairs, products of width D and of Dv."""

    def rule(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
        query, key, value = args[:3]
        pairs = prod(query.shape[:-1]) * key.shape[-2]
        macs = pairs * (of_width * query.shape[-1] + of_values * value.shape[-1])
        return Cost(matmul_macs=macs, elementwise=(("softmax", pairs),))

    return rule


def _criss_cross(of_width: int, of_values: int) -> Rule:
    """The same along the column and the row of each position, (B, H, W, D) and (B, H, W, C)."""

    def rule(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
        query, _, value = args[:3]
        batch, height, width, channels = query.shape
        pairs = batch * height * width * (height + width)
        macs = pairs * (of_width * channels + of_values * value.shape[-1])
        return Cost(matmul_macs=macs, elementwise=(("softmax", pairs),))

    return rule


def _neighborhood(first: int, products: int) -> Rule:
    """Products of every query, (B, H, W, heads, D), with the keys of its window.

    Args:
        first: place of the queries among the arguments, whose last is the window.
        products: of a query and a key.
    """

    def rule(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
        pairs = prod(args[first].shape[:-1]) * prod(args[-1])
        macs = products * pairs * args[first].shape[-1]
        return Cost(matmul_macs=macs, elementwise=(("softmax", pairs),))

    return rule


def _prior(products: int, *, times: int = 1, sums: int = 0) -> Rule:
    """A context prior's operator: products over all pairs of (B, N, C) and of keys (N, C).

    Args:
        products: of all pairs.
        times: how often the pairs' sigmoids are made.
        sums: along the rows.
    """

    def rule(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
        batch, pixels, channels = args[0].shape
        pairs = batch * pixels**2
        return Cost(
            matmul_macs=products * pairs * channels,
            elementwise=(("activation", times * pairs), ("reduce", sums * pairs)),
        )

    return rule


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


def _line_maximum(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    # Each line is walked once for both directions; the papers' figure counts ordered pairs.
    images, height, width = args[0].shape
    return steps("line_sample", images * (boundary_line_samples(height, width) // 2))


def _divergence(maps: Any, categories: Any, semantic: bool) -> Cost:
    """One term per pair and category, each unordered pair once (RANet, Eq. 2)."""
    pairs = maps.numel()
    terms = ("divergence", pairs * categories.shape[1] // 2)
    return Cost(elementwise=(("pointwise", pairs), *((terms,) if semantic else ())))


def _region_pairs(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Cost:
    """A kernel that makes F (RANet, Eq. 3) where it needs it, of each unordered pair once.

    The most there are: of an image that is one region, as an untrained head sees it.
    """
    categories, context = args[1:3]
    pairs = categories.shape[0] * categories.shape[2] ** 2 // 2
    lines = _line_maximum(args, kwargs, out).elementwise if context != "semantic" else ()
    terms = (("divergence", pairs * categories.shape[1]),) if context != "boundary" else ()
    return Cost(elementwise=(("pointwise", pairs), *lines, *terms))


def _region_sums(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Cost:
    maps = _region_pairs(args, kwargs, out).elementwise
    return Cost(elementwise=(*maps, *_all_pairs("reduce")(args, kwargs, out).elementwise))


def _all_pairs(kind: str) -> Rule:
    """One step per ordered pair of the positions of an output (B, N)."""
    return lambda _args, _kwargs, out: steps(kind, out.shape[0] * out.shape[1] ** 2)


def _per_element(kind: str) -> Rule:
    """One step per element of the first argument."""
    return lambda args, _kwargs, _out: steps(kind, args[0].numel())


def _addbmm(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Cost:
    macs = args[1].numel() * args[2].shape[-1]
    return product(macs, out, has_bias=kwargs.get("beta", 1) != 0)


def _linear(args: Sequence[Any], _kwargs: dict[str, Any], out: Any) -> Cost:
    has_bias = len(args) > 2 and args[2] is not None
    return product(out.numel() * args[0].shape[-1], out, has_bias=has_bias)


def _convolution_backward(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    """Each of the two gradients, of the input and of the weight, costs what the forward costs.

    PyTorch's own rule (2.6 to 2.13) takes the weight's gradient for one of an ungrouped convolution
    and so counts it `groups` times.
    """
    grad_output, x, weight = args[:3]
    transposed, mask = args[7], args[10]
    positions = prod((x if transposed else grad_output).shape[2:])
    forward = x.shape[0] * positions * weight.numel()
    return Cost(conv_macs=forward * (int(mask[0]) + int(mask[1])))


def _sparse_of(args: Sequence[Any]) -> Tensor | None:
    return next((each for each in tensors_of(args) if each.layout is not torch.strided), None)


# Products with a sparse matrix, by the places of both factors among their arguments.
_PRODUCTS = {
    "mm": 0,
    "bmm": 0,
    "mv": 0,
    "_sparse_mm": 0,
    "addmm": 1,
    "_sparse_addmm": 1,
    "addmv": 1,
}


def sparse_product(name: str, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Cost | None:
    """A product with a sparse matrix: every stored value meets a row of the other factor.

    `None` for what is no product, or has no sparse matrix.
    """
    sparse = _sparse_of(args) if name in _PRODUCTS else None
    if sparse is None:
        return None
    first = _PRODUCTS[name]
    other = args[first + 1] if args[first] is sparse else args[first]
    columns = other.shape[-1 if args[first] is sparse else 0] if other.dim() > 1 else 1
    return product(
        _stored(sparse) * columns, out, has_bias=first == 1 and kwargs.get("beta", 1) != 0
    )


def _stored(sparse: Tensor) -> int:
    """How many values a sparse matrix stores, which a fake one does not know."""
    if isinstance(sparse, FakeTensor):
        raise DynamicOutputShapeException(torch.ops.aten._nnz.default)
    return int(sparse._nnz())


def _rnn(weights: Sequence[Tensor], positions: int) -> Cost:
    """LSTM, GRU and RNN: each matrix of weights meets each position once, gates in its rows."""
    macs = sum(each.numel() for each in weights if each.dim() == 2) * positions
    bias = sum(each.numel() for each in weights if each.dim() == 1) * positions
    # Of each gate's value one nonlinearity.
    gates = sum(each.shape[0] for each in weights if each.dim() == 2) // 2 * positions
    return Cost(matmul_macs=macs, elementwise=(("bias", bias), ("activation", gates)))


def _mkldnn_rnn(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    return _rnn(args[1:5], prod(args[0].shape[:2]))


def _cudnn_rnn(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    x, weights = args[:2]
    # A packed sequence has its positions in one axis.
    return _rnn(weights, prod(x.shape[:-1]))


def _rnn_backward(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    """Each matrix is met twice: for the gradient of its input and for its own."""
    x, weights = (args[0], args[1:5]) if isinstance(args[1], Tensor) else args[:2]
    return _rnn(weights, 2 * prod(x.shape[:-1]))


def _fft(args: Sequence[Any], _kwargs: dict[str, Any], out: Any) -> Cost:
    """5 N log2 N for N complex values, half of that for real ones (FFTW's convention)."""
    real = next((x for x in (args[0], out) if not x.is_complex()), None)
    signal = args[0] if real is None else real
    length = prod(signal.shape[axis] for axis in args[1])
    of_complex = 5 * signal.numel() * log2(length) if length > 1 else 0.0
    return steps("fft", round(of_complex if real is None else of_complex / 2))


def _trilinear(args: Sequence[Any], _kwargs: dict[str, Any], out: Any) -> Cost:
    """`nn.Bilinear`: x1 meets the weight (out, in1, in2), the result meets x2."""
    weight = args[1]
    return product(out.numel() * weight.shape[-1] * (weight.shape[-2] + 1), out)


def _distance(args: Sequence[Any], _kwargs: dict[str, Any], out: Any) -> Cost:
    """One step per pair of rows and per column, whether or not a kernel makes products of them."""
    return steps("reduce", out.numel() * args[0].shape[-1])


def _distance_backward(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    return steps("reduce", args[0].numel() * args[1].shape[-1])


def _hardtanh(args: Sequence[Any], _kwargs: dict[str, Any], out: Any) -> Cost:
    """`ReLU6` reaches the dispatcher as this, under every spelling."""
    return steps("relu" if tuple(args[1:3]) == (0, 6) else "activation", out.numel())


def _hardtanh_backward(args: Sequence[Any], _kwargs: dict[str, Any], out: Any) -> Cost:
    return _hardtanh(args[1:], {}, out)


def _embedding_bag(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    """Every index adds a row to its bag."""
    return steps("reduce", args[1].numel() * args[0].shape[1])


def _addr(_args: Sequence[Any], _kwargs: dict[str, Any], out: Any) -> Cost:
    return Cost(elementwise=(("mul", out.numel()), ("add", out.numel())))


def _inner_sides(args: Sequence[Any], _kwargs: dict[str, Any], out: Any) -> Cost:
    """A product of which each output element has as many products as the first factor columns."""
    return product(out.numel() * args[0].shape[-1], out)


def _sampled(args: Sequence[Any], _kwargs: dict[str, Any], out: Any) -> Cost:
    """A product at the places that a sparse matrix has."""
    return product(_stored(out) * args[1].shape[-1], out)


def _sparse_reduced(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    sparse, other = args[:2]
    return product(_stored(sparse) * other.shape[-1], other)


def _conv_tbc(args: Sequence[Any], _kwargs: dict[str, Any], out: Any) -> Cost:
    # (T, B, C) with weights (k, C, C'): each output value has k C products.
    size, channels, _ = args[1].shape
    return Cost(conv_macs=out.numel() * size * channels, elementwise=(("bias", out.numel()),))


RULES: dict[str, Rule] = {
    "mkldnn_rnn_layer": _mkldnn_rnn,
    "mkldnn_rnn_layer_backward": _rnn_backward,
    "_cudnn_rnn": _cudnn_rnn,
    "_cudnn_rnn_backward": _rnn_backward,
    "_fft_c2c": _fft,
    "_fft_r2c": _fft,
    "_fft_c2r": _fft,
    "_trilinear": _trilinear,
    "conv_tbc": _conv_tbc,
    "_int_mm": _inner_sides,
    "_scaled_mm_v2": _inner_sides,
    "sparse_sampled_addmm": _sampled,
    "_sparse_mm_reduce_impl": _sparse_reduced,
    "addr": _addr,
    "hardtanh": _hardtanh,
    "hardtanh_backward": _hardtanh_backward,
    "_embedding_bag": _embedding_bag,
    "_embedding_bag_forward_only": _embedding_bag,
    "flex_attention": _attention,
    "_transformer_encoder_layer_fwd": _transformer_encoder_layer,
    "_native_multi_head_attention": _multi_head_attention,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_flash_attention": _attention,
    "_scaled_dot_product_efficient_attention": _attention,
    "_scaled_dot_product_cudnn_attention": _attention,
    "_scaled_dot_product_fused_attention_overrideable": _attention,
    "_scaled_dot_product_flash_attention_for_cpu_backward": _attention_backward,
    "_scaled_dot_product_flash_attention_backward": _attention_backward,
    "_scaled_dot_product_efficient_attention_backward": _attention_backward,
    "_scaled_dot_product_cudnn_attention_backward": _attention_backward,
    "attention": _attention,
    # Logits and the weights' gradients are made again in each of the two.
    "attention_query_gradient": _attention_part(of_width=2, of_values=1),
    "attention_key_value_gradient": _attention_part(of_width=2, of_values=2),
    "criss_cross": _criss_cross(of_width=1, of_values=1),
    "criss_cross_query_gradient": _criss_cross(of_width=2, of_values=1),
    "criss_cross_key_value_gradient": _criss_cross(of_width=2, of_values=2),
    "neighborhood_attention": _neighborhood(first=0, products=2),
    "neighborhood_attention_backward": _neighborhood(first=1, products=5),
    "prior_context": _prior(products=2),
    # Logits again for values, for queries and for keys, for the last two also the gradients of
    # their chances; then the gradients of features as values and as queries, and of weights.
    "prior_context_gradient": _prior(products=8, times=3),
    "prior_sums": _prior(products=1, sums=6),
    "prior_sums_gradient": _prior(products=4, times=2),
    "line_maximum": _line_maximum,
    "line_values": _per_element("line_sample"),
    "line_gradient": _per_element("line_sample"),
    "join_maps": lambda args, _kwargs, _out: _divergence(*args[:3]),
    "split_gradient": lambda args, _kwargs, _out: _divergence(args[0], *args[2:4]),
    # How many rounds there are depends on the values; one look at every pair is the least.
    "connected_components": _per_element("graph"),
    "components_of_bits": _all_pairs("graph"),
    "region_mean": _per_element("reduce"),
    "region_adjacency": _region_pairs,
    "region_sums": _region_sums,
    "region_sums_gradient": _region_pairs,
    "convolution_backward": _convolution_backward,
    "_cdist_forward": _distance,
    "_euclidean_dist": _distance,
    "_pdist_forward": _distance,
    "_cdist_backward": _distance_backward,
    "_pdist_backward": _distance_backward,
    # One multiply-accumulate per element of the matrix, or of the first vector.
    "mv": lambda args, _kwargs, out: product(args[0].numel(), out),
    "dot": lambda args, _kwargs, out: product(args[0].numel(), out),
    "vdot": lambda args, _kwargs, out: product(args[0].numel(), out),
    "addmv": lambda args, _kwargs, out: product(args[1].numel(), out, has_bias=True),
    "addbmm": _addbmm,
    "linear": _linear,
}

# By full name: integer products of layers whose weights are packed beside their scales.
QUANTIZED: dict[str, Rule] = {
    f"quantized::{name}": _inner_sides
    for name in ("linear", "linear_relu", "linear_dynamic", "linear_relu_dynamic")
}
