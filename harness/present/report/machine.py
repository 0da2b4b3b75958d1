"""Of a report: the machine, the samples behind its numbers, and what went wrong."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.present.report.tables import Grid, ReportedRun, plain
from harness.records.quantities.quantity import Row
from harness.records.record import Record

# What the runs of a report were measured with and on, run beside run.

_DROPPED = ("warnings",)  # they have a place of their own


def environment(runs: Sequence[ReportedRun], names: Sequence[str]) -> Grid:
    """One line per property, one column per run; where runs differ, the line says so."""
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
            yield from _flat(name.replace("_", " "), value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flat(f"{name} {str(key).replace('_', ' ')}", each)
    elif isinstance(value, (list, tuple)) and any(isinstance(v, Mapping) for v in value):
        for number, each in enumerate(value):
            yield from _flat(f"{name} {number}", each)
    elif isinstance(value, bool):
        yield name, "yes" if value else "no"
    elif value not in (None, "", [], ()):
        yield name, ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


# Raw samples of latencies, compact enough for a page.

PER_CASE = 500
"""Samples of one case that a page holds; of more, every second, third, ... one."""

PER_PAGE = 150_000
"""Samples that a page holds; of more, each case holds fewer. At most about 1 MB."""

_LEAST = 20
_DIGITS = 4  # significant: more than a latency repeats to


@dataclass(frozen=True)
class Samples:
    """The samples of a page."""

    # per case `name`, `run`, `suite`, the number of samples `taken`, `step` (every how many-th is
    # kept) and `ms`, in the order of measurement
    cases: tuple[dict[str, Any], ...]
    taken: int  # number of samples of all cases
    kept: int  # number of those that the page has


def samples(runs: Sequence[ReportedRun], names: Sequence[str]) -> Samples:
    """The samples of all runs, thinned evenly where there are too many.

    Args:
        runs: reported.
        names: by which the page calls them.
    """
    found = [
        (name, part.part.name, row, _taken(row))
        for run, name in zip(runs, names, strict=True)
        for part in run.parts
        for row in part.rows
    ]
    timed = [each for each in found if each[3]]
    limit = max(_LEAST, min(PER_CASE, PER_PAGE // max(len(timed), 1)))
    cases = tuple(_case(*each, limit) for each in timed)
    return Samples(cases, sum(len(each[3]) for each in timed), sum(len(c["ms"]) for c in cases))


def _taken(row: Row) -> Sequence[float]:
    return [each for each in row.get("latency_samples_seconds") or () if each is not None]


def _case(run: str, suite: str, row: Row, taken: Sequence[float], limit: int) -> dict[str, Any]:
    step = -(-len(taken) // limit)
    return {
        "name": str(row.get("label")),
        "run": run,
        "suite": suite,
        "taken": len(taken),
        "step": step,
        "ms": [float(f"{1e3 * each:.{_DIGITS}g}") for each in taken[::step]],
    }


@dataclass(frozen=True)
class Failure:
    """A case that did not end well."""

    run: str  # its name in the report
    suite: str  # that lists the case
    label: str  # its name there
    status: str  # how it ended
    cause: str  # in one line
    tail: tuple[str, ...]  # last lines that it wrote


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
