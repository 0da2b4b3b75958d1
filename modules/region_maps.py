"""Region attention maps (RANet, Eq. 2 to 4): which two pixels are of one region.

Every map over pairs of N pixels is N x N. `region_attention_maps` holds one of them: D comes from
`line_maximum.py` and is overwritten by F row by row, with E computed on the way. The backward
makes D and E again instead of keeping them, and holds two.
"""

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor

from modules.line_maximum import sweep, sweep_gradient, sweep_values

Context = Literal["both", "boundary", "semantic"]

# Elements of an N x N map that are worked on at a time (1 MB in float32 on a CPU: a core's cache).
CPU_BLOCK = 2**18
GPU_BLOCK = 2**25


def region_attention_maps(
    boundary: Tensor, categories: Tensor, *, context: Context = "both", end_points: bool = False
) -> Tensor:
    """F of RANet, Eq. 3: (1 - D)(1 - E), high where two pixels are of one region.

    Half-precision scores are lifted to float32: bfloat16 has nothing between 0.996 and 1.

    Args:
        boundary: (H, W) probabilities B of a boundary.
        categories: (classes, H, W) probabilities C; they sum to 1 at every pixel.
        context: `boundary` leaves E out, `semantic` D.
        end_points: see `line_maximum`.

    Returns:
        (N, N) in [0, 1], symmetric in every bit, differentiable in both scores.
    """
    if boundary.dtype in (torch.float16, torch.bfloat16):
        boundary, categories = boundary.float(), categories.float()
    maps: Tensor = _AttentionMaps.apply(boundary, categories.flatten(1), context, end_points)  # type: ignore[no-untyped-call]
    return maps


def jensen_shannon_divergence(categories: Tensor) -> Tensor:
    """E of RANet, Eq. 2: the divergence of the category distributions of every two pixels.

    Base 2 over all categories, JSD = H(U) - (H(C_i) + H(C_j)) / 2 with U = (C_i + C_j) / 2, which
    lies in [0, 1] as the paper says E does; Eq. 2 as printed lacks the logarithm of the ratio.

    Args:
        categories: (classes, H, W) probabilities C.

    Returns:
        (N, N), symmetric; differentiable in `categories`.
    """
    nothing = categories.new_zeros(categories.shape[1:])
    maps = region_attention_maps(nothing, categories, context="semantic")
    return 1 - maps


def decision_maps(
    maps: Tensor, *, threshold: float, weight: float = 1.0, bias: float = 0.0
) -> Tensor:
    """G of RANet, Eq. 4: (..., N) region attention maps -> boolean, True where a pair is joined."""
    joined: Tensor = maps * weight + bias >= threshold
    return joined


class _AttentionMaps(torch.autograd.Function):
    """F from B and C. Keeps only the steps of the lines; D and E are made again in the backward."""

    @staticmethod
    def forward(
        ctx: Any, boundary: Tensor, categories: Tensor, context: Context, end_points: bool
    ) -> Tensor:
        pixels = boundary.numel()
        steps = boundary.new_empty(0)
        if context == "semantic":
            maps = boundary.new_zeros(pixels, pixels)
        else:
            keep = ctx.needs_input_grad[0]
            maps, steps = sweep(boundary, end_points, keep_steps=keep)
        torch.ops.context_modules.join_maps_(maps, categories.detach(), context != "boundary")
        ctx.save_for_backward(boundary, categories, steps)
        ctx.context, ctx.end_points = context, end_points
        return maps

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        boundary, categories, steps = ctx.saved_tensors
        lines = ctx.context != "semantic" and ctx.needs_input_grad[0]
        semantic = ctx.context != "boundary"
        if lines:
            maps = sweep_values(boundary, steps, ctx.end_points)  # D
        elif ctx.context == "both":
            maps, _ = sweep(boundary, ctx.end_points, keep_steps=False)
        else:
            maps = torch.zeros_like(grad)
        # D is overwritten by its own gradient, so that no third N x N map is needed.
        grad_categories = torch.ops.context_modules.split_gradient_(
            maps, grad.contiguous(), categories, semantic
        )
        height, width = boundary.shape
        grad_boundary = (
            sweep_gradient(maps, steps, height, width, ctx.end_points) if lines else None
        )
        return grad_boundary, grad_categories if semantic else None, None, None


