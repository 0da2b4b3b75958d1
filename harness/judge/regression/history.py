"""History: how the metrics of each case went over commits, and between which they changed."""

import gc
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from harness.environment.git import committed_at
from harness.judge.statistics.change_points import MAX_P, USUAL_WINDOW, find_change_points
from harness.judge.statistics.decision import MIN_EFFECT
from harness.measure.metric import Unit, unit_of_size
from harness.messages import HarnessError
from harness.records.quantities.quantity import Quantity
from harness.records.quantities.registry import COMPARED
from harness.records.stored_runs import (
    Measurement,
    StoredRun,
    connect,
    find_runs,
    read_measurements,
    read_runs,
)

EVERY_MACHINE = ""
"""Machine of exact metrics, which are the same everywhere."""


class HistoryPoint(NamedTuple):
    """A run's value: the median over its processes."""

    run: StoredRun  # that it is from
    value: float  # SI base unit
    processes: int  # that it is the median of


@dataclass(frozen=True)
class Series:
    """A metric of a case over commits."""

    suite: str  # that lists the case
    label: str  # of the case in the last run
    case_key: str  # hash of what is measured
    machine_key: str  # of the machine; `EVERY_MACHINE` for exact metrics
    condition: tuple[Any, ...]  # threads, cache and CUDA graph; empty for exact metrics
    metric: Quantity  # what is shown
    points: tuple[HistoryPoint, ...]  # by commit, then by time

    @property
    def values(self) -> list[float]:
        """In the order of the points."""
        return [point.value for point in self.points]

    @property
    def unit(self) -> Unit:
        """The largest one in which the first value is at least 1."""
        return unit_of_size(self.points[0].value, self.metric.dimension)


