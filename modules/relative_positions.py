"""Attention with a learned number for every displacement between query and key."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.attention import Kernel


class RelativeBias(nn.Module):
    """One number per head and displacement (dy, dx) inside a window (Liu et al., Swin, Eq. 4).

    Args:
        heads: numbers for each displacement.
        window: side M of the window; displacements lie between 1 - M and M - 1.
    """

    def __init__(self, heads: int, window: int) -> None:
        super().__init__()
        self.largest = window - 1
        self.table = nn.Parameter(torch.empty(heads, 2 * window - 1, 2 * window - 1))
        nn.init.normal_(self.table, std=0.02)

    def forward(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Integer displacements of one shape, or that broadcast to one -> (heads, *that shape)."""
        found: Tensor = self.table[:, rows + self.largest, columns + self.largest]
        return found


def attend_biased(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, kernel: Kernel = "explicit"
) -> Tensor:
    """softmax(Q K^T / sqrt(D) + bias) V.

    Args:
        query: (G, h, Nq, D).
        key: (G, h, Nk, D).
        value: (G, h, Nk, Dv).
        bias: broadcastable to (G, h, Nq, Nk); -inf keeps a key out of a softmax. No row may be
            -inf throughout.
        kernel: `explicit` holds the table of relations, `fused` calls PyTorch's kernel.

    Returns:
        (G, h, Nq, Dv).
    """
    if kernel == "fused":
        return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    # Scaling the query costs Nq*D instead of Nq*Nk and saves one table of memory.
    logits = torch.matmul(query * query.shape[-1] ** -0.5, key.transpose(-2, -1))
    if bias is not None:
        logits = logits + bias
    return torch.matmul(logits.softmax(dim=-1), value)


def heads_of(in_channels: int, heads: int | None) -> int:
    """Heads of an attention: as given, or one for every 32 channels.

    Raises:
        ValueError: they do not divide the channels.
    """
    count = max(in_channels // 32, 1) if heads is None else heads
    if count < 1 or in_channels % count:
        raise ValueError(f"heads is {count}; it must divide in_channels ({in_channels})")
    return count
