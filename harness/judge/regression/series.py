"""Series: a metric of a case over commits, put together from the records of many runs."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from harness.judge.statistics.intervals import median_interval
from harness.measure.metric import Unit, unit, unit_of_size
from harness.records.counted import MeasuredCase
from harness.records.quantities.quantity import Quantity
from harness.records.quantities.registry import COMPARED
from harness.records.stored_runs import Measurement, StoredRun

EVERY_MACHINE = ""
"""Machine of exact metrics, which are the same everywhere."""


class HistoryPoint(NamedTuple):
    """A run's value: the median over its processes."""

    run: StoredRun  # that it is from
    value: float  # SI base unit
    processes: int  # that it is the median of
    # its interval: that of the processes' median, of one process that of its own samples
    low: float | None = None
    high: float | None = None  # see `low`


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
        """The largest one in which the first value is at least 1; of a user's number its own."""
        if self.metric.name not in COMPARED and self.metric.unit is not None:
            return unit(self.metric.unit, self.metric.dimension)
        return unit_of_size(self.points[0].value, self.metric.dimension)


def collect(
    runs: Sequence[StoredRun],
    measurements: Iterable[Measurement],
    metrics: Sequence[Quantity],
    order: Sequence[int],
) -> list[Series]:
    """Series by suite, case, machine and metric, each in the order of commits.

    A case that got another label stays one series under its last label, unless a suite lists the
    same case twice.

    Args:
        runs: as measurements index them.
        measurements: in the order of their files; of each metric its value and the ends of its
            interval, one after the other.
        metrics: that measurements have.
        order: indices of the runs, by commit.
    """
    by_case: dict[MeasuredCase, list[Measurement]] = defaultdict(list)
    for each in measurements:
        by_case[each.case].append(each)
    names = _last_labels(by_case)
    values: dict[tuple[Any, ...], dict[int, list[_Spread]]] = {}
    for case, found in by_case.items():
        key = (case.suite, names[case.suite, case.label, case.case_key], case.case_key)
        for number, metric in enumerate(metrics):
            measured = metric.is_measured
            where = (case.machine_key, case.condition) if measured else (EVERY_MACHINE, ())
            places = values.setdefault((*key, *where, number), defaultdict(list))
            for each in found:
                value, low, high = each.values[3 * number : 3 * number + 3]
                # A time or energy of 0 is a clock that was too coarse.
                if value is not None and not (measured and value <= 0):
                    places[each.run].append((value, low, high))
    ranks = {index: rank for rank, index in enumerate(order)}
    made = []
    for (suite, label, case_key, machine, condition, number), by_run in values.items():
        points = tuple(
            _point(runs[index], by_run[index]) for index in sorted(by_run, key=ranks.__getitem__)
        )
        if points:
            made.append(Series(suite, label, case_key, machine, condition, metrics[number], points))
    return made


_Spread = tuple[float, float | None, float | None]
"""A value and the ends of its interval."""


def _point(run: StoredRun, processes: Sequence[_Spread]) -> HistoryPoint:
    if len(processes) == 1:
        value, low, high = processes[0]
        return HistoryPoint(run, value, 1, low, high)
    values = [value for value, _, _ in processes]
    interval = median_interval(values)
    return HistoryPoint(run, interval.median, len(values), interval.low, interval.high)


def by_commit(runs: Sequence[StoredRun], committed: Mapping[str, int]) -> list[int]:
    """Indices of runs in the order of their commits.

    Args:
        committed: Unix time of commits; a run of another commit stands at the time of its start.
    """
    keys = []
    for run in runs:
        started = 0.0
        with suppress(ValueError):
            started = datetime.fromisoformat(run.started_at).timestamp()
        at = committed.get(run.commit or "", started)
        keys.append((at, run.started_at, str(run.path)))
    return sorted(range(len(runs)), key=keys.__getitem__)


def _last_labels(
    by_case: Mapping[MeasuredCase, Sequence[Measurement]],
) -> dict[tuple[str, str, str], str]:
    """What each case is called: by its last label, where no run has two of it."""
    labelled: dict[tuple[str, str], dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for case, measurements in by_case.items():
        runs = labelled[case.suite, case.case_key][case.label]
        runs.update(each.run for each in measurements)
    names: dict[tuple[str, str, str], str] = {}
    for (suite, key), found in labelled.items():
        ambiguous = sum(map(len, found.values())) > len(set().union(*found.values()))
        last = max(found, key=lambda label: (max(found[label]), label))
        names |= {(suite, label, key): label if ambiguous else last for label in found}
    return names
