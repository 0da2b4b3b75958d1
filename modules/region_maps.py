"""Region attention maps (RANet, Eq. 2 to 4): which two pixels are of one region.

Every map over pairs of N pixels is N x N. `region_attention_maps` holds one of them: D comes from
`line_maximum.py` and is overwritten by F row by row, with E computed on the way. The backward
makes D and E again instead of keeping them, and holds two.
"""

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor

from context_modules.line_maximum import sweep, sweep_gradient, sweep_values

Context = Literal["both", "boundary", "semantic"]

# Elements that are worked on at a time (8 MB in float32 on a CPU). Smaller blocks stay closer to
# the core, but logarithms always wait for PyTorch's thread pool, and on busy cores the waiting of
# many small calls costs more than the work.
CPU_BLOCK = 2**21
GPU_BLOCK = 2**26


def region_attention_maps(
    boundary: Tensor, categories: Tensor, *, context: Context = "both", end_points: bool = False
) -> Tensor:
    """F of RANet, Eq. 3: (1 - D)(1 - E), high where two pixels are of one region.

    Half-precision scores are lifted to float32: bfloat16 has nothing between 0.996 and 1.

    Args:
        boundary: (H, W) probabilities B of a boundary, or (B, H, W) of several images.
        categories: (classes, H, W) probabilities C, or (B, classes, H, W); they sum to 1 at every
            pixel.
        context: `boundary` leaves E out, `semantic` D.
        end_points: see `line_maximum`.

    Returns:
        (N, N), or (B, N, N), in [0, 1], symmetric in every bit, differentiable in both scores.
    """
    boundary, categories = in_float32(boundary, categories)
    if boundary.dim() == 2:
        several = region_attention_maps(
            boundary[None], categories[None], context=context, end_points=end_points
        )
        return several.squeeze(0)  # a view, whose gradient needs no N x N copy as that of [0] does
    maps: Tensor = _AttentionMaps.apply(boundary, categories.flatten(2), context, end_points)  # type: ignore[no-untyped-call]
    return maps


def in_float32(boundary: Tensor, categories: Tensor) -> tuple[Tensor, Tensor]:
    """Scores in half precision lifted to float32; others as they are."""
    halves = (torch.float16, torch.bfloat16)
    return (
        boundary.float() if boundary.dtype in halves else boundary,
        categories.float() if categories.dtype in halves else categories,
    )


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
        images, pixels = boundary.shape[0], boundary.shape[1] * boundary.shape[2]
        steps = boundary.new_empty(0)
        if context == "semantic":
            maps = boundary.new_zeros(images, pixels, pixels)
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
        height, width = boundary.shape[1:]
        grad_boundary = (
            sweep_gradient(maps, steps, height, width, ctx.end_points) if lines else None
        )
        return grad_boundary, grad_categories if semantic else None, None, None


# Opaque, as the operators in line_maximum.py are: one operator of fixed shapes each.


@torch.library.custom_op("context_modules::join_maps_", mutates_args=("maps",))
def _join(maps: Tensor, categories: Tensor, semantic: bool) -> None:
    """Overwrite D by F, Eq. 3, block by block: 1 - D, or (1 - D)(1 - E)."""
    maps.neg_().add_(1)
    if semantic:
        for one, own in zip(maps, categories, strict=True):
            _times_similarity(one, own)


def _times_similarity(maps: Tensor, categories: Tensor) -> None:
    """Multiply (N, N) by 1 - E."""
    terms = _Divergence(categories)
    for rows in row_blocks(maps, depth=len(categories)):
        # E is made for i <= j and written twice: half the logarithms, and F equals its transpose
        # in every bit, whatever the order in which a sum over the categories was taken.
        similar = terms.between(rows, slice(rows.start, None)).neg_().add_(1)
        size = rows.stop - rows.start
        own, others = similar[:, :size], similar[:, size:]
        maps[rows, rows] *= torch.maximum(own, own.t())
        maps[rows, rows.stop :] *= others
        maps[rows.stop :, rows] *= others.t()


