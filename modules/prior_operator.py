"""CPNet's context prior by kernels in Triton: what it selects, and what its loss sums.

Two operators and their backwards, none with a map of N x N, of what the prior is made of:
P[b, i, j] = sigmoid(scale[j] * (features[b, i] . weight[j]) + bias[j]). Operators of their own, as
those of `context_modules.attention_operator`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from context_modules.attention_operator import in_one_type
from context_modules.line_attention import padded
from context_modules.triton_use import (
    Tile,
    import_triton,
    launch,
    products,
    require_triton,
    tiles,
)

# What kernels of both gradients ask for; those of the context do not read it.
_NO_LOSS: Mapping[str, Any] = {"DIAGONAL": True, "RELEASED": False}
_SUMS = 6


def select_by_triton(features: Tensor, weight: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """P X / N, the intra-class context before its convolution: (B, N, C1).

    Args:
        features: (B, N, C1), X.
        weight: (N, C1).
        scale: (N,), factors on the products of features and weights.
        bias: (N,).

    Raises:
        NotImplementedError: a GPU or Triton is missing, or there is no kernel for the type.
    """
    out: Tensor = torch.ops.context_modules.prior_context(*_prepared(features, weight, scale, bias))
    return out


def sum_by_triton(
    features: Tensor,
    weight: Tensor,
    scale: Tensor,
    bias: Tensor,
    labels: Tensor,
    *,
    ignore_index: int,
    diagonal: bool,
    released: bool,
) -> Tensor:
    """The six sums along rows of P that `FusedAffinityLoss` is made of: (B, N, 6), float32.

    Logarithms of what agrees with the labels, P of one class, 1 - P of two classes, P, and how many
    pairs are of one class and of two.

    Args:
        features: as of `select_by_triton`, as the next three.
        weight: see `features`.
        scale: see `features`.
        bias: see `features`.
        labels: (B, N) integers.
        ignore_index: label of pixels whose pairs do not count.
        diagonal: whether the pair of a pixel with itself counts.
        released: as `AffinityLoss` counts in its released form, for which neither is asked.

    Raises:
        NotImplementedError: a GPU or Triton is missing, or there is no kernel for the type.
    """
    sums: Tensor = torch.ops.context_modules.prior_sums(
        *_prepared(features, weight, scale, bias),
        labels.to(torch.int32).contiguous(),
        ignore_index,
        diagonal,
        released,
    )
    return sums


def _prepared(features: Tensor, weight: Tensor, scale: Tensor, bias: Tensor) -> tuple[Tensor, ...]:
    features, weight = in_one_type(features, weight)
    require_triton(features, weight)
    return features.contiguous(), weight.contiguous(), scale.float(), bias.float()


def _launch(  # noqa: PLR0917 - a kernel and what it takes
    kernel: Any,
    tables: Sequence[Tensor],
    groups: int,
    held: int,
    numbers: Mapping[str, int],
    choices: Mapping[str, Any],
) -> None:
    """Run a kernel over tiles of positions, of so many groups; the first table is the features."""
    features = tables[0]
    pixels, width = features.shape[1:]
    tile = padded(width)

    def programs(size: Tile) -> int:
        return groups * -(-pixels // size.own)

    launch(
        kernel, programs, tables, {"pixels": pixels, **numbers},
        {**choices, "WIDTH": width, "WIDTH_TILE": tile, "PRODUCTS": products()},
        tiles(held * tile, features.itemsize),
    )  # fmt: skip


def _memory_of_gradients(
    features: Tensor, weight: Tensor, scale: Tensor, bias: Tensor, *_rest: Any
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return (
        features.new_empty(features.shape),
        weight.new_empty(weight.shape),
        scale.new_empty(scale.shape),
        bias.new_empty(bias.shape),
    )


def _gradients(
    prior: Sequence[Tensor], labels: Tensor, grad: Tensor, ignored: int, choices: Mapping[str, Any]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of features, weights, factors and biases."""
    import_triton()
    from context_modules import prior_kernels as kernels

    images, given = len(prior[0]), (*prior, labels, grad)
    of_features, of_weight, of_scale, of_bias = _memory_of_gradients(*prior)
    if not choices["OF_SUMS"]:
        _launch(kernels.value_gradient, (*prior, grad, of_features), images, 1, {}, {})
    numbers = {"ignored": ignored}
    _launch(kernels.query_gradient, (*given, of_features), images, 1, numbers, choices)
    # Sums and the weights that they are of are both at hand: twice as much to hold.
    _launch(
        kernels.key_gradient, (*given, of_weight, of_scale, of_bias), 1, 2,
        {**numbers, "images": images}, choices,
    )  # fmt: skip
    return of_features, of_weight, of_scale, of_bias


