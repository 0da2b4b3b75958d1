"""Neighbourhood attention as one operator that has shapes alone, for counts on fake tensors.

NATTEN chooses among its kernels by where tensors lie, and fake ones lie on the CPU, for which it
has none. Its forward keeps the logarithm of a sum for each query and head; its backward makes the
logits again.
"""

from typing import Any

import torch
from torch import Tensor

_NAME = "context_modules::neighborhood_attention"
_TABLES = "Tensor query, Tensor key, Tensor value"

torch.library.define(_NAME, f"({_TABLES}, int[] window) -> (Tensor, Tensor)")
torch.library.define(
    f"{_NAME}_backward",
    f"(Tensor grad, {_TABLES}, Tensor out, Tensor sums, int[] window) -> (Tensor, Tensor, Tensor)",
)


def attend(
    query: Tensor, key: Tensor, value: Tensor, window: tuple[int, int], _dilation: int
) -> Tensor:
    """As `context_modules.natten_use.attend_by_natten`, of fake tensors."""
    out, _ = torch.ops.context_modules.neighborhood_attention(query, key, value, window)
    return out  # type: ignore[no-any-return]


def _shapes(query: Tensor, _key: Tensor, value: Tensor, _window: Any) -> tuple[Tensor, Tensor]:
    return value.new_empty(value.shape), query.new_empty(query.shape[:-1], dtype=torch.float32)


def _shapes_of_gradients(_grad: Tensor, *tables: Any) -> tuple[Tensor, ...]:
    return tuple(each.new_empty(each.shape) for each in tables[:3])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs[:3], *output)
    ctx.window = inputs[3]
    ctx.mark_non_differentiable(output[1])


def _backward(ctx: Any, grad: Tensor, _sums: Tensor) -> tuple[Tensor | None, ...]:
    operator = torch.ops.context_modules.neighborhood_attention_backward
    return *operator(grad, *ctx.saved_tensors, ctx.window), None


torch.library.register_fake(_NAME, _shapes)
torch.library.register_fake(f"{_NAME}_backward", _shapes_of_gradients)
torch.library.register_autograd(_NAME, _backward, setup_context=_keep)
