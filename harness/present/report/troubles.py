"""What went wrong: cases without values with their last lines, and warnings."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.present.quantity import Row
from harness.present.report.source import ReportedRun
from harness.records.record import Record


@dataclass(frozen=True)
class Failure:
    """A case that did not end well.

    Attributes:
        run: its name in the report.
        suite: that lists the case.
        label: its name there.
        status: how it ended.
        cause: in one line.
        tail: last lines that it wrote.
    """

    run: str
    suite: str
    label: str
    status: str
    cause: str
    tail: tuple[str, ...]


@dataclass(frozen=True)
class Warned:
    """A warning, and the cases that it was raised for; none: the whole run."""

    run: str
    suite: str
    text: str
    labels: tuple[str, ...]


def failures(runs: Sequence[ReportedRun], names: Sequence[str]) -> list[Failure]:
    """All failed cases, in the order of the suites."""
    found = []
    for run, name in zip(runs, names, strict=True):
        tails = _tails(run.records)
        for part in run.parts:
            for row in part.rows:
                if row.get("status") != "ok":
                    tail = tails.get((part.part.name, str(row.get("label"))), ())
                    found.append(_failure(name, part.part.name, row, tail))
    return found


def _tails(records: Sequence[Record]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Last lines of the failed processes; of several processes of a case those of the first."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for record in records:
        if record.status != "ok":
            found.setdefault((record.suite, record.label), record.tail)
    return found


def _failure(run: str, suite: str, row: Row, tail: tuple[str, ...]) -> Failure:
    cause = " ".join(str(row.get("cause") or "no cause was recorded").split())
    status = str(row.get("status") or "not run")
    return Failure(run, suite, str(row.get("label")), status, cause, tail)


def warnings(runs: Sequence[ReportedRun], names: Sequence[str]) -> list[Warned]:
    """All warnings, each once per suite with the cases that it concerns."""
    found = []
    for run, name in zip(runs, names, strict=True):
        found += [Warned(name, "", str(text), ()) for text in run.context.warnings]
        for part in run.parts:
            labels: dict[str, list[str]] = {}
            for row in part.rows:
                for text in row.get("warnings") or ():
                    labels.setdefault(str(text), []).append(str(row.get("label")))
            found += [Warned(name, part.part.name, t, tuple(who)) for t, who in labels.items()]
    return found