# Opaque, as the operators in line_maximum.py are: one operator of fixed shapes each.


@torch.library.custom_op("context_modules::join_maps_", mutates_args=("maps",))
def _join(maps: Tensor, categories: Tensor, semantic: bool) -> None:
    """Overwrite D by F, Eq. 3, row by row: 1 - D, or (1 - D)(1 - E)."""
    torch.sub(1, maps, out=maps)
    if semantic:
        terms = _Divergence(categories)
        for rows in row_blocks(maps):
            maps[rows].mul_(terms.rows(rows).neg_().add_(1))


@_join.register_fake
def _(maps: Tensor, categories: Tensor, semantic: bool) -> None:  # noqa: ARG001
    return None


@torch.library.custom_op("context_modules::split_gradient_", mutates_args=("maps",))
def _split_gradient(maps: Tensor, grad: Tensor, categories: Tensor, semantic: bool) -> Tensor:
    """Overwrite D by its gradient -(1 - E) dF and return that of the categories (classes, N)."""
    grad_categories = torch.zeros_like(categories)
    terms = _Divergence(categories)
    for rows in row_blocks(maps):
        block, incoming = maps[rows], grad[rows]
        if semantic:
            terms.add_gradient(grad_categories, rows, (block - 1) * incoming)
            block.copy_(terms.rows(rows).sub_(1)).mul_(incoming)
        else:
            torch.neg(incoming, out=block)
    return grad_categories


@_split_gradient.register_fake
def _(maps: Tensor, grad: Tensor, categories: Tensor, semantic: bool) -> Tensor:  # noqa: ARG001
    return torch.empty_like(categories)


def row_blocks(maps: Tensor) -> Iterator[slice]:
    """Slices of rows, so many at a time as are worked on at once."""
    size = CPU_BLOCK if maps.device.type == "cpu" else GPU_BLOCK
    step = max(1, size // max(1, maps.shape[1]))
    for start in range(0, len(maps), step):
        yield slice(start, min(start + step, len(maps)))


class _Divergence:
    """Rows of E, and their gradient, from categories (classes, N)."""

    def __init__(self, categories: Tensor) -> None:
        self.half = categories / 2  # so that U is a sum
        self.logarithm = _log2(categories)
        self.negentropy = torch.zeros_like(categories[0])
        for p, log in zip(categories, self.logarithm, strict=True):
            self.negentropy.addcmul_(p, log)

    def rows(self, rows: slice) -> Tensor:
        """E[rows]: (block, N)."""
        divergence = (self.negentropy[rows].unsqueeze(1) + self.negentropy).div_(2)
        for half in self.half:
            mixture = half[rows].unsqueeze(1) + half
            divergence.addcmul_(mixture, _log2(mixture), value=-1)
        return divergence.clamp_(0, 1)

    def add_gradient(self, total: Tensor, rows: slice, grad: Tensor) -> None:
        """Add to `total` (classes, N) what the rows `grad` (block, N) of E's gradient say.

        dE_ij / dC_in = log2(C_in / U_ijn) / 2, and the same with i and j exchanged.
        """
        over_columns, over_rows = grad.sum(dim=1), grad.sum(dim=0)
        for n, half in enumerate(self.half):
            mixture = _log2(half[rows].unsqueeze(1) + half).mul_(grad)
            total[n, rows] += (self.logarithm[n, rows] * over_columns - mixture.sum(dim=1)) / 2
            total[n] += (self.logarithm[n] * over_rows - mixture.sum(dim=0)) / 2


def _log2(p: Tensor) -> Tensor:
    """log2, finite at 0, where p log2(p) then is 0."""
    return p.clamp(min=torch.finfo(p.dtype).tiny).log2_()
