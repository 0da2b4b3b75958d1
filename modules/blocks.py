"""Work on large maps block by block, made again in the backward: what fused forms share."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

# Numbers of a map that are worked on at once: 2 MiB in float32, which stays in a core's cache.
BLOCK = 2**19


def in_blocks(
    function: Callable[..., Tensor], rows: Sequence[Tensor], step: int, *, dim: int = 1
) -> Tensor:
    """The function of some rows at a time, side by side.

    With gradients a block is a checkpoint: all that the function makes inside is dropped behind it
    and made again, block by block, in the backward. Tensors that the function takes whole may be
    free variables of it; they get their gradients, too.

    Args:
        function: of a block of each of `rows`, to rows of its own.
        rows: tensors with as many rows each.
        step: rows of a block.
        dim: where the rows are, in what goes in and what comes out.

    Returns:
        The function's results in the order of the rows.
    """
    total = rows[0].shape[dim]
    if step >= total:
        return function(*rows)
    blocks = zip(*(each.split(step, dim) for each in rows), strict=True)
    if torch.is_grad_enabled():
        made = [
            checkpoint(function, *block, use_reentrant=False, preserve_rng_state=False)
            for block in blocks
        ]
        return torch.cat(made, dim)
    # Written in place: the blocks and their concatenation are never alive together.
    first = function(*next(blocks))
    shape = list(first.shape)
    shape[dim] = total
    whole = first.new_empty(shape)
    whole.narrow(dim, 0, step).copy_(first)
    del first
    for index, block in enumerate(blocks, start=1):
        part = whole.narrow(dim, index * step, block[0].shape[dim])
        part.copy_(function(*block))
    return whole
