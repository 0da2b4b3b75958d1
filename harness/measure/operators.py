"""What one call of one PyTorch operator costs.

Every operator is of exactly one class: a convolution, a matrix product, elementwise work of a
named kind, free (a view, an allocation), or unknown. Unknown operators are never silently zero: the
census in `harness.measure.counters` names them.

Convolutions and matrix products go through PyTorch's own registry (`torch.utils.flop_counter`, two
operations per multiply-accumulate), extended here by the operators that it misses.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

from harness.measure.attention import ATTENTION, Rule
from harness.measure.cost import FREE, UNKNOWN, Cost
from harness.measure.leaves import tensors_of
from harness.measure.region_operators import REGION_OPERATORS

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
