"""RANet's regions by kernels in Triton: no map of N x N numbers, forward or backward.

F (Eq. 3) is made where it is needed and dropped: once for the adjacency G, of which a bit a pair is
kept (11 MB at 97 x 97, where F has 354), once for the representative scores J and once for their
gradients, the latter two for pairs of one region alone. Operators of their own, so that counts,
predicted memory, `torch.compile` and captured graphs see each as one call with known shapes. None
waits for the device.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from context_modules.region_maps import Context, in_float32
from context_modules.triton_use import Tile, import_triton, launch, require_triton

# A word of bits a row.
_PAIRS = Tile(32, 32, warps=4, stages=1)
# Rows of bits, and columns that one program goes through at a time.
_ROWS = Tile(16, 128, warps=4, stages=1)
_PIXELS = Tile(128, 1, warps=4, stages=1)


def regions_by_triton(
    boundary: Tensor, categories: Tensor, *, context: Context, threshold: float, end_points: bool
) -> tuple[Tensor, Tensor]:
    """Regions of a batch, and the sums of F over each pixel's own.

    Args:
        boundary: (B, H, W) probabilities B of a boundary.
        categories: (B, classes, H, W) probabilities C.
        context: see `region_attention_maps`.
        threshold: the F from which a pair of pixels is joined.
        end_points: see `line_maximum`.

    Returns:
        (B, N) smallest pixel index of each pixel's region, and (B, N) sums in float32,
        differentiable in both scores. Additions to the gradients are atomic: on a GPU their last
        bits may differ from run to run.

    Raises:
        NotImplementedError: a GPU or Triton is missing, or there is no kernel for the type.
    """
    boundary, categories = in_float32(boundary, categories)
    require_triton(boundary, categories, instead="explicit")
    given = (boundary.contiguous(), categories.flatten(2).contiguous())
    operators = torch.ops.context_modules
    labels = operators.components_of_bits(
        operators.region_adjacency(
            *(each.detach() for each in given), context, end_points, threshold
        )
    )
    return labels, operators.region_sums(*given, context, end_points, labels)


def _launch(
    name: str,
    tile: Tile,
    programs: int,
    tables: tuple[Tensor, ...],
    numbers: Mapping[str, int | float],
    **choices: Any,
) -> None:
    import_triton(instead="explicit")
    from context_modules import region_kernels

    kernel = getattr(region_kernels, name)
    launch(kernel, lambda _tile: programs, tables, numbers, choices, [tile], instead="explicit")


def _launch_pairs(  # noqa: PLR0917 - a kernel and what it takes
    name: str,
    boundary: Tensor,
    categories: Tensor,
    further: tuple[Tensor, ...],
    context: str,
    end_points: bool,
    **numbers: float,
) -> None:
    """Run a kernel over all unordered pairs of tiles of each image."""
    images, _, width = boundary.shape
    classes, pixels = categories.shape[1:]
    tiles = _tiles(pixels)
    sizes: dict[str, int | float] = {"pixels": pixels, "width": width, "classes": classes}
    programs = images * (tiles * (tiles + 1) // 2)
    _launch(
        name, _PAIRS, programs, (boundary, categories, *further), sizes | numbers,
        LINES=context != "semantic", DIVERGENCE=context != "boundary", END_POINTS=end_points,
    )  # fmt: skip


def _tiles(pixels: int) -> int:
    return -(-pixels // _PAIRS.own)


@torch.library.custom_op("context_modules::region_adjacency", mutates_args=())
def _adjacency(
    boundary: Tensor, categories: Tensor, context: str, end_points: bool, threshold: float
) -> Tensor:
    """G of (B, H, W) and (B, classes, N): bit j % 32 of word j // 32 of (B, N, ceil(N / 32))."""
    bits = _bits(categories)
    _launch_pairs(
        "adjacency", boundary, categories, (bits,), context, end_points, threshold=threshold
    )
    return bits


