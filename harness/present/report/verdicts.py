"""Printed figures beside ours, suite by suite and one by one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.present.cells import ABSENT, Cell, Column, Table
from harness.present.numbers import percent
from harness.present.quantity import Row
from harness.present.report.grid import Grid, grid
from harness.present.report.source import ReportedPart
from harness.present.tally import Tally, count

_DIGITS = 6  # significant, of ours in the unit of the printed figure


@dataclass(frozen=True)
class Judged:
    """One suite of one run in the summary.

    Attributes:
        name: of the suite.
        title: of the suite.
        run: name of the run in the report.
        anchor: id of its section.
        cases: number of its rows.
        failed: number of those without values.
        tally: of its printed figures.
    """

    name: str
    title: str
    run: str
    anchor: str
    cases: int
    failed: int
    tally: Tally

    @property
    def shares(self) -> list[tuple[str, int]]:
        """Verdicts that occur, with their numbers."""
        tally = self.tally
        named = [
            ("reproduced", tally.reproduced),
            ("differs", tally.differs),
            ("not reproducible", tally.not_reproducible),
            ("not judged", tally.not_judged),
            ("not measured", tally.not_measured),
        ]
        return [each for each in named if each[1]]


def judged(part: ReportedPart, run: str, anchor: str) -> Judged:
    """A suite's line in the summary."""
    rows = part.rows
    failed = sum(row.get("status") != "ok" for row in rows)
    title = part.part.title or part.part.name
    return Judged(part.part.name, title, run, anchor, len(rows), failed, count(rows))


def printed_figures(rows: Sequence[Row], name: str) -> Grid | None:
    """Every printed figure of a suite with ours and the verdict; `None` if the suite has none."""
    return _figures(list(_verdicts(rows)), "Printed figures beside ours", name)


def differing(parts: Sequence[ReportedPart], name: str) -> Grid | None:
    """The printed figures of all suites from which ours differ; `None` if there are none."""
    found = [each for part in parts for each in _verdicts(part.rows)]
    differ = [(row, each) for row, each in found if each["verdict"] == "differs"]
    return _figures(differ, "Printed figures from which ours differ", name, with_suite=True)


def _figures(
    found: Sequence[tuple[Row, Mapping[str, Any]]],
    title: str,
    name: str,
    *,
    with_suite: bool = False,
) -> Grid | None:
    if not found:
        return None
    suites = _texts("Suite", [row.get("suite") for row, _ in found])
    columns = (
        _texts("Label", [row.get("label") for row, _ in found]),
        *((suites,) if with_suite else ()),
        _texts("Printed figure", [each["figure"] for _, each in found]),
        Column("Printed", tuple(_printed(each) for _, each in found), "right", "printed"),
        Column("Ours", tuple(_ours(each) for _, each in found), "right", "ours"),
        _texts("Unit", [_unit(each) for _, each in found]),
        Column("Difference (%)", tuple(_change(each) for _, each in found), "right", "difference"),
        _texts("Verdict", [each["verdict"] or "not measured" for _, each in found], "verdict"),
        _texts("Reason", [each["reason"] for _, each in found]),
    )
    return grid(Table(title, columns, ()), name)


def _verdicts(rows: Sequence[Row]) -> Iterator[tuple[Row, Mapping[str, Any]]]:
    for row in rows:
        for each in (row.get("verdicts") or {}).values():
            yield row, each


def _texts(head: str, values: Sequence[Any], stored: str = "") -> Column:
    cells = tuple(Cell(str(v), str(v)) if v else Cell(ABSENT, None) for v in values)
    return Column(head, cells, "left", stored)


def _printed(verdict: Mapping[str, Any]) -> Cell:
    return Cell(str(verdict["printed_text"]), verdict["printed"])


def _ours(verdict: Mapping[str, Any]) -> Cell:
    value = verdict["ours"]
    return Cell(ABSENT, None) if value is None else Cell(f"{value:.{_DIGITS}g}", value)


def _unit(verdict: Mapping[str, Any]) -> str:
    return "" if verdict["unit"] == "1" else str(verdict["unit"])


def _change(verdict: Mapping[str, Any]) -> Cell:
    share = verdict["difference"]
    return Cell(ABSENT, None) if share is None else Cell(percent(share), share)
