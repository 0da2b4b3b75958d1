"""View: what a plot shows: the rows with values on its axes, and why others have none."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.present import style
from harness.present.quantity import Row
from harness.present.reading import Reading
from harness.suite.presentation import PlotSpec

_CAUSE_WIDTH = 90
_MOST_NAMES = 40


@dataclass(frozen=True)
class View:
    """What one plot is drawn from.

    Attributes:
        spec: as the suite asks.
        title: of the plot.
        rows: with a value on every axis, in the suite's order.
        x: reading of the horizontal quantity; `None` for bars.
        y: reading of the shown quantity.
        series: reading that splits the rows.
        notes: lines below the plot.
        ys: all readings of y, `y` the first; several only for bars side by side.
        every: all rows, those without a value in their places.
    """

    spec: PlotSpec
    title: str
    rows: tuple[Row, ...]
    x: Reading | None
    y: Reading
    series: Reading | None
    notes: tuple[str, ...]
    ys: tuple[Reading, ...] = ()
    every: tuple[Row, ...] = ()

    @property
    def lost(self) -> tuple[Row, ...]:
        """Rows without a value on some axis, in the suite's order."""
        kept = {id(row) for row in self.rows}
        return tuple(row for row in self.every if id(row) not in kept)

    def groups(self) -> dict[str, list[Row]]:
        """Rows by series, in the order of first appearance; one unnamed series without a split."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(self.group(row), []).append(row)
        return found

    def group(self, row: Row) -> str:
        """The series of a row."""
        return "" if self.series is None else style.short(self.series.text(row) or "none")


def shown(rows: Sequence[Row], readings: Sequence[Reading]) -> tuple[Row, ...]:
    """Rows that have a value of every reading."""
    return tuple(row for row in rows if all(reading.text(row) is not None for reading in readings))


def missing(rows: Sequence[Row], kept: Sequence[Row], readings: Sequence[Reading]) -> str | None:
    """`not shown: label (oom: ...)` for the rows that a plot leaves out; `None` if it has all.

    Rows that share their cause share its words; of more than `_MOST_NAMES` the rest is counted.
    """
    causes: dict[str, list[str]] = {}
    shown_ids = {id(row) for row in kept}
    for row in rows:
        if id(row) not in shown_ids:
            causes.setdefault(why(row, readings), []).append(style.short(str(row.get("label"))))
    if not causes:
        return None
    return f"not shown: {', '.join(f'{_names(who)} ({cause})' for cause, who in causes.items())}"


def _names(labels: Sequence[str]) -> str:
    listed = ", ".join(labels[:_MOST_NAMES])
    more = len(labels) - _MOST_NAMES
    return f"{listed} and {more} more" if more > 0 else listed


def why(row: Row, readings: Sequence[Reading], width: int = _CAUSE_WIDTH) -> str:
    """Why a row has no value: `oom: CUDA out of memory`, or what was not measured."""
    if row.get("status") != "ok":
        status, cause = str(row.get("status") or "not run"), row.get("cause")
        line = " ".join(str(cause or "").split())
        brief = line if len(line) <= width else line[: width - 3] + "..."
        return f"{status}: {brief}" if brief else status
    absent = [each.quantity.head for each in readings if each.text(row) is None]
    return f"no {', '.join(absent)}" if absent else "0 has no place on a logarithmic axis"
