"""Criss-cross attention by kernels in Triton: columns, then rows, in one softmax.

The columns' results and the logarithms of their sums are what the rows go on from, so that neither
map of logits is ever held. Operators as those of `context_modules.attention_operator`.
"""

from typing import Any

import torch
from torch import Tensor

from context_modules.attention_operator import in_one_type, numbers_of_rows
from context_modules.line_attention import Attention, Lines
from context_modules.triton_use import require_triton


def criss_cross_by_triton(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """`criss_cross` of (B, D, H, W), (B, D, H, W) and (B, C, H, W), channels last.

    Raises:
        NotImplementedError: a GPU or Triton is missing, or there is no kernel for the type.
    """
    tables = in_one_type(query, key, value)
    require_triton(*tables)
    rows = (x.permute(0, 2, 3, 1).contiguous() for x in tables)
    out, _ = torch.ops.context_modules.criss_cross(*rows)
    return out.permute(0, 3, 1, 2)  # type: ignore[no-any-return]


def _both(query: Tensor, key: Tensor, value: Tensor) -> tuple[Attention, Attention]:
    """Along columns, which leave out the position itself, and along rows, which go on from there.

    Args:
        query: (B, H, W, D), as `key`.
        key: see `query`.
        value: (B, H, W, C).
    """
    batch, height, width = query.shape[:3]
    positions = height * width
    columns = Lines(
        height, height, positions, positions, batch * width,
        lines=width, line_step=1, step=width, not_self=True,
    )  # fmt: skip
    rows = Lines(width, width, positions, positions, batch * height, lines=height, line_step=width)
    return (
        Attention(query, key, value, None, columns, scale=1.0),
        Attention(query, key, value, None, rows, scale=1.0, goes_on=True),
    )


@torch.library.custom_op("context_modules::criss_cross", mutates_args=())
def _forward(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """Attended values (B, H, W, C), and base-2 logarithms of the sums of weights (B, H, W)."""
    out, sums = value.new_empty(value.shape), numbers_of_rows(query)
    for attention in _both(query, key, value):
        attention.forward(out, sums)
    return out, sums


@_forward.register_fake
def _(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    return value.new_empty(value.shape), numbers_of_rows(query)


@torch.library.custom_op("context_modules::criss_cross_query_gradient", mutates_args=())
def _query_gradient(  # noqa: PLR0917 - an operator has no keywords of its own
    query: Tensor, key: Tensor, value: Tensor, out: Tensor, sums: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients (B, H, W, D), and inner products of `out` with `grad` (B, H, W)."""
    found, slopes = query.new_empty(query.shape), numbers_of_rows(query)
    for attention in _both(query, key, value):
        attention.query_gradient(out, sums, grad, found, slopes)
    return found, slopes


@_query_gradient.register_fake
def _(query: Tensor, *_rest: Any) -> tuple[Tensor, Tensor]:
    return query.new_empty(query.shape), numbers_of_rows(query)


@torch.library.custom_op("context_modules::criss_cross_key_value_gradient", mutates_args=())
def _key_value_gradient(  # noqa: PLR0917
    query: Tensor, key: Tensor, value: Tensor, sums: Tensor, slopes: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients (B, H, W, D) and (B, H, W, C)."""
    keys, values = key.new_empty(key.shape), value.new_empty(value.shape)
    for attention in _both(query, key, value):
        attention.key_value_gradient(sums, slopes, grad, keys, values)
    return keys, values


@_key_value_gradient.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, *_rest: Any) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    return key.new_empty(key.shape), value.new_empty(value.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs, *output)
    ctx.mark_non_differentiable(output[1])


def _backward(ctx: Any, grad: Tensor, _sums: Tensor) -> tuple[Tensor, ...]:
    *tables, out, sums = ctx.saved_tensors
    grad = grad.contiguous()
    operators = torch.ops.context_modules
    of_query, slopes = operators.criss_cross_query_gradient(*tables, out, sums, grad)
    del out
    of_key, of_value = operators.criss_cross_key_value_gradient(*tables, sums, slopes, grad)
    return of_query, of_key, of_value


torch.library.register_autograd("context_modules::criss_cross", _backward, setup_context=_keep)
