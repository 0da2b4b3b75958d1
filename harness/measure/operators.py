"""The cost of one call of one PyTorch operator: operations, and the bytes that it moves.

Every operator is of exactly one class: a convolution, a matrix product, elementwise work of a
named kind, free (a view, an allocation), or unknown. Unknown operators are never silently zero:
the census in `harness.measure.operations` names them.

Convolutions and matrix products go through PyTorch's own registry (`torch.utils.flop_counter`,
two operations per multiply-accumulate), extended here by the operators that it misses.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

from context_modules.line_maximum import boundary_line_samples
from harness.measure.subject import tensors_of


@dataclass(frozen=True)
class Cost:
    """Cost of one operator call."""

    conv_macs: int = 0  # multiply-accumulates of a convolution
    transposed_conv_macs: int = 0  # the same if the convolution is transposed, else 0
    matmul_macs: int = 0  # multiply-accumulates of a matrix product
    elementwise: tuple[tuple[str, int], ...] = ()  # elements processed, by kind
    known: bool = True  # whether a rule said so; `False` for an operator that no rule covers


FREE = Cost()
UNKNOWN = Cost(known=False)

CONVOLUTIONS = {
    "convolution", "_convolution", "cudnn_convolution", "mkldnn_convolution",
    "_slow_conv2d_forward", "convolution_overrideable",
}  # fmt: skip

# Kinds whose work is one step per *input* element, as torchstat has it for pooling.
POOLING = {
    "avg_pool1d", "avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "max_pool2d_with_indices",
    "max_pool3d_with_indices",
}  # fmt: skip
SORTING = {
    "sort", "topk", "kthvalue", "argsort", "unique_dim", "_unique2", "median", "searchsorted",
}  # fmt: skip
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
    """Operations of `out = func(*args, **kwargs)`.

    Args:
        func: operator overload, as a `TorchDispatchMode` sees it.
        args: its positional arguments.
        kwargs: its keyword arguments.
        out: what it returned.
    """
    packet = getattr(func, "overloadpacket", func)
    name = _stem(func)
    rule = RULES.get(name)
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
    return name in KINDS or name in POOLING or name in SORTING or name in RULES


def _stem(func: Any) -> str:
    """Operator name without namespace, overload and the underscore of in-place variants."""
    packet = getattr(func, "overloadpacket", func)
    name: str = packet.__name__ if hasattr(packet, "__name__") else str(packet)
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


def _from_registry(
    packet: Any, name: str, args: Sequence[Any], kwargs: dict[str, Any], out: Any
) -> Cost:
    macs = int(flop_registry[packet](*args, **kwargs, out_val=out)) // 2
    if name not in CONVOLUTIONS:
        has_bias = name in {"addmm", "baddbmm"} and kwargs.get("beta", 1) != 0
        return _matmul(macs, out, has_bias=has_bias)
    has_bias = len(args) > 2 and isinstance(args[2], Tensor)
    transposed = len(args) > 6 and args[6] is True
    bias = (("bias", out.numel()),) if has_bias else ()
    return Cost(macs, macs if transposed else 0, elementwise=bias)


def _matmul(macs: int, out: Any, *, has_bias: bool) -> Cost:
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
    inputs = max((t.numel() for t in tensors_of(args)), default=0)
    # Of several outputs the first: the others are statistics and indices.
    elements = next((t.numel() for t in tensors_of(out)), 0)
    forward = _forward_name(name)
    if forward in POOLING or (name == "mean" and _is_global_pooling(args)):
        return _steps("pool", inputs)
    if forward in SORTING:
        return _steps("sort", inputs)
    if forward in REDUCTIONS:
        return _steps("reduce", inputs)
    kind = KINDS.get(name) or KINDS.get(forward)
    if kind is None and torch.Tag.pointwise in getattr(func, "tags", ()):
        kind = "pointwise"
    return UNKNOWN if kind is None else _steps(kind, elements)


def _steps(kind: str, elements: int) -> Cost:
    return Cost(elementwise=((kind, elements),))


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


# Rules of the operators that PyTorch's registry lacks, or counts in part. An attention and Region
# Attention's own operators are opaque to a dispatch mode, so their work is written down here.

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
    return _steps("line_sample", images * (boundary_line_samples(height, width) // 2))


def _divergence(maps: Any, categories: Any, semantic: bool) -> Cost:
    """One term per pair and category, each unordered pair once (RANet, Eq. 2)."""
    pairs = maps.numel()
    terms = ("divergence", pairs * categories.shape[1] // 2)
    return Cost(elementwise=(("pointwise", pairs), *((terms,) if semantic else ())))


def _per_element(kind: str) -> Rule:
    """One step per element of the first argument."""
    return lambda args, _kwargs, _out: _steps(kind, args[0].numel())


def _addbmm(args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Cost:
    macs = args[1].numel() * args[2].shape[-1]
    return _matmul(macs, out, has_bias=kwargs.get("beta", 1) != 0)


def _linear(args: Sequence[Any], _kwargs: dict[str, Any], out: Any) -> Cost:
    has_bias = len(args) > 2 and args[2] is not None
    return _matmul(out.numel() * args[0].shape[-1], out, has_bias=has_bias)


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


RULES: dict[str, Rule] = {
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
    "line_maximum": _line_maximum,
    "line_values": _per_element("line_sample"),
    "line_gradient": _per_element("line_sample"),
    "join_maps": lambda args, _kwargs, _out: _divergence(*args[:3]),
    "split_gradient": lambda args, _kwargs, _out: _divergence(args[0], *args[2:4]),
    # How many rounds there are depends on the values; one look at every pair is the least.
    "connected_components": _per_element("graph"),
    "region_mean": _per_element("reduce"),
    "convolution_backward": _convolution_backward,
    # `cdist` without matrix products: one step per pair of rows and per column.
    "_cdist_forward": lambda args, _, out: _steps("reduce", out.numel() * args[0].shape[-1]),
    # One multiply-accumulate per element of the matrix, or of the first vector.
    "mv": lambda args, _kwargs, out: _matmul(args[0].numel(), out, has_bias=False),
    "dot": lambda args, _kwargs, out: _matmul(args[0].numel(), out, has_bias=False),
    "vdot": lambda args, _kwargs, out: _matmul(args[0].numel(), out, has_bias=False),
    "addmv": lambda args, _kwargs, out: _matmul(args[1].numel(), out, has_bias=True),
    "addbmm": _addbmm,
    "linear": _linear,
}


# Traffic: the bytes that one operator call must read and write.

# Read as many elements of their first argument as they return, however large it is.
_SELECTING = {
    "gather", "index", "_unsafe_index", "index_select", "embedding", "take", "masked_select",
}  # fmt: skip


def bytes_moved(func: Any, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> int:
    """Bytes of the tensors that a call reads plus those that it writes, each once per call.

    This is the compulsory traffic of operators that run one by one: what stays in a cache between
    two calls moves less, an operator that reads its input several times moves more. Broadcast
    tensors count the elements that they store.

    Args:
        func: operator overload, as a `TorchDispatchMode` sees it.
        args: its positional arguments.
        kwargs: its keyword arguments.
        out: what it returned.
    """
    returned = sum(map(_bytes, _distinct(tensors_of(out))))
    given = list(args)
    name = func.overloadpacket.__name__
    changed = changed_by(func, args) if out is None else []
    written = returned + sum(map(_bytes, _distinct(changed)))
    read = 0
    if name.rstrip("_") == "copy" and given:
        given = given[1:]  # the target is written, not read
    elif name in _SELECTING and given:
        read += min(_bytes(given[0]), returned)
        given = given[1:]
    # What `out=` names is written, not read.
    named = [value for key, value in kwargs.items() if key != "out"]
    return read + written + sum(map(_bytes, _distinct(tensors_of([given, named]))))


def changed_by(func: Any, args: Sequence[Any]) -> list[Tensor]:
    """Tensors among the arguments of an operator that it changes in place."""
    schema = getattr(func, "_schema", None)
    declared = zip(schema.arguments if schema else (), args, strict=False)
    written = (given for each, given in declared if each.alias_info and each.alias_info.is_write)
    return tensors_of(list(written))


def _distinct(tensors: list[Tensor]) -> Iterable[Tensor]:
    return {id(tensor): tensor for tensor in tensors}.values()


def _bytes(value: Tensor) -> int:
    if value.layout is torch.sparse_coo:
        return _bytes(value._indices()) + _bytes(value._values())
    if value.layout is not torch.strided:
        return value.numel() * value.itemsize
    sides = zip(value.shape, value.stride(), strict=True)
    # A stride of 0 repeats what is stored once; overlapping windows repeat within the storage.
    stored = prod(side if stride else min(side, 1) for side, stride in sides) * value.itemsize
    return min(stored, value.untyped_storage().nbytes())
