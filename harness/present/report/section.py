"""Section: what a report shows of one suite: tables, plots, printed figures."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.present.footnotes import setup
from harness.present.part import Context
from harness.present.quantity import Row
from harness.present.report.grid import Grid, grid
from harness.present.report.picture import Pictures
from harness.present.report.plots import Plot, plots
from harness.present.report.side_by_side import side_by_side
from harness.present.report.source import ReportedPart, ReportedRun
from harness.present.report.verdicts import Judged, judged, printed_figures
from harness.present.table import make
from harness.suite.presentation import TableSpec

_USUAL = ("params", "operations", "live_peak_bytes", "latency_seconds", "miou")


@dataclass(frozen=True)
class Measured:
    """One suite as one run measured it.

    Attributes:
        run: name of the run in the report.
        anchor: id of this part of the page.
        setup: device, data type, pass and input.
        tables: that the suite asks for.
        figures: every printed figure beside ours.
        plots: that the suite asks for, and those that its rows allow.
        judged: its line in the summary.
    """

    run: str
    anchor: str
    setup: tuple[str, ...]
    tables: tuple[Grid, ...]
    figures: Grid | None
    plots: tuple[Plot, ...]
    judged: Judged


@dataclass(frozen=True)
class Section:
    """One suite, in every run that has it.

    Attributes:
        anchor: id of the section.
        name: of the suite.
        title: of the suite.
        compared: its runs side by side, where there are several.
        measured: one per run.
    """

    anchor: str
    name: str
    title: str
    compared: Grid | None
    measured: tuple[Measured, ...]


def sections(
    runs: Sequence[ReportedRun], names: Sequence[str], pictures: Pictures
) -> list[Section]:
    """The suites of all runs, in the order of first appearance.

    Args:
        runs: reported.
        names: by which the page calls them.
        pictures: of the page.
    """
    by_suite: dict[str, list[tuple[ReportedPart, ReportedRun, str]]] = {}
    for run, name in zip(runs, names, strict=True):
        for part in run.parts:
            by_suite.setdefault(part.part.name, []).append((part, run, name))
    found = []
    for number, (suite, members) in enumerate(by_suite.items(), 1):
        anchor = f"suite-{number}"
        parts, its_names = [each[0] for each in members], [each[2] for each in members]
        several = len(members) > 1
        compared = side_by_side(parts, its_names, f"{anchor}-compared") if several else None
        measured = tuple(
            _measured(part, run.context, name, _anchor(anchor, name, several), pictures)
            for part, run, name in members
        )
        title = parts[0].part.title or suite
        found.append(Section(anchor, suite, title, compared, measured))
    return found


def _anchor(section: str, run: str, several: bool) -> str:
    return f"{section}-run-{run.lower()}" if several else section


def _measured(
    part: ReportedPart, context: Context, run: str, anchor: str, pictures: Pictures
) -> Measured:
    rows = part.rows
    # Machine, versions and warnings stand once in the report, not below each table.
    brief = Context(convention=context.convention)
    tables = tuple(
        grid(make(spec, part.part, rows, brief), f"{anchor}-table-{number}")
        for number, spec in enumerate(part.part.tables or (_usual(rows),), 1)
    )
    return Measured(
        run,
        anchor,
        tuple(setup(rows)),
        tables,
        printed_figures(rows, f"{anchor}-figures"),
        tuple(plots(part.part, rows, brief, pictures, anchor)),
        judged(part, run, anchor),
    )


def _usual(rows: Sequence[Row]) -> TableSpec:
    """The table of a suite that asks for none: what was measured, of what tables usually have."""
    measured = [name for name in _USUAL if any(row.get(name) is not None for row in rows)]
    return TableSpec(columns=("label", "status", *measured))
