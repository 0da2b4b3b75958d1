"""Dense attention by kernels in Triton: one operator forward, two backward, none with a map.

Operators of their own, so that counts, predicted memory, `torch.compile` and captured graphs see
each as one call with known shapes.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor

from context_modules.line_attention import Attention, Lines
from context_modules.triton_use import require_triton


def attend_by_triton(
    query: Tensor, key: Tensor, value: Tensor, scale: float | None, mask: Tensor | None
) -> Tensor:
    """`context_modules.attention.attend` by kernels in Triton.

    Raises:
        NotImplementedError: a GPU or Triton is missing, or there is no kernel for the type.
    """
    query, key, value = in_one_type(query, key, value)
    require_triton(query, key, value)
    batch = torch.broadcast_shapes(  # type: ignore[no-untyped-call, unused-ignore]
        query.shape[:-2], key.shape[:-2], value.shape[:-2]
    )
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    bits = None if mask is None else _grouped_mask(mask, batch, query.shape[-2], key.shape[-2])
    out, _ = torch.ops.context_modules.attention(
        *(_grouped(x, batch).contiguous() for x in (query, key, value)), bits, factor
    )
    return out.view(*batch, *out.shape[-2:])  # type: ignore[no-any-return]


def in_one_type(*tables: Tensor) -> tuple[Tensor, ...]:
    """As autocast would have them, which knows no operators but PyTorch's."""
    device = tables[0].device.type
    if not torch.is_autocast_enabled(device):
        return tables
    return tuple(each.to(torch.get_autocast_dtype(device)) for each in tables)


def numbers_of_rows(table: Tensor) -> Tensor:
    """Memory for a number for each row of a table."""
    return table.new_empty(table.shape[:-1], dtype=torch.float32)


def _grouped(table: Tensor, batch: Sequence[int]) -> Tensor:
    """(..., n, width) -> (G, n, width)."""
    rows, width = table.shape[-2:]
    return table.expand(*batch, rows, width).reshape(-1, rows, width)


def _grouped_mask(mask: Tensor, batch: Sequence[int], queries: int, keys: int) -> Tensor:
    """A mask as (G or 1, Nq or 1, Nk): what serves all groups or all queries stays one."""
    rows = 1 if mask.dim() < 2 or mask.shape[-2] == 1 else queries
    if prod(mask.shape[:-2]) == 1:
        return mask.expand(*mask.shape[:-1], keys).reshape(1, rows, keys).contiguous()
    return _grouped(mask.expand(*mask.shape[:-1], keys), batch).contiguous()


def _attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float
) -> Attention:
    (groups, queries), keys = query.shape[:2], key.shape[1]
    bits = None if mask is None else mask.contiguous().view(torch.uint8)
    return Attention(query, key, value, bits, Lines(queries, keys, queries, keys, groups), scale)


@torch.library.custom_op("context_modules::attention", mutates_args=())
def _forward(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float
) -> tuple[Tensor, Tensor]:
    """Attended values (G, Nq, Dv), and base-2 logarithms of the sums of weights (G, Nq)."""
    out, sums = query.new_empty(*query.shape[:-1], value.shape[-1]), numbers_of_rows(query)
    _attention(query, key, value, mask, scale).forward(out, sums)
    return out, sums


@_forward.register_fake
def _(
    query: Tensor,
    key: Tensor,  # noqa: ARG001
    value: Tensor,
    mask: Tensor | None,  # noqa: ARG001
    scale: float,  # noqa: ARG001
) -> tuple[Tensor, Tensor]:
    return query.new_empty(*query.shape[:-1], value.shape[-1]), numbers_of_rows(query)


@torch.library.custom_op("context_modules::attention_query_gradient", mutates_args=())
def _query_gradient(  # noqa: PLR0917 - an operator has no keywords of its own
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scale: float,
    out: Tensor,
    sums: Tensor,
    grad: Tensor,
) -> tuple[Tensor, Tensor]:
    """Gradients (G, Nq, D), and inner products of `out` with `grad` (G, Nq)."""
    found, slopes = query.new_empty(query.shape), numbers_of_rows(query)
    attention = _attention(query, key, value, mask, scale)
    attention.query_gradient(out, sums, grad, found, slopes)
    return found, slopes


@_query_gradient.register_fake
def _(query: Tensor, *_rest: Any) -> tuple[Tensor, Tensor]:
    return query.new_empty(query.shape), numbers_of_rows(query)


@torch.library.custom_op("context_modules::attention_key_value_gradient", mutates_args=())
def _key_value_gradient(  # noqa: PLR0917
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scale: float,
    sums: Tensor,
    slopes: Tensor,
    grad: Tensor,
) -> tuple[Tensor, Tensor]:
    """Gradients (G, Nk, D) and (G, Nk, Dv)."""
    keys, values = key.new_empty(key.shape), value.new_empty(value.shape)
    attention = _attention(query, key, value, mask, scale)
    attention.key_value_gradient(sums, slopes, grad, keys, values)
    return keys, values


@_key_value_gradient.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, *_rest: Any) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    return key.new_empty(key.shape), value.new_empty(value.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    query, key, value, mask, ctx.scale = inputs
    ctx.save_for_backward(query, key, value, mask, *output)
    ctx.mark_non_differentiable(output[1])


def _backward(ctx: Any, grad: Tensor, _sums: Tensor) -> tuple[Tensor | None, ...]:
    query, key, value, mask, out, sums = ctx.saved_tensors
    given = (query, key, value, mask, ctx.scale)
    grad = grad.contiguous()
    of_query, slopes = torch.ops.context_modules.attention_query_gradient(*given, out, sums, grad)
    del out
    of_key, of_value = torch.ops.context_modules.attention_key_value_gradient(
        *given, sums, slopes, grad
    )
    return of_query, of_key, of_value, None, None


torch.library.register_autograd("context_modules::attention", _backward, setup_context=_keep)
