"""Of a report: the environment, the samples behind its numbers, and what went wrong."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.present.notes import Failure, failures
from harness.present.report.tables import Grid, ReportedRun, plain

_DROPPED = ("warnings",)  # they have a place of their own


def environment_grid(runs: Sequence[ReportedRun], names: Sequence[str]) -> Grid:
    """What the runs were measured with and on, a line per property and a column per run.

    Where runs differ, the line says so.
    """
    columns = [dict(_properties(run)) for run in runs]
    keys = list(dict.fromkeys(key for column in columns for key in column))
    several = len(runs) > 1
    heads = ["Property", *(f"Run {name}" if several else "Value" for name in names)]
    lines = []
    for key in keys:
        values = [column.get(key) for column in columns]
        differ = ["differs" if len(set(values)) > 1 else None] if several else []
        lines.append([key, *values, *differ])
    return plain("environment-table", "Environment", [*heads, *["Runs"] * several], lines)


def _properties(run: ReportedRun) -> Iterator[tuple[str, str]]:
    """Properties by their path in `run.json`: `machine cpu`, `libraries torch`."""
    yield "started", str(run.description.get("started_at") or "")
    command = run.description.get("command")
    if isinstance(command, (list, tuple)):
        command = " ".join(map(str, command))
    if command:
        yield "command", str(command)
    for name, value in run.environment.items():
        if name not in _DROPPED:
            yield from _flattened(name.replace("_", " "), value)


def _flattened(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flattened(f"{name} {str(key).replace('_', ' ')}", each)
    elif isinstance(value, (list, tuple)) and any(isinstance(v, Mapping) for v in value):
        for number, each in enumerate(value):
            yield from _flattened(f"{name} {number}", each)
    elif isinstance(value, bool):
        yield name, "yes" if value else "no"
    elif value not in (None, "", [], ()):
        yield name, ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


PER_CASE = 500
"""Samples of one case that a page holds; of more, every second, third, ... one."""

PER_PAGE = 150_000
"""Samples that a page holds; of more, each case holds fewer. At most about 1 MB."""


@dataclass(frozen=True)
class Samples:
    """The samples of a page."""

    # per case `name`, `run`, `suite`, the number of samples `taken`, `step` (every how many-th is
    # kept) and `ms`, in the order of measurement
    cases: tuple[dict[str, Any], ...]
    taken: int  # number of samples of all cases
    kept: int  # number of those that the page has


def raw_samples(runs: Sequence[ReportedRun], names: Sequence[str]) -> Samples:
    """The latencies of all runs, thinned evenly where there are too many."""
    timed = []
    for run, name in zip(runs, names, strict=True):
        for part in run.parts:
            for row in part.rows:
                raw = row.get("latency_samples_seconds") or ()
                if taken := [each for each in raw if each is not None]:
                    timed.append((name, part.part.name, str(row.get("label")), taken))
    limit = max(20, min(PER_CASE, PER_PAGE // max(len(timed), 1)))
    cases: list[dict[str, Any]] = []
    for name, suite, label, taken in timed:
        step = -(-len(taken) // limit)
        # Four significant digits are more than a latency repeats to.
        kept = [float(f"{1e3 * each:.4g}") for each in taken[::step]]
        shown = {"taken": len(taken), "step": step, "ms": kept}
        cases.append({"name": label, "run": name, "suite": suite, **shown})
    kept_of_all = sum(len(case["ms"]) for case in cases)
    return Samples(tuple(cases), sum(len(taken) for *_, taken in timed), kept_of_all)


@dataclass(frozen=True)
class FailedCases:
    """Cases of one suite that ended in the same way, and did not end well."""

    run: str  # its name in the report
    suite: str  # that lists the cases
    failure: Failure  # how they ended
    tail: tuple[str, ...]  # last lines that the first of them wrote


@dataclass(frozen=True)
class Warned:
    """A warning, and the cases that it was raised for; none: the whole run."""

    run: str
    suite: str
    text: str
    labels: tuple[str, ...]


def failed_cases(runs: Sequence[ReportedRun], names: Sequence[str]) -> list[FailedCases]:
    """All failed cases, in the order of the suites; those that failed alike are one entry."""
    found = []
    for run, name in zip(runs, names, strict=True):
        tails: dict[tuple[str, str], tuple[str, ...]] = {}
        for record in run.records:
            if record.status != "ok":  # of several processes of a case the first counts
                tails.setdefault((record.suite, record.label), record.tail)
        for part in run.parts:
            suite = part.part.name
            for failure in failures(part.rows):
                tail = tails.get((suite, failure.labels[0]), ())
                found.append(FailedCases(name, suite, failure, tail))
    return found


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
