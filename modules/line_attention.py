"""Attention along the lines of maps: which lines there are, and the kernels run over them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from context_modules.triton_use import Tile, import_triton, launch, products, tiles


@dataclass(frozen=True)
class Lines:
    """Runs of positions within which queries attend to keys.

    Line l of map m starts at position `m * map + l * line_step`, and its positions are `step`
    apart. Maps of queries and of keys may differ in size where each is one line.

    Attributes:
        queries: of a line.
        keys: of a line.
        query_map: positions of a map of queries.
        key_map: positions of a map of keys.
        count: how many lines there are, of all maps.
        lines: of a map.
        line_step: from the start of a line to that of the next.
        step: from a position to the next of its line.
        not_self: whether no query attends to the key of its own place.
    """

    queries: int
    keys: int
    query_map: int
    key_map: int
    count: int
    lines: int = 1
    line_step: int = 0
    step: int = 1
    not_self: bool = False


@dataclass(frozen=True)
class Attention:
    """An attention along lines.

    Attributes:
        query: (maps, positions, D), contiguous, as all others but the mask.
        key: (maps, positions, D).
        value: (maps, positions, Dv).
        mask: bytes, (lines or 1, queries or 1, keys), contiguous; all but 0 take part.
        lines: which positions meet.
        scale: factor on the logits.
        goes_on: whether results are those of the same queries (keys, in their gradient) along other
            lines, which these shall be joined to.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    lines: Lines
    scale: float
    goes_on: bool = False

    def forward(self, out: Tensor, sums: Tensor) -> None:
        """Write the attended values, and the base-2 logarithms of the sums of weights.

        Args:
            out: (maps, positions, Dv).
            sums: (maps, positions), float32.
        """
        import_triton()
        from context_modules import line_attention_kernels as kernels

        tables = (self.query, self.key, self.value, self._mask, out, sums)
        self._launch(kernels.forward, tables, self.lines.queries, self._widths[1])

    def query_gradient(
        self, out: Tensor, sums: Tensor, grad: Tensor, found: Tensor, slopes: Tensor
    ) -> None:
        """Write the queries' gradients and the inner products of results with their gradients.

        Args:
            out: as `forward` has left it, as `sums`.
            sums: see `out`.
            grad: (maps, positions, Dv), of `out`.
            found: (maps, positions, D).
            slopes: (maps, positions), float32.
        """
        import_triton()
        from context_modules import line_attention_kernels as kernels

        tables = (self.query, self.key, self.value, self._mask, out, sums, grad, found, slopes)
        self._launch(kernels.query_gradient, tables, self.lines.queries, max(self._widths))

    def key_value_gradient(
        self, sums: Tensor, slopes: Tensor, grad: Tensor, keys: Tensor, values: Tensor
    ) -> None:
        """Write the gradients of keys and values.

        Args:
            sums: of `forward`.
            slopes: of `query_gradient`.
            grad: of the attended values.
            keys: (maps, positions, D).
            values: (maps, positions, Dv).
        """
        import_triton()
        from context_modules import line_attention_kernels as kernels

        tables = (
            self.query, self.key, self.value, self._mask, sums, slopes, grad, keys, values,
        )  # fmt: skip
        self._launch(kernels.key_value_gradient, tables, self.lines.keys, sum(self._widths))

    @property
    def _mask(self) -> Tensor:
        # Without a mask some table, which is not read.
        return self.query if self.mask is None else self.mask

    @property
    def _widths(self) -> tuple[int, int]:
        return padded(self.query.shape[-1]), padded(self.value.shape[-1])

    def _launch(self, kernel: Any, tables: Sequence[Tensor], positions: int, held: int) -> None:
        lines = self.lines
        strides = (0, 0) if self.mask is None else _strides(self.mask)
        numbers = {
            "queries": lines.queries, "keys": lines.keys,
            "query_map": lines.query_map, "key_map": lines.key_map,
            "lines": lines.lines, "line_step": lines.line_step, "step": lines.step,
            "mask_line": strides[0], "mask_row": strides[1],
        }  # fmt: skip
        choices = {
            "scale": self.scale, "WIDTH": self.query.shape[-1], "VALUES": self.value.shape[-1],
            "WIDTH_TILE": self._widths[0], "VALUE_TILE": self._widths[1],
            "MASKED": self.mask is not None, "NOT_SELF": lines.not_self, "GOES_ON": self.goes_on,
            "PRODUCTS": products(),
        }  # fmt: skip

        def programs(tile: Tile) -> int:
            return lines.count * -(-positions // tile.own)

        launch(kernel, programs, tables, numbers, choices, tiles(held, self.query.itemsize))


def padded(width: int) -> int:
    """What a tile is wide: a power of two, and no less than a product of matrices takes."""
    return max(16, 1 << (width - 1).bit_length())


def _strides(mask: Tensor) -> tuple[int, int]:
    """From line to line and from query to query; 0 where one serves all."""
    line, row = (mask.stride(axis) if mask.shape[axis] > 1 else 0 for axis in (0, 1))
    return line, row
