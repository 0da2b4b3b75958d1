"""The cost of one call of one PyTorch operator, by its name.

Every operator is of exactly one class: a convolution, a matrix product, elementwise work of a
named kind, free (a view, an allocation), or unknown. Unknown operators are never silently zero:
the census in `harness.measure.operations` names them.

Convolutions and matrix products go through PyTorch's own registry (`torch.utils.flop_counter`,
two operations per multiply-accumulate), extended by `harness.measure.rules`.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator
from torch.utils.flop_counter import flop_registry

from harness.measure.cost import FREE, UNKNOWN, Cost, product, steps
from harness.measure.kinds import (
    CREATION,
    KINDS,
    NO_WORK,
    OURS,
    POOLING,
    REDUCTIONS,
    SORTING,
)
from harness.measure.own_rules import has_own_rule, own_cost
from harness.measure.rules import QUANTIZED, RULES, sparse_product
from harness.measure.subject import tensors_of

CONVOLUTIONS = {
    "convolution", "_convolution", "cudnn_convolution", "mkldnn_convolution",
    "_slow_conv2d_forward", "convolution_overrideable",
}  # fmt: skip


def cost(func: Any, args: Sequence[Any], kwargs: dict[str, Any], out: Any) -> Cost:
    """Operations of `out = func(*args, **kwargs)`.

    Args:
        func: operator overload, as a `TorchDispatchMode` sees it.
        args: its positional arguments.
        kwargs: its keyword arguments.
        out: what it returned.
    """
    if (own := own_cost(func, args, kwargs, out)) is not None:
        return own
    name = stem(func)
    packet = _out_of_place(func, name)
    ours = is_ours(func)
    if ours and (sparse := sparse_product(name, args, kwargs, out)) is not None:
        return sparse
    rule = RULES.get(name) if ours else QUANTIZED.get(full_name(func))
    if rule is not None:
        return rule(args, kwargs, out)
    if packet in flop_registry:
        return _from_registry(packet, name, args, kwargs, out)
    if _is_view(func) or (name in CREATION if ours else _namespace(func) in NO_WORK):
        return FREE
    return _elementwise(func, name, args, out) if ours else UNKNOWN


def full_name(func: Any) -> str:
    """`namespace::name` of an operator, whatever its overload."""
    schema = getattr(func, "_schema", None)
    return str(schema.name) if schema is not None else f"higher_order::{stem(func)}"


def _namespace(func: Any) -> str:
    return str(getattr(func, "namespace", ""))


def is_ours(func: Any) -> bool:
    """Whether an operator goes by the names of PyTorch's own, or of this project's."""
    return _namespace(func) in OURS


def _out_of_place(func: Any, name: str) -> Any:
    """What PyTorch's registry knows an operator by: an in-place `addmm_` as `addmm`."""
    packet = getattr(func, "overloadpacket", func)
    if packet in flop_registry or _namespace(func) != "aten":
        return packet
    return getattr(torch.ops.aten, name, packet)


def has_named_rule(func: Any) -> bool:
    """Whether an operator is counted under its own name, so that it need not be decomposed."""
    name = stem(func)
    named = name in KINDS or name in POOLING or name in SORTING or name in RULES
    return (named and is_ours(func)) or has_own_rule(func)


@cache  # asked several times for each of a pass's tens of thousands of calls
def stem(func: Any) -> str:
    """Operator name without namespace, overload and the underscore of in-place variants."""
    packet = getattr(func, "overloadpacket", func)
    if isinstance(func, HigherOrderOperator):
        return str(func.name())
    name: str = packet.__name__ if hasattr(packet, "__name__") else str(packet)
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


def _from_registry(
    packet: Any, name: str, args: Sequence[Any], kwargs: dict[str, Any], out: Any
) -> Cost:
    macs = int(flop_registry[packet](*args, **kwargs, out_val=out)) // 2
    if name not in CONVOLUTIONS:
        has_bias = name in {"addmm", "baddbmm"} and kwargs.get("beta", 1) != 0
        return product(macs, out, has_bias=has_bias)
    has_bias = len(args) > 2 and isinstance(args[2], Tensor)
    transposed = len(args) > 6 and args[6] is True
    bias = (("bias", out.numel()),) if has_bias else ()
    return Cost(macs, macs if transposed else 0, elementwise=bias)


def _is_view(func: Any) -> bool:
    schema = getattr(func, "_schema", None)
    if schema is None:
        return False
    if stem(func) in {"_unsafe_view", "alias", "_reshape_alias", "_conj", "_neg_view"}:
        return True
    returns = [r.alias_info for r in schema.returns]
    return bool(returns) and all(a is not None and not a.is_write for a in returns)


def _elementwise(func: Any, name: str, args: Sequence[Any], out: Any) -> Cost:
    single = name.removeprefix("_foreach_")
    many = single != name  # the same work on each tensor of a list
    inputs = _inputs(args[0] if many else args, all_of_them=many)
    # Of several outputs the first: the others are statistics and indices.
    elements = inputs if many else next((t.numel() for t in tensors_of(out)), 0)
    forward = _forward_name(single)
    if forward in POOLING or (single == "mean" and _is_global_pooling(args)):
        return steps("pool", inputs)
    if forward in SORTING:
        return steps("sort", inputs)
    if forward in REDUCTIONS:
        return steps("reduce", inputs)
    kind = KINDS.get(single) or KINDS.get(forward)
    if kind is None and single.endswith("_copy"):  # a view that is written out
        kind = "copy"
    if kind is None and torch.Tag.pointwise in getattr(func, "tags", ()):
        kind = "pointwise"
    return UNKNOWN if kind is None else steps(kind, elements)


def _inputs(args: Any, *, all_of_them: bool) -> int:
    sizes = [t.numel() for t in tensors_of(args)]
    return sum(sizes) if all_of_them else max(sizes, default=0)


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
