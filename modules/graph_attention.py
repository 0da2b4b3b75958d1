"""Attention along the edges of a graph, block by block (GGCF, Eq. 3 without W_k)."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from context_modules.attention import AnyKernel, attend, relation, takes_any_width
from context_modules.context_pruning import ContextPruning
from context_modules.head_graph import HeadGraph, Local
from context_modules.sliding_windows import window_attend
from context_modules.trainable_edges import edges_between

# Logits of one block on the explicit path: 16 MiB in float32.
_BLOCK_LOGITS = 2**22


@dataclass(frozen=True)
class Block:
    """G groups of queries and the keys that hold all their neighbours.

    Attributes:
        queries: (G, q) positions y * W + x.
        keys: (G, k) positions.
        mask: (G, q, k), `True` on edges; `None` where all pairs are edges.
    """

    queries: Tensor
    keys: Tensor
    mask: Tensor | None


def graph_attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    graph: HeadGraph,
    size: tuple[int, int],
    *,
    scale: float | None = 1.0,
    kernel: AnyKernel = "fused",
    block_keys: int = 2**14,
    pruning: ContextPruning | None = None,
    edge_table: Tensor | None = None,
) -> Tensor:
    """Attend from every position to its neighbours: y_i = sum_j E A g_j / sum_j E A.

    Executes about the edges of the graph instead of N^2 pairs: exactly them for FULL and GRID,
    a small factor more for LOCAL, whose tiles of queries share one window of keys.

    Args:
        query: (B, N, D) with N = H * W.
        key: (B, N, D).
        value: (B, N, Dv).
        graph: E.
        size: (H, W).
        scale: factor on the logits, as in `attend`.
        kernel: as in `attend`; `fused` takes LOCAL on the CPU as `window_attend` does. Pruning and
            trainable edges need the relation matrix and take the explicit one in any case. That
            never holds more than a block of it.
        block_keys: keys that are gathered at once. More is faster on a GPU, less takes less memory.
        pruning: drop contexts before the weighted sum.
        edge_table: positive weights of edges by offset (`TrainableEdges`); `None` means 1.

    Returns:
        (B, N, Dv).
    """
    fused = kernel != "explicit" and pruning is None and edge_table is None
    by_view = kernel == "fused" and not takes_any_width(query.device)
    if fused and by_view and isinstance(graph, Local):
        return window_attend(query, key, value, size, radius=graph.radius, scale=scale)
    outputs: list[Tensor] = []
    order: list[Tensor] = []
    for block in blocks(graph, size, query.device, block_keys, None if fused else _BLOCK_LOGITS):
        q, k, v = _rows(query, block.queries), _rows(key, block.keys), _rows(value, block.keys)
        if fused:
            out = attend(q, k, v, scale=scale, mask=block.mask, kernel=kernel)
        else:
            edges = None
            if edge_table is not None:
                edges = edges_between(edge_table, block.queries, block.keys, size)
            weights = _weights(q, k, block.mask, scale=scale, pruning=pruning, edges=edges)
            out = torch.matmul(weights, v)
            del weights
        outputs.append(out.flatten(1, 2))
        order.append(block.queries.flatten())
        # The gathered windows of the next block must not meet those of this one in memory.
        del q, k, v, out
    rows = torch.cat(outputs, dim=1)
    outputs.clear()
    return rows.index_select(1, _inverse(torch.cat(order), query.shape[1]))


def blocks(
    graph: HeadGraph,
    size: tuple[int, int],
    device: torch.device,
    block_keys: int,
    block_logits: int | None = None,
) -> Iterator[Block]:
    """Cut the graph into blocks of at most `block_keys` keys and `block_logits` pairs where it can.

    Over all blocks every position is a query at least once.
    """
    height, width = size
    for rows in graph.groups(height, device):
        for columns in graph.groups(width, device):
            queries = _product(rows[0] * width, columns[0])
            keys = _product(rows[1] * width, columns[1])
            masks = None
            if not graph.groups_are_complete:
                masks = _axis_mask(graph, *rows), _axis_mask(graph, *columns)
            yield from _cut(queries, keys, masks, block_keys, block_logits)


def _product(rows: Tensor, columns: Tensor) -> Tensor:
    """Row offsets (G, r) and columns (F, c) -> positions (G * F, r * c)."""
    both = rows[:, None, :, None] + columns[None, :, None, :]
    return both.flatten(2).flatten(0, 1)


def _axis_mask(graph: HeadGraph, queries: Tensor, keys: Tensor) -> Tensor:
    """(G, q) and (G, k) coordinates of one axis -> (G, q, k) booleans."""
    return graph.adjacent(keys[:, None, :] - queries[:, :, None])


def _cut(
    queries: Tensor,
    keys: Tensor,
    masks: tuple[Tensor, Tensor] | None,
    block_keys: int,
    block_logits: int | None,
) -> Iterator[Block]:
    (groups, q), k = queries.shape, keys.shape[1]
    together, step = max(1, block_keys // k), q
    if block_logits is not None:
        together = max(1, min(together, block_logits // (q * k)))
        step = max(1, min(q, block_logits // k))
    for first in range(0, groups, together):
        some = slice(first, min(first + together, groups))
        mask = None if masks is None else _mask(*masks, some)
        for at in range(0, q, step):
            part = slice(at, at + step)
            yield Block(queries[some, part], keys[some], None if mask is None else mask[:, part])


def _mask(rows: Tensor, columns: Tensor, groups: slice) -> Tensor:
    """The mask of some of the (G * F) groups, from the masks along the axes."""
    index = torch.arange(groups.start, groups.stop, device=rows.device)
    across = columns.shape[0]
    along_y = rows[index.div(across, rounding_mode="floor")][:, :, None, :, None]
    along_x = columns[index.remainder(across)][:, None, :, None, :]
    return (along_y & along_x).flatten(3).flatten(1, 2)


def _rows(x: Tensor, positions: Tensor) -> Tensor:
    """(B, N, C) at (G, p) -> (B, G, p, C); all positions in order are a view of x."""
    # A group as long as the map holds it in order, whatever the graph.
    if positions.shape == (1, x.shape[1]):
        return x[:, None]
    # Several times as fast as x[:, positions] on CPU, forward and backward.
    rows = x.index_select(1, positions.flatten())
    return rows.reshape(x.shape[0], *positions.shape, x.shape[2])


def _weights(
    query: Tensor,
    key: Tensor,
    mask: Tensor | None,
    *,
    scale: float | None,
    pruning: ContextPruning | None,
    edges: Tensor | None,
) -> Tensor:
    """E(i, j) A(x_i, x_j) / C_i over the contexts that pruning leaves: (B, G, q, k)."""
    if pruning is not None and pruning.order == "random":
        pairs = (*query.shape[:-1], key.shape[-2])
        mask = pruning.select(torch.rand(pairs, device=query.device), mask)
    weights = relation(query, key, scale=scale, mask=mask)
    pruned = pruning is not None and pruning.order == "affinity"
    if pruning is not None and pruned:
        weights = weights * pruning.select(weights.detach(), mask)
    if edges is not None:
        weights = weights * edges
    if pruned or edges is not None:
        weights = weights / weights.sum(dim=-1, keepdim=True)
    return weights


def _inverse(order: Tensor, positions: int) -> Tensor:
    """Where each position is in `order`; of several places, whichever: they hold equal rows."""
    places = torch.arange(order.shape[0], device=order.device)
    return torch.empty(positions, dtype=order.dtype, device=order.device).scatter(0, order, places)
