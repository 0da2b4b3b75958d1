"""History: how the metrics of each case went over commits, and between which they changed."""

import gc
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.environment.git import committed_at
from harness.judge.regression.series import HistoryPoint, Series, by_commit, collect
from harness.judge.statistics.change_points import MAX_P, USUAL_WINDOW, find_change_points
from harness.judge.statistics.decision import MIN_EFFECT
from harness.judge.statistics.significance import LEAST, welch
from harness.messages import HarnessError
from harness.records.quantities.quantity import percent
from harness.records.setting import changed
from harness.records.stored_runs import StoredRun, read_stored

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
    start: int  # of the first point since the change before it
    stop: int  # of the first point after the next one

    @property
    def change(self) -> float:
        """Relative; infinite from 0."""
        return self.after / self.before - 1 if self.before else float("inf")

    @property
    def text(self) -> str:
        """The relative change in per cent, or `from 0`."""
        return f"{percent(self.change, 1)} %" if self.before else "from 0"

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """That of the relative change, by Welch's test; `None` of exact metrics and single runs."""
        values = self.series.values
        before, after = values[self.start : self.index], values[self.index : self.stop]
        if self.p is None or min(len(before), len(after)) < LEAST:
            return None
        ratio = welch(before, after)
        return ratio.low - 1, ratio.high - 1

    @property
    def worse(self) -> bool | None:
        """Whether it costs more or gives less; `None` where neither direction is better."""
        aim = self.series.metric.direction
        return None if aim is None else (self.after > self.before) == (aim == "min")

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
        told = changed(self.last.run.setting, self.first.run.setting)
        return tuple(
            f"{name} {old or 'none'} -> {new or 'none'}" for name, (old, new) in told.items()
        )

    def as_json(self) -> dict[str, Any]:
        """Plain data; values in SI base units, the change as a share."""
        last, first = self.commits or (None, None)
        return {
            "index": self.index,
            "before": self.before,
            "after": self.after,
            "change": self.change if self.before else None,
            "interval": self.interval,
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
    # whose values the points are, in the order of their commits; a run that went on at another
    # commit is there once for each
    measured: tuple[StoredRun, ...]

    @cached_property
    def _changes(self) -> dict[int, list[Change]]:
        found: dict[int, list[Change]] = {}
        for change in self.changes:
            found.setdefault(id(change.series), []).append(change)
        return found

    def of(self, series: Series) -> tuple[Change, ...]:
        """The changes of one series."""
        return tuple(self._changes.get(id(series), ()))

    @cached_property
    def _alike(self) -> Counter[tuple[str, str, str]]:
        return Counter((each.suite, each.label, each.metric.name) for each in self.series)

    def name_of(self, series: Series) -> str:
        """The label; with machine and threads where the same case was measured under several."""
        if self._alike[series.suite, series.label, series.metric.name] == 1:
            return series.label
        threads = series.condition[0] if series.condition else None
        parts = [series.machine_key, f"threads: {threads}" if threads else ""]
        return f"{series.label} ({', '.join(filter(None, parts))})"

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
                            "low": point.low,
                            "high": point.high,
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
    metrics: Sequence[str] | None = ("latency_seconds",),
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
        metrics: names as `harness.records.stored_runs.read_stored` takes them; `None` is all.
        suites, labels, machines: names of suites (run or included), labels of cases, keys of
            machines; empty for all.
        repository: the checkout whose commits are measured; the current directory if absent.

    Raises:
        EmptyHistoryError: no run has a value that is asked for.
        UnknownMetricError: there is no metric of that name.
    """
    limits = limits or ChangeLimits()
    was_enabled = gc.isenabled()
    gc.disable()  # tens of thousands of rows have no cycles, and the search for them takes a third
    try:
        found = read_stored(folders, metrics)
        asked = found.quantities
        if not found.number:
            where = ", ".join(map(str, folders))
            raise EmptyHistoryError(
                f"{where}: no run here; give the folder of the runs with --runs"
            )
        parts = found.parts
        kept = [
            m
            for m in found.measurements
            if (not suites or m.case.suite in suites or parts[m.run].suite in suites)
            and (not labels or m.case.label in labels)
            and (not machines or m.case.machine_key in machines)
        ]
        commits = {run.commit for run in parts if run.commit}
        order = by_commit(parts, committed_at(sorted(commits), repository or Path.cwd()))
        series = collect(parts, kept, asked, order)
        if not series:
            raise EmptyHistoryError(
                f"none of {found.number} runs has {' or '.join(metrics or ['a metric'])} of what "
                "is asked for; name another suite, case, machine or --metric (they have "
                f"{', '.join(found.present) or 'none'})"
            )
        changes = tuple(change for each in series for change in find_changes(each, limits))
        pointed = {id(point.run) for each in series for point in each.points}
        measured = tuple(parts[index] for index in order if id(parts[index]) in pointed)
        return History(found.number, tuple(series), changes, limits, found.warnings, measured)
    finally:
        if was_enabled:
            gc.enable()


def find_changes(series: Series, limits: ChangeLimits) -> Iterator[Change]:
    """The changes of one series, in order."""
    number, values = len(series.points), series.values
    found: list[tuple[int, float, float, float | None]]
    if series.metric.is_measured:
        found = [
            (point.index, point.mean_before, point.mean_after, point.p * number)
            for point in find_change_points(
                values,
                window=limits.window,
                max_p=limits.max_p / number,
                min_magnitude=limits.min_change,
            )
        ]
    else:
        found = [
            (index, before, after, None)
            for index, (before, after) in enumerate(pairwise(values), 1)
            if before != after
        ]
    ends = [0, *(each[0] for each in found), number]
    for each, start, stop in zip(found, ends, ends[2:], strict=False):
        yield Change(series, *each, start, stop)
