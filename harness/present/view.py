"""View: what a plot shows: the rows with values on its axes, and why others have none."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.present.quantity import Row
from harness.present.reading import Reading
from harness.suite.presentation import PlotSpec

_CAUSE_WIDTH = 90


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
    """

    spec: PlotSpec
    title: str
    rows: tuple[Row, ...]
    x: Reading | None
    y: Reading
    series: Reading | None
    notes: tuple[str, ...]
    ys: tuple[Reading, ...] = ()

    def groups(self) -> dict[str, list[Row]]:
        """Rows by series, in the order of first appearance; one unnamed series without a split."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            key = "" if self.series is None else self.series.text(row) or "none"
            found.setdefault(key, []).append(row)
        return found


def shown(rows: Sequence[Row], readings: Sequence[Reading]) -> tuple[Row, ...]:
    """Rows that have a value of every reading."""
    return tuple(row for row in rows if all(reading.text(row) is not None for reading in readings))


def missing(rows: Sequence[Row], kept: Sequence[Row], readings: Sequence[Reading]) -> str | None:
    """`not shown: label (oom: ...)` for the rows that a plot leaves out; `None` if it has all."""
    names = []
    for row in rows:
        if not any(row is each for each in kept):
            names.append(f"{row.get('label')} ({_why(row, readings)})")
    return f"not shown: {', '.join(names)}" if names else None


def _why(row: Row, readings: Sequence[Reading]) -> str:
    if row.get("status") != "ok":
        status, cause = str(row.get("status") or "not run"), row.get("cause")
        line = " ".join(str(cause or "").split())
        short = line if len(line) <= _CAUSE_WIDTH else line[: _CAUSE_WIDTH - 3] + "..."
        return f"{status}: {short}" if short else status
    absent = [each.quantity.head for each in readings if each.text(row) is None]
    return f"no {', '.join(absent)}" if absent else "0 has no place on a logarithmic axis"