@torch.library.custom_op("context_modules::prior_context", mutates_args=())
def _context(features: Tensor, weight: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """P X / N, (B, N, C1)."""
    import_triton()
    from context_modules import prior_kernels as kernels

    out = features.new_empty(features.shape)
    _launch(kernels.context, (features, weight, scale, bias, out), len(features), 1, {}, {})
    return out


@_context.register_fake
def _(features: Tensor, weight: Tensor, scale: Tensor, bias: Tensor) -> Tensor:  # noqa: ARG001
    return features.new_empty(features.shape)


@torch.library.custom_op("context_modules::prior_context_gradient", mutates_args=())
def _context_gradient(
    features: Tensor, weight: Tensor, scale: Tensor, bias: Tensor, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of features, as queries and as values, weights, factors and biases."""
    # Without labels some table, which is not read.
    prior = (features, weight, scale, bias)
    return _gradients(prior, features, grad, 0, {"OF_SUMS": False, **_NO_LOSS})


_context_gradient.register_fake(_memory_of_gradients)


@torch.library.custom_op("context_modules::prior_sums", mutates_args=())
def _sums(  # noqa: PLR0917 - an operator has no keywords of its own
    features: Tensor,
    weight: Tensor,
    scale: Tensor,
    bias: Tensor,
    labels: Tensor,
    ignored: int,
    diagonal: bool,
    released: bool,
) -> Tensor:
    """Sums along rows, (B, N, 6), float32."""
    import_triton()
    from context_modules import prior_kernels as kernels

    out = features.new_empty((*features.shape[:2], _SUMS), dtype=torch.float32)
    _launch(
        kernels.sums, (features, weight, scale, bias, labels, out), len(features), 1,
        {"ignored": ignored}, {"DIAGONAL": diagonal, "RELEASED": released},
    )  # fmt: skip
    return out


@_sums.register_fake
def _(features: Tensor, *_rest: Any) -> Tensor:
    return features.new_empty((*features.shape[:2], _SUMS), dtype=torch.float32)


@torch.library.custom_op("context_modules::prior_sums_gradient", mutates_args=())
def _sums_gradient(  # noqa: PLR0917
    features: Tensor,
    weight: Tensor,
    scale: Tensor,
    bias: Tensor,
    labels: Tensor,
    ignored: int,
    diagonal: bool,
    released: bool,
    grad: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of features, weights, factors and biases."""
    choices = {"OF_SUMS": True, "DIAGONAL": diagonal, "RELEASED": released}
    return _gradients((features, weight, scale, bias), labels, grad, ignored, choices)


_sums_gradient.register_fake(_memory_of_gradients)


def _keep_prior(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:  # noqa: ARG001
    ctx.save_for_backward(*inputs)


def _context_backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
    found: tuple[Tensor, ...] = torch.ops.context_modules.prior_context_gradient(
        *ctx.saved_tensors, grad.contiguous()
    )
    return found


def _keep_labels(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    ctx.save_for_backward(*inputs[:5])
    ctx.choices = inputs[5:]


def _sums_backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    found = torch.ops.context_modules.prior_sums_gradient(
        *ctx.saved_tensors, *ctx.choices, grad.contiguous()
    )
    return *found, None, None, None, None


torch.library.register_autograd(
    "context_modules::prior_context", _context_backward, setup_context=_keep_prior
)
torch.library.register_autograd(
    "context_modules::prior_sums", _sums_backward, setup_context=_keep_labels
)
