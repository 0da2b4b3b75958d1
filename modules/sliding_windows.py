"""Attention inside a square window around every position, strip by strip (LOCAL of GGCF, Eq. 4).

Tiles of queries share one window of keys, as everywhere in this project. To gather each window is
most of the work of a small head, since windows overlap: of radius 24 a key lies in 25 of them. Here
a column of tiles shares one strip of the map, copied once, of which each window is a run of memory:
a view.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from context_modules.blocks import BLOCK

# Side of a tile of queries. Without gathering, small tiles cost no more than their products, and
# execute (8 + 2S)^2 / (2S + 1)^2 times the edges; of 4, 8, 12 and 16 it was the fastest for all S.
TILE = 8


@dataclass(frozen=True)
class Tiling:
    """An axis cut into tiles of queries and their windows of keys.

    Attributes:
        length: of the axis.
        radius: of the window around a query.
        tiles: how many.
        tile: queries of a tile; the last may reach over the end.
        window: keys of a tile.
        before: positions in front of the axis at which the first window starts.
    """

    length: int
    radius: int
    tiles: int
    tile: int
    window: int
    before: int

    @classmethod
    def of(cls, length: int, radius: int) -> "Tiling":
        """Tiles of about `TILE`; a single one where a window holds the whole axis anyway."""
        tiles = -(-length // TILE)
        even = -(-length // tiles)
        if even + 2 * radius >= length:
            return cls(length, radius, 1, length, length, 0)
        return cls(length, radius, tiles, even, even + 2 * radius, radius)

    @property
    def after(self) -> int:
        """Positions behind the axis at which the last window ends."""
        return (self.tiles - 1) * self.tile + self.window - self.before - self.length

    def hidden(self, device: torch.device) -> Tensor:
        """(tiles, tile, window): keys that a query does not see.

        A query behind the axis is cropped, and sees all: a softmax over nothing is NaN, whose
        gradient would reach the keys.
        """
        first = self.tile * torch.arange(self.tiles, device=device)[:, None, None]
        query = first + torch.arange(self.tile, device=device)[:, None]
        key = first - self.before + torch.arange(self.window, device=device)
        seen = ((key - query).abs() <= self.radius) & (key >= 0) & (key < self.length)
        return ~(seen | (query >= self.length))


def window_attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    size: tuple[int, int],
    *,
    radius: int,
    scale: float | None = 1.0,
) -> Tensor:
    """Attend to the positions that are at most `radius` away along both axes.

    With gradients a strip is a checkpoint: neither windows nor relations are kept.

    Args:
        query: (B, N, D) with N = H * W.
        key: (B, N, D).
        value: (B, N, Dv).
        size: (H, W).
        radius: S.
        scale: factor on the logits; `None` means 1 / sqrt(D).

    Returns:
        (B, N, Dv).
    """
    axes = Tiling.of(size[0], radius), Tiling.of(size[1], radius)
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    images = [
        _image(q if factor == 1.0 else q * factor, k, v, axes)
        for q, k, v in zip(query, key, value, strict=True)
    ]
    return images[0].unsqueeze(0) if len(images) == 1 else torch.stack(images)


def _image(query: Tensor, key: Tensor, value: Tensor, axes: tuple[Tiling, Tiling]) -> Tensor:
    """One image's (N, D), (N, D), (N, Dv) -> (N, Dv)."""
    y, x = axes
    over = y.tiles * y.tile - y.length, x.tiles * x.tile - x.length
    queries = F.pad(query.view(y.length, x.length, -1), (0, 0, 0, over[1], 0, over[0]))
    tiles = queries.view(y.tiles, y.tile, x.tiles, x.tile, -1).unbind(2)
    strips = zip(tiles, _strips(key, axes), _strips(value, axes), strict=True)
    hidden = y.hidden(query.device), x.hidden(query.device)

    def attended(index: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return _strip(q, k, v, hidden[0], hidden[1][index], y)

    shape = (y.tiles, y.tile, x.tiles, x.tile, value.shape[-1])
    if torch.is_grad_enabled():
        made = [
            checkpoint(attended, i, *each, use_reentrant=False, preserve_rng_state=False)
            for i, each in enumerate(strips)
        ]
        out = torch.stack([each.view(*shape[:2], *shape[3:]) for each in made], dim=2)
    else:
        out = value.new_empty(shape)
        for index, each in enumerate(strips):
            out[:, :, index] = attended(index, *each).view(*shape[:2], *shape[3:])
    whole = out.view(y.tiles * y.tile, x.tiles * x.tile, -1)
    return whole[: y.length, : x.length].reshape(y.length * x.length, -1)


def _strips(rows: Tensor, axes: tuple[Tiling, Tiling]) -> Iterable[Tensor]:
    """(N, C) -> the columns (h, C, w) under each column of tiles, zeros over the border.

    Without gradients each is there until the next is asked for.
    """
    y, x = axes
    maps = rows.view(y.length, x.length, -1)
    if torch.is_grad_enabled():  # the gradient of all strips at once is one map, not one a strip
        padded = F.pad(maps, (0, 0, x.before, x.after, y.before, y.after))
        return padded.unfold(1, x.window, x.tile).unbind(1)
    return _in_turn(maps, axes)


def _in_turn(maps: Tensor, axes: tuple[Tiling, Tiling]) -> Iterator[Tensor]:
    """The columns (h, C, w) of (H, W, C), each in the memory of the one before."""
    y, x = axes
    strip = maps.new_zeros(y.before + y.length + y.after, x.window, maps.shape[-1])
    inside = strip[y.before : y.before + y.length]
    for first in range(-x.before, x.tiles * x.tile - x.before, x.tile):
        low, high = max(first, 0), min(first + x.window, x.length)
        inside[:, : low - first] = 0
        inside[:, low - first : high - first] = maps[:, low:high]
        inside[:, high - first :] = 0
        yield strip.transpose(1, 2)


def _strip(  # noqa: PLR0917 - three maps and where they are hidden
    query: Tensor, key: Tensor, value: Tensor, rows: Tensor, columns: Tensor, y: Tiling
) -> Tensor:
    """A column of tiles: (tiles, t, t', D), (h, D, w'), (h, Dv, w') -> (tiles, t * t', Dv)."""
    width = key.shape[-1]
    query = query.flatten(1, 2)  # (tiles, queries, D)
    # (tiles, channels, keys): runs of the strip, overlapping views.
    keys, values = (
        each.transpose(1, 2).flatten(0, 1).unfold(0, y.window * width, y.tile * width)
        for each in (key, value)
    )
    step = max(1, BLOCK // (query.shape[1] * keys.shape[2]))
    blocks = (each.split(step) for each in (query, keys, values, rows))
    made = []
    for q, k, v, hidden in zip(*blocks, strict=True):
        logits = torch.bmm(q, k)
        away = hidden[:, :, None, :, None] | columns[:, None, :]
        logits.masked_fill_(away.flatten(3).flatten(1, 2), float("-inf"))
        made.append(torch.bmm(logits.softmax(dim=-1), v.transpose(1, 2)))
        del logits
    return torch.cat(made)
