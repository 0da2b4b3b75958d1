"""What one call of one PyTorch operator costs."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

from context_modules.line_maximum import boundary_line_samples
from harness.measure.cost import FREE, UNKNOWN, Cost
from harness.measure.subject import tensors_of

# Costs of the operators that hold a whole attention, which PyTorch's registry counts in part.

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


# What Region Attention's own operators cost.
#
# They are opaque to a dispatch mode, so their work is written down here; none holds a product of
# matrices. N = H * W.


def _line_maximum(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    # Each line is walked once for both directions; the papers' figure counts ordered pairs.
    images, height, width = args[0].shape
    samples = images * (boundary_line_samples(height, width) // 2)
    return Cost(elementwise=(("line_sample", samples),))


def _per_line(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    return Cost(elementwise=(("line_sample", args[0].numel()),))


def _join_maps(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    maps, categories, semantic = args[:3]
    return _divergence(maps, categories, semantic)


def _split_gradient(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    maps, _, categories, semantic = args[:4]
    return _divergence(maps, categories, semantic)


def _divergence(maps: Any, categories: Any, semantic: bool) -> Cost:
    """One term per pair and category, each unordered pair once (RANet, Eq. 2)."""
    pairs = maps.numel()
    terms = ("divergence", pairs * categories.shape[1] // 2)
    return Cost(elementwise=(("pointwise", pairs), *((terms,) if semantic else ())))


def _connected_components(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    # How many rounds there are depends on the values; one look at every pair is the least.
    return Cost(elementwise=(("graph", args[0].numel()),))


def _region_mean(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    return Cost(elementwise=(("reduce", args[0].numel()),))


REGION_OPERATORS: dict[str, Rule] = {
    "line_maximum": _line_maximum,
    "line_values": _per_line,
    "line_gradient": _per_line,
    "join_maps": _join_maps,
    "split_gradient": _split_gradient,
    "connected_components": _connected_components,
    "region_mean": _region_mean,
}


# What one call of one PyTorch operator costs.
#
# Every operator is of exactly one class: a convolution, a matrix product, elementwise work of a
# named kind, free (a view, an allocation), or unknown. Unknown operators are never silently zero:
# the census in `harness.measure.operations` names them.
#
# Convolutions and matrix products go through PyTorch's own registry (`torch.utils.flop_counter`,
# two operations per multiply-accumulate), extended here by the operators that it misses.

CONVOLUTIONS = {
    "convolution",
    "_convolution",
    "cudnn_convolution",
    "mkldnn_convolution",
    "_slow_conv2d_forward",
    "convolution_overrideable",
}

# Kinds whose work is one step per *input* element, as torchstat has it for pooling.
POOLING = {
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "_adaptive_avg_pool2d",
    "_adaptive_avg_pool3d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "max_pool2d_with_indices",
    "max_pool3d_with_indices",
}
SORTING = {
    "sort",
    "topk",
    "kthvalue",
    "argsort",
    "unique_dim",
    "_unique2",
    "median",
    "searchsorted",
}
REDUCTIONS = {
    "sum", "mean", "amax", "amin", "max", "min", "argmax", "argmin", "prod", "std", "var",
    "var_mean", "std_mean", "logsumexp", "norm", "linalg_vector_norm", "any", "all", "cumsum",
    "cumprod", "logcumsumexp", "cummax", "cummin", "aminmax", "nansum", "count_nonzero",
}  # fmt: skip

KINDS: dict[str, str] = {
    **dict.fromkeys(
        (
            "native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training",
            "cudnn_batch_norm", "miopen_batch_norm", "batch_norm_with_update",
            "_batch_norm_with_update", "_batch_norm_no_update",
        ),
        "batch_norm",
    ),
    "native_group_norm": "group_norm",
    "native_layer_norm": "layer_norm",
    "_fused_rms_norm": "layer_norm",
    "relu": "relu",
    "threshold": "relu",
    "relu6": "relu",
    "_softmax": "softmax",
    "_log_softmax": "softmax",
    "_safe_softmax": "softmax",
    **dict.fromkeys(
        (
            "sigmoid", "tanh", "softplus", "leaky_relu", "elu", "gelu", "silu", "mish", "hardtanh",
            "hardsigmoid", "hardswish", "log_sigmoid_forward", "_prelu_kernel", "celu", "selu",
        ),
        "activation",
    ),
    "mul": "mul",
    "add": "add",
    "sub": "add",
    "rsub": "add",
    "div": "div",
    "reciprocal": "div",
    **dict.fromkeys(
        (
            "upsample_bilinear2d", "upsample_nearest2d", "upsample_bicubic2d", "upsample_linear1d",
            "upsample_nearest1d", "_upsample_nearest_exact2d", "_upsample_bilinear2d_aa",
            "_upsample_bicubic2d_aa", "grid_sampler_2d", "grid_sampler_3d", "upsample_trilinear3d",
        ),
        "interpolate",
    ),
    **dict.fromkeys(
        (
            "clone", "copy", "_to_copy", "cat", "stack", "index_select", "gather", "index",
            "im2col",
            "constant_pad_nd", "reflection_pad2d", "replication_pad2d", "roll", "flip", "embedding",
            "repeat", "tril", "triu", "take", "masked_select", "reflection_pad1d",
            "replication_pad1d",
            "reflection_pad3d", "replication_pad3d", "select_scatter", "slice_scatter",
            "_unsafe_index", "nonzero", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle",
            "unfold_backward", "slice_backward", "select_backward", "index_copy",
            "unfold_copy", "as_strided_copy", "_reshape_copy", "diagonal_backward", "scatter",
        ),
        "copy",
    ),
    **dict.fromkeys(
        ("scatter_add", "index_add", "index_put", "_index_put_impl", "col2im", "scatter_reduce",
         "embedding_dense_backward", "masked_scatter", "_unsafe_index_put", "index_reduce"),
        "scatter",
    ),
    "masked_fill": "select",
    "where": "select",
    "native_dropout": "dropout",
    "bernoulli": "dropout",
}  # fmt: skip

CREATION = {
    "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "zeros", "zeros_like",
    "new_zeros", "ones", "ones_like", "new_ones", "full", "full_like", "new_full", "arange",
    "linspace", "eye", "scalar_tensor", "rand", "randn", "rand_like", "randn_like", "randint",
    "randperm", "fill", "zero", "normal", "uniform", "_local_scalar_dense", "lift_fresh", "lift",
    "set", "resize", "detach_copy", "_assert_async", "_assert_tensor_metadata", "sym_size",
    "as_strided", "squeeze", "unsqueeze", "transpose", "t", "swapaxes", "detach",  # in-place views
    "is_same_size", "_has_compatible_shallow_copy_type", "prim_device", "random", "item",
}  # fmt: skip


def cost(func: Any, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Cost:
    """Cost of `out = func(*args, **kwargs)`.

    Args:
        func: operator overload, as a `TorchDispatchMode` sees it.
        args: its positional arguments.
        kwargs: its keyword arguments.
        out: what it returned.
    """
    packet = getattr(func, "overloadpacket", func)
    name = _stem(func)
    rule = _EXTRA.get(name)
    if rule is not None:
        return rule(args, kwargs, out)
    if packet in flop_registry and name != "_native_multi_head_attention":
        return _from_registry(packet, name, args, kwargs, out)
    if name in CREATION or _is_view(func):
        return FREE
    return _elementwise(func, name, args, out)


def has_named_rule(func: Any) -> bool:
    """Whether an operator is counted under its own name, so that it need not be decomposed."""
    name = _stem(func)
    return name in KINDS or name in POOLING or name in SORTING or name in _EXTRA


def _stem(func: Any) -> str:
    """Operator name without namespace, overload and the underscore of in-place variants."""
    packet = getattr(func, "overloadpacket", func)
    name: str = packet.__name__ if hasattr(packet, "__name__") else str(packet)
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


def _from_registry(
    packet: Any, name: str, args: Sequence[Any], kwargs: dict[str, Any], out: Any
) -> Cost:
    macs = int(flop_registry[packet](*args, **kwargs, out_val=out)) // 2
    if name in CONVOLUTIONS:
        has_bias = len(args) > 2 and isinstance(args[2], Tensor)
        transposed = len(args) > 6 and args[6] is True
        return Cost(
            conv_macs=macs,
            transposed_conv_macs=macs if transposed else 0,
            elementwise=(("bias", out.numel()),) if has_bias else (),
        )
    has_bias = name in {"addmm", "baddbmm"} and kwargs.get("beta", 1) != 0
    return Cost(matmul_macs=macs, elementwise=(("bias", out.numel()),) if has_bias else ())


def _is_view(func: Any) -> bool:
    schema = getattr(func, "_schema", None)
    if schema is None:
        return False
    if _stem(func) in {"_unsafe_view", "alias", "_reshape_alias", "_conj", "_neg_view"}:
        return True
    returns = [r.alias_info for r in schema.returns]
    return bool(returns) and all(a is not None and not a.is_write for a in returns)


def _elementwise(func: Any, name: str, args: Sequence[Any], out: Any) -> Cost:
    elements = _numel(out)
    inputs = max((t.numel() for t in tensors_of(args)), default=0)
    forward = _forward_name(name)
    if forward in POOLING or (name == "mean" and _is_global_pooling(args)):
        return Cost(elementwise=(("pool", inputs),))
    if forward in SORTING:
        return Cost(elementwise=(("sort", inputs),))
    if forward in REDUCTIONS:
        return Cost(elementwise=(("reduce", inputs),))
    kind = KINDS.get(name) or KINDS.get(forward)
    if kind is not None:
        return Cost(elementwise=((kind, elements),))
    if torch.Tag.pointwise in getattr(func, "tags", ()):
        return Cost(elementwise=(("pointwise", elements),))
    return UNKNOWN


def _forward_name(name: str) -> str:
    """Name of the forward operator of a backward one (`_softmax_backward_data` -> `_softmax`)."""
    special = {"threshold_backward": "relu", "native_dropout_backward": "native_dropout"}
    if name in special:
        return special[name]
    stem, found, _ = name.partition("_backward")
    if not found:
        return name
    return stem + "_with_indices" if stem + "_with_indices" in POOLING else stem


def _is_global_pooling(args: Sequence[Any]) -> bool:
    """PyTorch lowers adaptive average pooling to one bin into a mean over the last two axes."""
    if len(args) < 2 or not isinstance(args[0], Tensor) or args[0].dim() != 4 or args[1] is None:
        return False
    return {axis % 4 for axis in args[1]} == {2, 3}


def _numel(out: Any) -> int:
    """Elements of the first tensor of an output (the others are statistics and indices)."""
    return next((t.numel() for t in tensors_of(out)), 0)


def _vectors(args: Sequence[Any], _kwargs: dict[str, Any], _out: Any) -> Cost:
    """`mv(A, x)` and `dot(x, y)`: one multiply-accumulate per element of the first argument."""
    return Cost(matmul_macs=args[0].numel())


def _addmv(args: Sequence[Any], _kwargs: dict[str, Any], out: Any) -> Cost:
    return Cost(matmul_macs=args[1].numel(), elementwise=(("bias", out.numel()),))


def _addbmm(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Cost:
    batch, rows, inner = args[1].shape
    bias = (("bias", out.numel()),) if kwargs.get("beta", 1) != 0 else ()
    return Cost(matmul_macs=batch * rows * inner * args[2].shape[-1], elementwise=bias)


def _linear(args: Sequence[Any], _kwargs: dict[str, Any], out: Any) -> Cost:
    bias = (("bias", out.numel()),) if len(args) > 2 and args[2] is not None else ()
    return Cost(matmul_macs=out.numel() * args[0].shape[-1], elementwise=bias)


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


def _pairwise_distances(args: Sequence[Any], _kwargs: dict[str, Any], out: Any) -> Cost:
    """`cdist` without matrix products: one step per pair of rows and per column."""
    return Cost(elementwise=(("reduce", out.numel() * args[0].shape[-1]),))


_EXTRA: dict[str, Rule] = {
    **ATTENTION,
    **REGION_OPERATORS,
    "convolution_backward": _convolution_backward,
    "_cdist_forward": _pairwise_distances,
    "mv": _vectors,
    "dot": _vectors,
    "vdot": _vectors,
    "addmv": _addmv,
    "addbmm": _addbmm,
    "linear": _linear,
}
