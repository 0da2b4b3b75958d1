"""Pivot: one quantity over two axes, a row for each value of one, a column for each of another."""

from collections.abc import Sequence

from harness.judge.part import Part
from harness.messages import HarnessError
from harness.present.formats import ABSENT, Cell, Column
from harness.present.reading import Reading, read
from harness.records.quantities.quantity import Row
from harness.records.quantities.registry import axes, find
from harness.suite.presentation import PivotSpec, PlotSpec


class PivotError(HarnessError):
    """Several rows would stand in one cell."""


def pivoted(spec: PivotSpec, part: Part, rows: Sequence[Row]) -> tuple[list[Column], list[Reading]]:
    """The columns of a matrix, and how its cells are read.

    Raises:
        HarnessError: a name is unknown, or two rows have the same place.
    """
    down, across, value = (read(name, part, rows) for name in (spec.rows, spec.columns, spec.value))
    places = {(_value(down, row), _value(across, row)): row for row in rows}
    if len(places) < len(rows):
        raise PivotError(_crowded("pivot", spec.rows, spec.columns, rows, "use columns"))
    leading = list(dict.fromkeys(key for key, _ in places))
    columns = [Column(down.head, tuple(Cell(each, each) for each in leading), "left", spec.rows)]
    for head in dict.fromkeys(key for _, key in places):
        cells = tuple(_cell(value, places.get((each, head))) for each in leading)
        axis = across.quantity.symbol or across.head
        shown, name = f"{axis} = {head}", f"{spec.value}[{spec.columns}={head}]"
        columns.append(Column(f"{value.head}, {shown}", cells, "right", name, value.head, shown))
    return columns, [value]


def _value(reading: Reading, row: Row) -> str:
    number = None if reading.is_text else reading.ours(row)
    if number is None:
        return reading.text(row) or ABSENT
    return f"{number:.0f}" if number.is_integer() else f"{number:g}"


def _cell(reading: Reading, row: Row | None) -> Cell:
    if row is None:
        return Cell(ABSENT, None)
    if row.get("status") != "ok":
        return Cell(str(row.get("status") or "not run"), None)
    text = reading.text(row)
    return Cell(text or ABSENT, text if reading.is_text else reading.stored(row))


def require_places(spec: PlotSpec, part: Part, rows: Sequence[Row]) -> None:
    """Nothing, if no cell of a heat map belongs to two of the rows that have a place in it.

    Raises:
        HarnessError: a name is unknown, or two rows have the same place.
    """
    assert spec.x is not None
    (down, *_), across = spec.ys, spec.x
    readings = read(down, part, rows), read(across, part, rows)
    placed = [row for row in rows if all(each.text(row) is not None for each in readings)]
    if len({tuple(_value(each, row) for each in readings) for row in placed}) < len(placed):
        raise PivotError(_crowded("heatmap", down, across, placed, "draw lines"))


def _crowded(what: str, down: str, across: str, rows: Sequence[Row], instead: str) -> str:
    taken = {find(name, rows).name for name in (down, across)}
    others = [each for each in axes(rows) if find(each, rows).name not in taken]
    which = f", which also differ in {', '.join(others)}" if others else ""
    return (
        f"{what} puts several rows into one cell of {down} x {across}{which}; "
        f"leave the others out of the grid, or {instead}"
    )