def collect(
    runs: Sequence[StoredRun],
    measurements: Iterable[Measurement],
    metrics: Sequence[Quantity],
    committed: Mapping[str, int],
) -> list[Series]:
    """Series by suite, case, machine and metric, each in the order of commits.

    A case that got another label stays one series under its last label, unless a suite lists the
    same case twice.

    Args:
        runs: as measurements index them.
        measurements: in the order of their files.
        committed: Unix time of commits; a run of another commit stands at the time of its start.
    """
    names = _last_labels(measurements)
    values: dict[tuple[Any, ...], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for m in measurements:
        case = (m.suite, names[m.suite, m.label, m.case_key], m.case_key)
        for number, (metric, value) in enumerate(zip(metrics, m.values, strict=True)):
            # A time or energy of 0 is a clock that was too coarse.
            if value is None or (metric.is_measured and value <= 0):
                continue
            place = (m.machine_key, m.condition) if metric.is_measured else (EVERY_MACHINE, ())
            values[(*case, *place, number)][m.run].append(value)
    order = {}
    for index, run in enumerate(runs):
        started = 0.0
        with suppress(ValueError):
            started = datetime.fromisoformat(run.started_at).timestamp()
        at = committed.get(run.commit or "", started)
        order[index] = (at, run.started_at, str(run.path))
    made = []
    for (suite, label, key, machine, condition, number), found in values.items():
        points = tuple(
            HistoryPoint(runs[index], statistics.median(found[index]), len(found[index]))
            for index in sorted(found, key=order.__getitem__)
        )
        made.append(Series(suite, label, key, machine, condition, metrics[number], points))
    return made


def _last_labels(measurements: Iterable[Measurement]) -> dict[tuple[str, str, str], str]:
    """What each case is called: by its last label, where no run has two of it."""
    seen = {(m.suite, m.case_key, m.run, m.label) for m in measurements}
    found: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for suite, key, run, label in sorted(seen):
        found[suite, key].append((run, label))
    names = {}
    for (suite, key), labelled in found.items():
        ambiguous = len({run for run, _ in labelled}) < len(labelled)
        for label in {label for _, label in labelled}:
            names[suite, label, key] = label if ambiguous else labelled[-1][1]
    return names


SHORT = 10
"""Digits of a commit."""


class EmptyHistoryError(HarnessError):
    """There is nothing to show a history of."""


@dataclass(frozen=True)
class ChangeLimits:
    """When a change is told."""

    min_change: float = MIN_EFFECT  # relative, of measured metrics
    # of measured metrics, after p is multiplied by the number of runs (Bonferroni), since a change
    # may be at each of them
    max_p: float = MAX_P
    window: int = USUAL_WINDOW  # runs that are looked at together


@dataclass(frozen=True)
class Change:
    """A change of a series."""

    series: Series  # that changed
    index: int  # of the first point after the change
    before: float  # mean since the change before it, SI base unit
    after: float  # mean until the next change
    # of the t test, times the number of runs; `None` for exact metrics, of which each difference is
    # a change
    p: float | None

    @property
    def change(self) -> float:
        """Relative; infinite from 0."""
        return self.after / self.before - 1 if self.before else float("inf")

    @property
    def last(self) -> HistoryPoint:
        """The last point before the change."""
        return self.series.points[self.index - 1]

    @property
    def first(self) -> HistoryPoint:
        """The first point after it."""
        return self.series.points[self.index]

    @property
    def commits(self) -> tuple[str, str] | None:
        """The commits on both sides: what changed is in `git log first..second`."""
        before, after = self.last.run.commit, self.first.run.commit
        return (before, after) if before and after else None

    @property
    def where(self) -> str:
        """The range of commits, as git takes it, or the runs where no commit is known."""
        if self.commits is None:
            return f"runs {self.last.run.path.name} to {self.first.run.path.name}"
        before, after = self.commits
        dirty = self.first.run.dirty or self.last.run.dirty
        if before == after:
            return f"{before[:SHORT]}, unchanged" + (" but dirty" if dirty else "")
        return f"{before[:SHORT]}..{after[:SHORT]}" + (" (dirty)" if dirty else "")

    @property
    def besides(self) -> tuple[str, ...]:
        """What else differs between the runs on both sides: `torch 2.6.0 -> 2.7.0`."""
        before, after = self.last.run.setting, self.first.run.setting
        return tuple(
            f"{name} {before.get(name, 'none')} -> {after.get(name, 'none')}"
            for name in dict.fromkeys((*before, *after))
            if before.get(name) != after.get(name)
        )

    def as_json(self) -> dict[str, Any]:
        """Plain data; values in SI base units, the change as a share."""
        last, first = self.commits or (None, None)
        return {
            "index": self.index,
            "before": self.before,
            "after": self.after,
            "change": self.change if self.before else None,
            "p": self.p,
            "last_commit_before": last,
            "first_commit_after": first,
            "where": self.where,
            "besides": list(self.besides),
        }


@dataclass(frozen=True)
class History:
    """What was found in many runs."""

    runs: int  # number of runs read
    series: tuple[Series, ...]  # each metric of each case
    changes: tuple[Change, ...]  # of all series, in the order of series and points
    limits: ChangeLimits  # in force
    warnings: tuple[str, ...]  # what could not be read

    def of(self, series: Series) -> tuple[Change, ...]:
        """The changes of one series."""
        return tuple(change for change in self.changes if change.series is series)

    def as_json(self) -> dict[str, Any]:
        """Plain data of every point and change; values in SI base units, changes as shares."""
        return {
            "runs": self.runs,
            "limits": vars(self.limits),
            "warnings": list(self.warnings),
            "series": [
                {
                    "suite": series.suite,
                    "label": series.label,
                    "case_key": series.case_key,
                    "machine_key": series.machine_key or None,
                    "threads": series.condition[0] if series.condition else None,
                    "metric": series.metric.name,
                    "points": [
                        {
                            "run": str(point.run.path),
                            "started_at": point.run.started_at,
                            "commit": point.run.commit,
                            "dirty": point.run.dirty,
                            "tags": list(point.run.said.tags),
                            "note": point.run.said.note,
                            "value": point.value,
                            "processes": point.processes,
                        }
                        for point in series.points
                    ],
                    "changes": [change.as_json() for change in self.of(series)],
                }
                for series in self.series
            ],
        }


def read_history(
    folders: Sequence[Path],
    metrics: Sequence[str] = ("latency_seconds",),
    *,
    suites: Sequence[str] = (),
    labels: Sequence[str] = (),
    machines: Sequence[str] = (),
    limits: ChangeLimits | None = None,
    repository: Path | None = None,
) -> History:
    """Read all runs below folders and find the changes of every case.

    Measured metrics change where E-divisive with means finds it (see
    `harness.judge.statistics.change_points`), exact ones wherever two runs differ. Points stand in
    the order in which their commits were made where `repository` knows them, so that old commits
    measured later fall into place, else in the order of the runs.

    Args:
        folders: run directories, or folders of them at any depth.
        metrics: names of `harness.records.quantities.registry.COMPARED`.
        suites, labels, machines: names of suites (run or included), labels of cases, keys of
            machines; empty for all.
        repository: the checkout whose commits are measured; the current directory if absent.

    Raises:
        EmptyHistoryError: no run has a value that is asked for.
        MissingDuckDBError: DuckDB is not installed.
    """
    limits = limits or ChangeLimits()
    was_enabled = gc.isenabled()
    gc.disable()  # tens of thousands of rows have no cycles, and the search for them takes a third
    try:
        database = connect()
        runs, warning = read_runs(database, find_runs(folders))
        if not runs:
            where = ", ".join(map(str, folders))
            raise EmptyHistoryError(
                f"{where}: no run here; give the folder of the runs with --runs"
            )
        asked = [COMPARED[name] for name in metrics]
        parts, found, bad = read_measurements(database, runs, *_sql(asked))
        kept = [
            m
            for m in found
            if (not suites or m.suite in suites or parts[m.run].suite in suites)
            and (not labels or m.label in labels)
            and (not machines or m.machine_key in machines)
        ]
        commits = {run.commit for run in parts if run.commit}
        committed = committed_at(sorted(commits), repository or Path.cwd())
        series = collect(parts, kept, asked, committed)
        if not series:
            raise EmptyHistoryError(
                f"none of {len(runs)} runs has {' or '.join(metrics)} of what is asked for; "
                "name another suite, case, machine or --metric"
            )
        changes = tuple(change for each in series for change in find_changes(each, limits))
        warnings = tuple(filter(None, (warning, *bad)))
        return History(len(runs), tuple(series), changes, limits, warnings)
    finally:
        if was_enabled:
            gc.enable()


def find_changes(series: Series, limits: ChangeLimits) -> Iterator[Change]:
    """The changes of one series, in order."""
    if not series.metric.is_measured:
        for index, (before, after) in enumerate(pairwise(series.values), 1):
            if before != after:
                yield Change(series, index, before, after, None)
        return
    number = len(series.points)
    for point in find_change_points(
        series.values,
        window=limits.window,
        max_p=limits.max_p / number,
        min_magnitude=limits.min_change,
    ):
        yield Change(series, point.index, point.mean_before, point.mean_after, point.p * number)


def _sql(metrics: Sequence[Quantity]) -> tuple[dict[str, str], list[str]]:
    """What `Quantity.compared_number` reads of a record, as DuckDB reads it from many files."""
    structure: dict[str, str] = {}
    expressions = []
    for metric in metrics:
        fields, expression = _DERIVED.get(
            metric.name, ({metric.name: "DOUBLE"}, f"values.{metric.name}")
        )
        structure |= fields
        expressions.append(expression)
    return structure, expressions


_DERIVED = {
    "energy_joules": (
        {"energy_joules": "DOUBLE", "energy_valid": "BOOLEAN"},
        "CASE WHEN coalesce(values.energy_valid, true) THEN values.energy_joules END",
    ),
    "elementwise_total": (
        {"elementwise_ops": "MAP(VARCHAR, DOUBLE)"},
        "CASE WHEN values.elementwise_ops IS NOT NULL "
        "THEN coalesce(list_sum(map_values(values.elementwise_ops)), 0) END",
    ),
}
