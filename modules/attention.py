"""The one attention: softmax(Q K^T * scale) V, explicit, fused, or by kernels in Triton."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from context_modules.attention_operator import attend_by_triton
from context_modules.blocks import BLOCK, in_blocks

Kernel = Literal["explicit", "fused"]
"""Forms of a mechanism by operators of PyTorch alone."""

AnyKernel = Literal["explicit", "fused", "triton"]
"""Those, and kernels in Triton, for a GPU."""

# Rows of a relation that are worked on at once: a product lays its other side out anew for each
# block, which of fewer rows takes longer than the product.
_ROWS = 256


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    scale: float | None = None,
    mask: Tensor | None = None,
    kernel: AnyKernel = "explicit",
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
            whose memory is linear in Nq on CUDA, and on the CPU where Dv equals D; `triton` runs
            kernels of this project on a GPU, linear in Nq for all widths. All compute the same
            function.

    Returns:
        (..., Nq, Dv).

    Raises:
        NotImplementedError: `triton` without a GPU or Triton, or in float64.
    """
    if kernel == "triton":
        return attend_by_triton(query, key, value, scale, mask)
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


def takes_any_width(device: torch.device) -> bool:
    """Whether `scaled_dot_product_attention` is linear in memory where Dv differs from D."""
    return device.type != "cpu"


def _fused(
    query: Tensor, key: Tensor, value: Tensor, scale: float | None, mask: Tensor | None
) -> Tensor:
    batch = torch.broadcast_shapes(  # type: ignore[no-untyped-call, unused-ignore]
        query.shape[:-2], key.shape[:-2], value.shape[:-2]
    )
    by_operator = query.shape[-1] == value.shape[-1] or takes_any_width(query.device)
    # scaled_dot_product_attention takes its O(N)-memory path only for contiguous tensors of rank 4
    # and falls back silently to the quadratic one for all others. Blocks are of rank 3.
    lead = batch if len(batch) == 2 and by_operator else (-1, 1) if by_operator else (-1,)

    def grouped(x: Tensor, rows: int) -> Tensor:
        return x.expand(*batch, rows, x.shape[-1]).reshape(*lead, rows, x.shape[-1])

    query, key, value = (grouped(x, x.shape[-2]) for x in (query, key, value))
    if mask is not None:
        mask = mask.expand(*mask.shape[:-1], key.shape[-2])
        # A row of the mask that is that of every query stays one.
        shared = not by_operator and (mask.dim() < 2 or mask.shape[-2] == 1)
        mask = grouped(mask, 1 if shared else query.shape[-2])
    if by_operator:
        out = F.scaled_dot_product_attention(
            query.contiguous(), key.contiguous(), value.contiguous(), attn_mask=mask, scale=scale
        )
    else:
        out = _by_blocks(query, key, value, scale, mask)
    return out.reshape(*batch, *out.shape[-2:])


def _by_blocks(
    query: Tensor, key: Tensor, value: Tensor, scale: float | None, mask: Tensor | None
) -> Tensor:
    """Rank 3, with a mask of (G, Nq or 1, Nk): so much of the relation at once as `BLOCK` says."""
    (groups, queries), keys = query.shape[:2], key.shape[1]
    masks = () if mask is None else (mask,)
    if queries * keys <= BLOCK:

        def together(q: Tensor, k: Tensor, v: Tensor, *m: Tensor) -> Tensor:
            return torch.bmm(relation(q, k, scale=scale, mask=m[0] if m else None), v)

        return in_blocks(together, (query, key, value, *masks), BLOCK // (queries * keys), dim=0)

    def alone(group: int) -> Tensor:
        one = slice(group, group + 1)
        own_key, own_value = key[one], value[one]
        each = [m[one] for m in masks if m.shape[1] == queries]
        shared = [m[one] for m in masks if m.shape[1] != queries]

        def rows(q: Tensor, *m: Tensor) -> Tensor:
            return _row_block(q, own_key, own_value, scale, next(iter((*m, *shared)), None))

        return in_blocks(rows, (query[one], *each), _ROWS)

    return alone(0) if groups == 1 else torch.cat([alone(group) for group in range(groups)])


def _row_block(
    query: Tensor, key: Tensor, value: Tensor, scale: float | None, mask: Tensor | None
) -> Tensor:
    """Of some queries of rank 3, keys a block at a time in one softmax.

    Weights are of the largest logit so far, and what was summed before fades when a larger one
    comes (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018, Algorithm 3).
    Sums are of float32 at least: in half precision each block would round those before it.
    """
    exact = torch.promote_types(query.dtype, torch.float32)
    query = query * (query.shape[-1] ** -0.5 if scale is None else scale)
    largest = query.new_full((*query.shape[:-1], 1), float("-inf"), dtype=exact)
    total = torch.zeros_like(largest)
    mixed = largest.new_zeros(*query.shape[:-1], value.shape[-1])
    step = max(1, BLOCK // query.shape[1])
    for start in range(0, key.shape[1], step):
        columns = slice(start, start + step)
        logits = torch.bmm(query, key[:, columns].transpose(1, 2)).to(exact)
        if mask is not None:
            logits = logits.masked_fill_(~mask[..., columns], float("-inf"))
        best = torch.maximum(largest, logits.detach().amax(dim=-1, keepdim=True))
        shift = best.masked_fill(best == float("-inf"), 0.0)  # no key so far is seen
        weights = logits.sub_(shift).exp_()
        fade = (largest - shift).exp()
        total = total * fade + weights.sum(dim=-1, keepdim=True)
        mixed = mixed * fade  # before the product: of three maps of this size two are alive
        part = torch.bmm(weights.to(value.dtype), value[:, columns])
        mixed, kind, largest = mixed.add_(part), part.dtype, best
        del logits, weights, part
    return (mixed / total).to(kind)
