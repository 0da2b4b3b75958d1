"""The page: everything that a report shows, and how it becomes HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

from harness.judge.printed import PrintedTable
from harness.judge.verdict import VerdictTally, reference_table
from harness.measure import METRICS
from harness.messages import HarnessError
from harness.present.notes import setup
from harness.present.report.document import render, script_json
from harness.present.report.machine import (
    FailedCases,
    Samples,
    Warned,
    environment_grid,
    failed_cases,
    raw_samples,
    warnings,
)
from harness.present.report.plots import Pictures, Plot, plots_of
from harness.present.report.tables import (
    Grid,
    Judged,
    ReportedPart,
    ReportedRun,
    TrainedPicture,
    differing,
    grid,
    judged,
    printed_figures,
    side_by_side,
)
from harness.present.table import make, usual_columns
from harness.records.quantities.quantity import Row
from harness.records.quantities.registry import own_quantities
from harness.records.remarks import Remarks
from harness.suite.presentation import TableSpec

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class MeasuredSuite:
    """One suite as one run measured it."""

    run: str  # name of the run in the report
    anchor: str  # id of this part of the page
    setup: tuple[str, ...]  # device, data type, pass and input
    printed: PrintedTable | None  # the table of a paper that it stands beside
    tables: tuple[Grid, ...]  # that the suite asks for
    figures: Grid | None  # every printed figure beside ours
    plots: tuple[Plot, ...]  # that the suite asks for, and those that its rows allow
    trained: tuple[TrainedPicture, ...]  # of trained networks that are at hand
    judged: Judged  # its line in the summary


@dataclass(frozen=True)
class Section:
    """One suite, in every run that has it."""

    anchor: str  # id of the section
    name: str  # of the suite
    title: str  # of the suite
    compared: Grid | None  # its runs side by side, where there are several
    measured: tuple[MeasuredSuite, ...]  # one per run


def sections(
    runs: Sequence[ReportedRun], names: Sequence[str], pictures: Pictures
) -> list[Section]:
    """The suites of all runs, in the order of first appearance."""
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
            _measured_suite(
                part, name, f"{anchor}-run-{name.lower()}" if several else anchor, pictures
            )
            for part, _, name in members
        )
        title = parts[0].part.title or suite
        found.append(Section(anchor, suite, title, compared, measured))
    return found


def _has(name: str, rows: Sequence[Row]) -> bool:
    return any(row.get(name) is not None for row in rows)


def _measured_suite(part: ReportedPart, run: str, anchor: str, pictures: Pictures) -> MeasuredSuite:
    rows = part.rows
    # A suite that asks for no table gets what was measured.
    metrics = [
        name for name, each in METRICS.items() if each.columns and _has(each.columns[0], rows)
    ]
    own = [name for name in own_quantities(rows) if _has(name, rows)]
    label, *columns = usual_columns(rows, metrics, own)
    usual = TableSpec(columns=(label, "status", *columns))
    # Machine, versions and warnings stand once in the report, not below each table.
    tables = tuple(
        grid(make(spec, part.part, rows), f"{anchor}-table-{number}")
        for number, spec in enumerate(part.part.tables or (usual,), 1)
    )
    return MeasuredSuite(
        run,
        anchor,
        tuple(setup(rows)),
        reference_table(part.part),
        tables,
        printed_figures(rows, f"{anchor}-figures"),
        tuple(plots_of(part.part, rows, pictures, anchor)),
        tuple(part.pictures),
        judged(part, run, anchor),
    )


@dataclass(frozen=True)
class NamedRun:
    """A run and the letter by which the page calls it."""

    name: str
    suite: str
    path: Path
    said: str
    started: str
    commit: str
    machine: str
    ended: int
    planned: int


@dataclass(frozen=True)
class Page:
    """Everything that a report shows, in its order."""

    title: str
    runs: tuple[NamedRun, ...]
    differing: Grid | None
    sections: tuple[Section, ...]
    failures: tuple[FailedCases, ...]
    warnings: tuple[Warned, ...]
    environment: Grid
    samples: Samples
    pictures: Pictures

    @property
    def judged(self) -> list[Judged]:
        """The suites' lines of the summary."""
        return [each.judged for section in self.sections for each in section.measured]

    @property
    def tally(self) -> VerdictTally:
        """Of all printed figures."""
        return reduce(add, (each.tally for each in self.judged), VerdictTally())

    @property
    def cases(self) -> int:
        """Number of rows of all suites and runs."""
        return sum(each.cases for each in self.judged)

    @property
    def several(self) -> bool:
        """Whether there are several runs."""
        return len(self.runs) > 1


def report_html(runs: Sequence[ReportedRun]) -> str:
    """Runs as one HTML file; the same runs give the same file.

    Raises:
        MissingJinjaError: Jinja is not installed.
        HarnessError: no run, or a suite asks for what does not exist.
    """
    if not runs:
        raise HarnessError("no run to report; give the folder that `harness run` printed")
    found = page_of(runs)
    return render(
        "report.html",
        found.title,
        "benchmark report",
        scripts=("page.js", "samples.js"),
        styles=("page.css",),
        page=found,
        samples_json=script_json(list(found.samples.cases)),
    )


def page_of(runs: Sequence[ReportedRun]) -> Page:
    """What a report of runs shows."""
    names = [run_name(number) for number in range(len(runs))]
    pictures = Pictures()
    titles = list(dict.fromkeys(run.title for run in runs))
    return Page(
        ", ".join(titles),
        tuple(_named_run(run, name) for run, name in zip(runs, names, strict=True)),
        differing([part for run in runs for part in run.parts], "differing"),
        tuple(sections(runs, names, pictures)),
        tuple(failed_cases(runs, names)),
        tuple(warnings(runs, names)),
        environment_grid(runs, names),
        raw_samples(runs, names),
        pictures,
    )


def run_name(number: int) -> str:
    """`A` to `Z`, then `A2` to `Z2` and so on."""
    turn, letter = divmod(number, len(_LETTERS))
    return _LETTERS[letter] + (str(turn + 1) if turn else "")


def _named_run(run: ReportedRun, name: str) -> NamedRun:
    machine = run.environment.get("machine") or {}
    gpus = [each.get("name", "GPU") for each in machine.get("gpus") or () if isinstance(each, dict)]
    return NamedRun(
        name,
        run.suite,
        run.path,
        Remarks.of(run.path).text,
        str(run.description.get("started_at") or ""),
        str(run.context.versions.get("commit") or ""),
        ", ".join(str(each) for each in (machine.get("cpu"), *gpus) if each),
        len(run.records),
        run.planned,
    )