@_join.register_fake
def _(maps: Tensor, categories: Tensor, semantic: bool) -> None:  # noqa: ARG001
    return None


@torch.library.custom_op("context_modules::split_gradient_", mutates_args=("maps",))
def _split_gradient(maps: Tensor, grad: Tensor, categories: Tensor, semantic: bool) -> Tensor:
    """Overwrite D by its gradient -(1 - E) dF and return that of the categories (B, classes, N)."""
    grad_categories = torch.zeros_like(categories)
    if not semantic:
        torch.neg(grad, out=maps)
        return grad_categories
    for one, incoming, own, total in zip(maps, grad, categories, grad_categories, strict=True):
        _split_one(one, incoming, own, total)
    return grad_categories


def _split_one(maps: Tensor, grad: Tensor, categories: Tensor, total: Tensor) -> None:
    """The same of one image with E; the gradient of its categories is added to `total`."""
    terms = _Divergence(categories)
    for rows in row_blocks(maps, depth=len(categories)):
        block, incoming = maps[rows], grad[rows]
        divergence = terms.add_gradient(total, rows, (block - 1) * incoming)
        block.copy_(divergence.sub_(1)).mul_(incoming)


@_split_gradient.register_fake
def _(maps: Tensor, grad: Tensor, categories: Tensor, semantic: bool) -> Tensor:  # noqa: ARG001
    return torch.empty_like(categories)


def row_blocks(maps: Tensor, depth: int = 1) -> Iterator[slice]:
    """Slices of rows, so many at a time as are worked on at once, `depth` numbers per element."""
    size = CPU_BLOCK if maps.device.type == "cpu" else GPU_BLOCK
    step = max(1, size // max(1, depth * maps.shape[1]))
    for start in range(0, len(maps), step):
        yield slice(start, min(start + step, len(maps)))


class _Divergence:
    """Blocks of E, and their gradient, from categories (classes, N)."""

    def __init__(self, categories: Tensor) -> None:
        self.half = categories / 2  # so that U is a sum
        self.logarithm = _log2(categories)
        self.negentropy = (categories * self.logarithm).sum(dim=0)

    def between(self, rows: slice, columns: slice) -> Tensor:
        """E[rows, columns]."""
        mixture = self._mixture(rows, columns)
        return self._of_mixed(rows, columns, mixture.mul_(_log2(mixture)).sum(dim=0))

    def _of_mixed(self, rows: slice, columns: slice, mixed: Tensor) -> Tensor:
        divergence = self.negentropy[rows].unsqueeze(1) + self.negentropy[columns]
        return divergence.div_(2).sub_(mixed).clamp_(0, 1)

    def add_gradient(self, total: Tensor, rows: slice, grad: Tensor) -> Tensor:
        """Add to `total` (classes, N) what the rows `grad` (block, N) of E's gradient say.

        dE_ij / dC_in = log2(C_in / U_ijn) / 2, and the same with i and j exchanged.

        Returns:
            E[rows], which needs the same logarithms.
        """
        every = slice(None)
        mixture = self._mixture(rows, every)
        logarithm = _log2(mixture)
        divergence = self._of_mixed(rows, every, mixture.mul_(logarithm).sum(dim=0))
        mixed = logarithm.mul_(grad)
        total[:, rows] += (self.logarithm[:, rows] * grad.sum(dim=1) - mixed.sum(dim=2)) / 2
        total += (self.logarithm * grad.sum(dim=0) - mixed.sum(dim=1)) / 2
        return divergence

    def _mixture(self, rows: slice, columns: slice) -> Tensor:
        """U of Eq. 2: (classes, rows, columns)."""
        return self.half[:, rows].unsqueeze(2) + self.half[:, columns].unsqueeze(1)


def _log2(p: Tensor) -> Tensor:
    """log2, finite at 0, where p log2(p) then is 0."""
    return p.clamp(min=torch.finfo(p.dtype).tiny).log2_()
