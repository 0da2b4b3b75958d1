"""The graphs of positions along which heads attend: FULL, LOCAL_S, GRID_T (GGCF, Section 3.3)."""

import itertools
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

Groups = tuple[Tensor, Tensor]


class HeadGraph(ABC):
    """An adjacency E(i, j) that is the product of one adjacency per axis.

    Every graph of the paper is such a product, so that a graph is described along one axis and all
    that concerns two axes (edges, dense adjacency, blocks) follows. E depends on j - i and on no
    map size (the paper's translation and dimension invariance).
    """

    @abstractmethod
    def adjacent(self, offset: Tensor) -> Tensor:
        """Whether coordinates at this distance are adjacent: integers -> booleans, same shape."""

    @abstractmethod
    def degrees(self, length: int) -> list[int]:
        """Adjacent coordinates of each coordinate on an axis of this length."""

    @abstractmethod
    def groups(self, length: int, device: torch.device) -> Iterator[Groups]:
        """Queries of an axis and the keys that hold all their neighbours, in groups of equal size.

        Yields:
            queries (G, q) and keys (G, k), integer coordinates. Over all groups every coordinate is
            a query at least once; the keys of a group are distinct and lie on the axis.
        """

    #: Whether the queries of a group are adjacent to all its keys, so that no mask is needed.
    groups_are_complete: bool = True

    def adjacency(self, height: int, width: int) -> Tensor:
        """The dense E: (H*W, H*W) booleans, row = query. For small maps, tests and drawings."""
        rows, columns = (torch.arange(side) for side in (height, width))
        e_y = self.adjacent(rows[None, :] - rows[:, None])
        e_x = self.adjacent(columns[None, :] - columns[:, None])
        both = e_y[:, None, :, None] & e_x[None, :, None, :]
        return both.reshape(height * width, height * width)

    def neighbours(self, height: int, width: int) -> Counter[int]:
        """How many positions have how many neighbours, themselves among them."""
        counts: Counter[int] = Counter()
        along_x = Counter(self.degrees(width))
        for degree_y, rows in Counter(self.degrees(height)).items():
            for degree_x, columns in along_x.items():
                counts[degree_y * degree_x] += rows * columns
        return counts


@dataclass(frozen=True)
class Full(HeadGraph):
    """E(i, j) = 1 for all pairs: self-attention."""

    def adjacent(self, offset: Tensor) -> Tensor:
        """All are."""
        return torch.ones_like(offset, dtype=torch.bool)

    def degrees(self, length: int) -> list[int]:
        """The whole axis, for each coordinate."""
        return [length] * length

    def groups(self, length: int, device: torch.device) -> Iterator[Groups]:
        """One group: all to all."""
        axis = torch.arange(length, device=device)[None]
        yield axis, axis


@dataclass(frozen=True)
class Local(HeadGraph):
    """Eq. 4: E(i, j) = 1 where both |i_x - j_x| and |i_y - j_y| are at most S, cut at the border.

    Attributes:
        radius: S, in positions; a full window holds (2S + 1)^2.
    """

    radius: int
    groups_are_complete = False

    def __post_init__(self) -> None:
        if self.radius < 0:
            raise ValueError(f"LOCAL_{self.radius}: the radius must be at least 0; write LOCAL_8")

    def adjacent(self, offset: Tensor) -> Tensor:
        """Those at most S apart."""
        return offset.abs() <= self.radius

    def degrees(self, length: int) -> list[int]:
        """Up to S on either side and the coordinate itself."""
        return [
            min(at, self.radius) + 1 + min(length - 1 - at, self.radius) for at in range(length)
        ]

    def groups(self, length: int, device: torch.device) -> Iterator[Groups]:
        """Tiles of queries, each with the tile and a halo of S on both sides as keys.

        Tiles have one size, and tiles and windows are shifted inwards at the border instead of
        padded: no key lies outside of the map. Two tiles may share queries for that.
        """
        tiles = -(-length // self._tile)
        tile = -(-length // tiles)
        window = min(tile + 2 * self.radius, length)
        start = (torch.arange(tiles, device=device) * tile).clamp(max=length - tile)[:, None]
        first_key = (start - self.radius).clamp(0, length - window)
        yield (
            start + torch.arange(tile, device=device),
            first_key + torch.arange(window, device=device),
        )

    @property
    def _tile(self) -> int:
        # A tile of side t executes (t + 2S)^2 / (2S + 1)^2 times the edges and reads its window
        # 1 / t^2 times per query: half the radius balances the two on CPU, and 16 bounds the
        # pairs of a tile.
        return min(max(8, self.radius // 2), 16)


@dataclass(frozen=True)
class Grid(HeadGraph):
    """Eq. 5: E(i, j) = 1 where i_x = j_x and i_y = j_y modulo T.

    Attributes:
        stride: T, in positions.
    """

    stride: int

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise ValueError(f"GRID_{self.stride}: the stride must be at least 1; write GRID_8")

    def adjacent(self, offset: Tensor) -> Tensor:
        """Those a multiple of T apart."""
        return offset.remainder(self.stride) == 0

    def degrees(self, length: int) -> list[int]:
        """The size of each coordinate's residue class."""
        return [len(range(at % self.stride, length, self.stride)) for at in range(length)]

    def groups(self, length: int, device: torch.device) -> Iterator[Groups]:
        """The residue classes: first those with one member more, then the others."""
        shorter, longer = divmod(length, self.stride)
        for residues, members in (((0, longer), shorter + 1), ((longer, self.stride), shorter)):
            if members and residues[0] < residues[1]:
                first = torch.arange(*residues, device=device)[:, None]
                axis = first + self.stride * torch.arange(members, device=device)
                yield axis, axis


TRAINABLE = "TRAINABLE"
_HEAD = re.compile(r"(LOCAL|GRID)_(\d+)", re.IGNORECASE)
_BRACES = re.compile(r"\{([^{}]*)\}")


def parse_head(name: str) -> HeadGraph:
    """The graph of one head: `FULL`, `LOCAL_8`, `GRID_24`; `TRAINABLE` weighs the edges of FULL.

    Raises:
        ValueError: the name is none of these.
    """
    if name.upper() in ("FULL", TRAINABLE):
        return Full()
    match = _HEAD.fullmatch(name)
    if match is None:
        raise ValueError(
            f"heads: {name!r} is no graph; write FULL, LOCAL_S, GRID_T or TRAINABLE, e.g. LOCAL_8"
        )
    kind, size = match.groups()
    return Local(int(size)) if kind.upper() == "LOCAL" else Grid(int(size))


def expand_heads(names: str | Iterable[str]) -> tuple[str, ...]:
    """Write `{LOCAL,GRID}_{8,16,24}` out, as in the paper's tables: one name per head."""
    listed = [names] if isinstance(names, str) else list(names)
    return tuple(head for name in listed for head in _expand(name.replace(" ", "")))


def _expand(name: str) -> Iterator[str]:
    parts = _BRACES.split(name)
    choices = [
        part.split(",") if inside_braces else [part]
        for part, inside_braces in zip(parts, itertools.cycle((False, True)), strict=False)
    ]
    yield from ("".join(choice) for choice in itertools.product(*choices))
