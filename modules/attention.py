"""The one attention kernel: softmax(Q K^T * scale) V, explicit or fused."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Kernel = Literal["explicit", "fused"]


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scale: float | None = None,
    mask: Tensor | None = None,
    kernel: Kernel = "explicit",
) -> Tensor:
    """Attend from every query to every key (Vaswani et al. 2017, Eq. 1).

    Args:
        query: (..., Nq, D).
        key: (..., Nk, D).
        value: (..., Nk, Dv).
        scale: factor on the logits; `None` means 1 / sqrt(D), 1.0 means none.
        mask: boolean, broadcastable to (..., Nq, Nk); `True` takes part. No row
            may be `False` throughout.
        kernel: `explicit` holds the (Nq, Nk) relation matrix, as the papers' implementations do
            and as their printed memory says; `fused` calls PyTorch's scaled-dot-product attention,
            whose memory is linear in Nq on CUDA, and on the CPU where Dv equals D. Both compute the
            same function.

    Returns:
        (..., Nq, Dv).
    """
    if kernel == "fused":
        return _fused(query, key, value, scale, mask)
    weights = relation(query, key, scale=scale, mask=mask)
    return torch.matmul(weights, value)


def relation(
    query: Tensor, key: Tensor, *, scale: float | None = None, mask: Tensor | None = None
) -> Tensor:
    """The relation matrix W (OCNet, Eq. 10): (..., Nq, D), (..., Nk, D) -> (..., Nq, Nk)."""
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    # Scaling the query costs Nq*D instead of Nq*Nk and saves one relation matrix of memory.
    logits = torch.matmul(query * factor if factor != 1.0 else query, key.transpose(-2, -1))
    if mask is not None:
        logits = logits.masked_fill(~mask, float("-inf"))
    return logits.softmax(dim=-1)


def _fused(
    query: Tensor, key: Tensor, value: Tensor, scale: float | None, mask: Tensor | None
) -> Tensor:
    # scaled_dot_product_attention takes its O(N)-memory path only for contiguous tensors of rank 4
    # and falls back silently to the quadratic one for all others.
    batch = torch.broadcast_shapes(  # type: ignore[no-untyped-call, unused-ignore]
        query.shape[:-2], key.shape[:-2], value.shape[:-2]
    )
    four = (-1, 1) if len(batch) != 2 else batch

    def rank4(x: Tensor) -> Tensor:
        return x.expand(*batch, *x.shape[-2:]).reshape(*four, *x.shape[-2:]).contiguous()

    if mask is not None:
        mask = mask.expand(*batch, query.shape[-2], key.shape[-2]).reshape(
            *four, query.shape[-2], key.shape[-2]
        )
    out = F.scaled_dot_product_attention(
        rank4(query), rank4(key), rank4(value), attn_mask=mask, scale=scale
    )
    return out.reshape(*batch, *out.shape[-2:])
