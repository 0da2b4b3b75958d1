"""Heat map: a quantity over two axes, a cell for each pair of their values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm, Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from harness.present.plots.canvas import canvas, contrast, short
from harness.present.plots.scales import Powers, name_places, wants_log
from harness.present.plots.sheet import sheet
from harness.present.plots.view import View, value_text
from harness.present.reading import Reading
from harness.records.quantities.quantity import Row

# Nunez, Anderton and Renslow, "Optimizing colormaps with consideration for color vision deficiency"
# (PLoS ONE 13(7), 2018): lightness rises evenly, and looks alike to most of the colour blind.
# Few steps, so that a file has them as shapes rather than as a bitmap.
COLOURS = tuple(to_hex(each) for each in mpl.colormaps["cividis"].resampled(40).colors)  # type: ignore[attr-defined]
INKS = ("#010101", "#fefefe")
"""Of text on cells: the one that is read better. Black and white change places on a dark page."""

LOST = "#eeeeee"
"""Of a cell whose case has no value: no colour of the scale is near it."""

_CELL = 0.36  # inches of height on a page
_MOST_HEIGHT = 7.0  # inches on a page
_SIZE = 7.5  # points
_SHARE = 0.72  # of the width: what labels and the scale of colours leave

Place = tuple[str, str]
Values = np.ma.MaskedArray[tuple[int, int], np.dtype[np.float64]]


@dataclass(frozen=True)
class _Cells:
    """Values of both axes, and the row of each pair that was asked for."""

    across: tuple[str, ...]  # from the left
    down: tuple[str, ...]  # from the top
    rows: Mapping[Place, Row]

    def found(self) -> Iterator[tuple[int, int, Row]]:
        """Column, line and row of each pair."""
        for (x, y), row in self.rows.items():
            yield self.across.index(x), self.down.index(y), row

    def values(self, value: Reading) -> Values:
        """Of each cell; masked where there is none."""
        found = np.full((len(self.down), len(self.across)), np.nan)
        for column, line, row in self.found():
            ours = value.ours(row)
            found[line, column] = np.nan if ours is None else ours
        return np.ma.masked_invalid(found)


def draw(view: View) -> Figure:
    """Cells coloured by their value, which stands in each where all have room.

    Numbers ascend to the right and upwards; text stands in the suite's order, from the top. A case
    that failed is grey, with its status; a pair that was not asked for stays empty.
    """
    assert view.x is not None
    assert view.value is not None
    cells = _cells_of(view)
    height = sheet().rows(min(1.0 + _CELL * len(cells.down), _MOST_HEIGHT))
    figure, axes = canvas(height, view.title, view.notes)
    mesh = _mesh(axes, view, cells.values(view.value))
    name_places(axes, [short(each) for each in cells.across], _SHARE)
    axes.set_yticks(range(len(cells.down)), [short(each) for each in cells.down])
    axes.set_xlim(-0.5, len(cells.across) - 0.5)
    axes.set_ylim(len(cells.down) - 0.5, -0.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(view.x.head)
    axes.set_ylabel(view.y.head)
    bar = figure.colorbar(mesh, ax=axes, pad=0.02, aspect=30, fraction=0.06, label=view.value.head)
    bar.outline.set_visible(False)
    if isinstance(mesh.norm, LogNorm):
        bar.ax.yaxis.set_major_formatter(Powers())
        bar.ax.minorticks_off()
    _write(axes, view.value, mesh, cells)
    return figure


def _cells_of(view: View) -> _Cells:
    assert view.x is not None
    rows: dict[Place, Row] = {}
    for row in view.every:
        x, y = value_text(view.x, row), value_text(view.y, row)
        if x is not None and y is not None:  # others are in the notes
            rows[x, y] = row
    down = _ordered(view.y, view.every)
    across = _ordered(view.x, view.every)
    return _Cells(tuple(across), tuple(down if view.y.is_text else down[::-1]), rows)


def _ordered(reading: Reading, rows: Sequence[Row]) -> list[str]:
    """Values of an axis as text: numbers from the least, text as it first appears."""
    found: dict[str, float] = {}
    for row in rows:
        text = value_text(reading, row)
        if text is not None:
            found.setdefault(text, len(found) if reading.is_text else reading.ours(row) or 0.0)
    return sorted(found, key=lambda text: found[text])


def _mesh(axes: Axes, view: View, values: Values) -> QuadMesh:
    shown = [float(each) for each in values.compressed()]
    low, high = min(shown), max(shown)
    if low == high:  # one colour, in the middle of the scale
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    log = view.spec.log == "auto" and wants_log(shown)
    scale = (LogNorm if log else Normalize)(low, high)
    colours = mpl.colors.ListedColormap(COLOURS)
    look: dict[str, Any] = {"edgecolor": "white", "linewidth": sheet().length(1.0)}
    down, across = (np.arange(count + 1) - 0.5 for count in values.shape)
    return axes.pcolormesh(across, down, values, cmap=colours, norm=scale, **look)


def _write(axes: Axes, value: Reading, mesh: QuadMesh, cells: _Cells) -> None:
    """Values in their cells, unless one is too long for its own; what failed is marked anyway."""
    size = sheet().text(_SIZE)
    look: dict[str, Any] = {"ha": "center", "va": "center", "size": size}
    most = sheet().characters(_SIZE, _SHARE / len(cells.across))
    fits = max(len(value.text(row) or "") for *_, row in cells.found()) <= most
    for column, line, row in cells.found():
        ours, text = value.ours(row), value.text(row)
        if ours is None or text is None:
            corner = (column - 0.5, line - 0.5)
            axes.add_patch(Rectangle(corner, 1, 1, facecolor=LOST, edgecolor="white"))
            status = "not measured" if row.get("status") == "ok" else str(row.get("status"))
            text = status if len(status) <= most else "×"
        elif not fits:
            continue
        ground = LOST if ours is None else to_hex(mesh.to_rgba(ours))  # type: ignore[arg-type]
        ink = max(INKS, key=lambda each: contrast(each, ground))
        axes.text(column, line, text, color=ink, **look)