@_adjacency.register_fake
def _(
    boundary: Tensor,  # noqa: ARG001
    categories: Tensor,
    context: str,  # noqa: ARG001
    end_points: bool,  # noqa: ARG001
    threshold: float,  # noqa: ARG001
) -> Tensor:
    return _bits(categories)


def _bits(categories: Tensor) -> Tensor:
    images, _, pixels = categories.shape
    return categories.new_empty(images, pixels, _tiles(pixels), dtype=torch.int32)


@torch.library.custom_op("context_modules::components_of_bits", mutates_args=())
def _components(bits: Tensor) -> Tensor:
    """Connected components (B, N) of (B, N, ceil(N / 32)) bits, see `connected_components`.

    All rounds are launched, since who asks a GPU has to wait for it, but those after a round that
    changed nothing end at once.
    """
    images, pixels, words = bits.shape
    labels = torch.arange(pixels, dtype=torch.int32, device=bits.device).repeat(images, 1)
    roots, following = labels.clone(), labels.new_empty(labels.shape)
    rounds = 2 * max(1, math.ceil(math.log2(max(pixels, 2)))) + 1
    changed = torch.zeros(rounds + 1, dtype=torch.int32, device=bits.device)
    changed[:1].fill_(1)
    for turn in range(rounds):
        numbers = {"turn": turn, "pixels": pixels}
        programs = images * -(-pixels // _ROWS.own)
        tables = (bits, labels, roots, changed)
        _launch("hook", _ROWS, programs, tables, numbers | {"words": words})
        programs = images * -(-pixels // _PIXELS.own)
        _launch("climb", _PIXELS, programs, (roots, labels, following, changed), numbers)
        roots, following = following, roots
    return labels.long()


@_components.register_fake
def _(bits: Tensor) -> Tensor:
    return bits.new_empty(bits.shape[:2], dtype=torch.long)


@torch.library.custom_op("context_modules::region_sums", mutates_args=())
def _sums(
    boundary: Tensor, categories: Tensor, context: str, end_points: bool, labels: Tensor
) -> Tensor:
    """The sum of F (B, N) over each pixel's region.

    Each tile's part has a place of its own, as many numbers as G has words: no order of additions
    is left to chance.
    """
    images, pixels = labels.shape
    parts = boundary.new_zeros(images, _tiles(pixels), pixels)
    _launch_pairs("region_sums", boundary, categories, (labels, parts), context, end_points)
    return parts.sum(dim=1)


@_sums.register_fake
def _(boundary: Tensor, *rest: Any) -> Tensor:
    return boundary.new_empty(rest[-1].shape)


@torch.library.custom_op("context_modules::region_sums_gradient", mutates_args=())
def _gradient(  # noqa: PLR0917 - an operator has no keywords of its own
    boundary: Tensor,
    categories: Tensor,
    context: str,
    end_points: bool,
    labels: Tensor,
    grad: Tensor,
) -> tuple[Tensor, Tensor]:
    """Gradients (B, H, W) and (B, classes, N) from those of the sums (B, N)."""
    found = boundary.new_zeros(boundary.shape), categories.new_zeros(categories.shape)
    further = (labels, grad, *found)
    _launch_pairs("sum_gradients", boundary, categories, further, context, end_points)
    return found


@_gradient.register_fake
def _(boundary: Tensor, categories: Tensor, *_rest: Any) -> tuple[Tensor, Tensor]:
    return boundary.new_empty(boundary.shape), categories.new_empty(categories.shape)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG001
    boundary, categories, ctx.context, ctx.end_points, labels = inputs
    ctx.save_for_backward(boundary, categories, labels)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    boundary, categories, labels = ctx.saved_tensors
    of_boundary, of_categories = torch.ops.context_modules.region_sums_gradient(
        boundary, categories, ctx.context, ctx.end_points, labels, grad.contiguous()
    )
    return (
        None if ctx.context == "semantic" else of_boundary,
        None if ctx.context == "boundary" else of_categories,
        None,
        None,
        None,
    )


torch.library.register_autograd("context_modules::region_sums", _backward, setup_context=_keep)
