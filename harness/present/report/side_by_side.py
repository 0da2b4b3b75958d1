"""Several runs of one suite side by side."""

from collections.abc import Sequence

from harness.errors import HarnessError
from harness.present.cells import ABSENT, Cell, Column, Table
from harness.present.numbers import percent
from harness.present.part import convention_of
from harness.present.quantity import Row
from harness.present.reading import Reading, read
from harness.present.report.grid import Grid, grid
from harness.present.report.source import ReportedPart

_QUANTITIES = (
    "params",
    "operations",
    "live_peak_bytes",
    "live_peak_training_bytes",
    "allocator_peak_bytes",
    "resident_peak_bytes",
    "latency_seconds",
    "energy_joules",
    "miou",
)


def side_by_side(parts: Sequence[ReportedPart], names: Sequence[str], name: str) -> Grid:
    """One line per case, and per quantity a column of each run with its change from the first.

    Quantities on which all runs agree are named below the table instead.

    Args:
        parts: the same suite in several runs.
        names: of the runs.
        name: id of the table.
    """
    labels = list(dict.fromkeys(str(row.get("label")) for part in parts for row in part.rows))
    by_run = [{str(row.get("label")): row for row in part.rows} for part in parts]
    columns = [Column("Label", tuple(Cell(label, label) for label in labels), "left", "label")]
    columns += _statuses(labels, by_run, names)
    equal = []
    for quantity in _QUANTITIES:
        try:
            readings = [read(quantity, p.part, p.rows, convention_of(p.part)) for p in parts]
        except HarnessError:  # a convention that this version no longer has
            continue
        made = _columns(readings, labels, by_run, names)
        if made is None:
            equal.append(readings[0].quantity.head)
        columns += made or []
    notes = [
        f"Change: from run {names[0]} to the run named, of the numbers as measured, untested; "
        "`harness compare` tests whether two runs differ."
    ]
    if equal:
        notes.append(f"Equal in all runs: {', '.join(equal)}.")
    return grid(Table("Runs side by side", tuple(columns), tuple(notes)), name)


def _statuses(
    labels: Sequence[str], by_run: Sequence[dict[str, Row]], names: Sequence[str]
) -> list[Column]:
    """Where any case failed or is missing: how it ended in each run."""
    found = [[_status(rows.get(label)) for label in labels] for rows in by_run]
    if all(status == "ok" for column in found for status in column):
        return []
    return [
        Column(
            f"Status, {name}", tuple(Cell(s, s) for s in column), "left", "status", "Status", name
        )
        for name, column in zip(names, found, strict=True)
    ]


def _status(row: Row | None) -> str:
    return "not in this run" if row is None else str(row.get("status") or "not run")


def _columns(
    readings: Sequence[Reading],
    labels: Sequence[str],
    by_run: Sequence[dict[str, Row]],
    names: Sequence[str],
) -> list[Column] | None:
    """Columns of one quantity; none where nobody measured it, `None` where all runs agree."""
    values = [
        [None if (row := rows.get(label)) is None else reading.stored(row) for label in labels]
        for reading, rows in zip(readings, by_run, strict=True)
    ]
    if all(value is None for column in values for value in column):
        return []
    if all(column == values[0] for column in values):
        return None
    head, columns = readings[0].head, []
    for number, (reading, rows, column) in enumerate(zip(readings, by_run, values, strict=True)):
        texts = [None if (row := rows.get(each)) is None else reading.text(row) for each in labels]
        cells = tuple(Cell(t or ABSENT, v) for t, v in zip(texts, column, strict=True))
        columns.append(Column(f"{head}, {names[number]}", cells, "right", "", head, names[number]))
        if number:
            sub = f"change {names[number]} (%)"
            changes = tuple(map(_change, values[0], column))
            columns.append(Column(f"{head}, {sub}", changes, "right", "", head, sub))
    return columns


def _change(before: float | None, after: float | None) -> Cell:
    if before is None or after is None or before == 0:
        return Cell(ABSENT, None)
    share = (after - before) / abs(before)
    return Cell(percent(share, 1), share)
