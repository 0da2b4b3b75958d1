"""Series: one metric of one case over many runs."""

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from harness.present.units import Unit, unit
from harness.records.stored_runs import Measurement, StoredRun
from harness.regression.metrics import Metric

_UNITS: Mapping[str, tuple[str, ...]] = {
    "seconds": ("ns", "us", "ms", "s"),
    "bytes": ("B", "KiB", "MiB", "GiB"),
    "energy": ("mJ", "J", "kJ"),
}
_COUNTS = ("1", "k", "M", "G", "T")

EVERY_MACHINE = ""
"""Machine of exact metrics, which are the same everywhere."""


class Point(NamedTuple):
    """A run's value: the median over its processes.

    Attributes:
        run: that it is from.
        value: SI base unit.
        processes: that it is the median of.
    """

    run: StoredRun
    value: float
    processes: int


@dataclass(frozen=True)
class Series:
    """A metric of a case over commits.

    Attributes:
        suite: that lists the case.
        label: of the case in the last run.
        case_key: hash of what is measured.
        machine_key: of the machine; `EVERY_MACHINE` for exact metrics.
        condition: threads, cache and CUDA graph; empty for exact metrics.
        metric: what is shown.
        points: by commit, then by time.
    """

    suite: str
    label: str
    case_key: str
    machine_key: str
    condition: tuple[Any, ...]
    metric: Metric
    points: tuple[Point, ...]

    @property
    def values(self) -> list[float]:
        """In the order of the points."""
        return [point.value for point in self.points]

    @property
    def unit(self) -> Unit:
        """The largest one in which the first value is at least 1."""
        dimension, value = self.metric.dimension, self.points[0].value
        units = [unit(name, dimension) for name in _UNITS.get(dimension, _COUNTS)]
        return next((each for each in reversed(units) if value >= each.factor), units[0])


def collect(
    runs: Sequence[StoredRun],
    measurements: Iterable[Measurement],
    metrics: Sequence[Metric],
    committed: Mapping[str, int],
) -> list[Series]:
    """Series by suite, case, machine and metric, each in the order of commits.

    A case measured again in a run (`--resume`) counts as it was last. A case that got another label
    stays one series under its last label, unless a suite lists the same case twice.

    Args:
        runs: as measurements index them.
        measurements: in the order of their files.
        metrics: of the values of each measurement.
        committed: Unix time of commits; a run of another commit stands at the time of its start.
    """
    last = {(m.run, m.suite, m.label, m.case_key, m.replicate): m for m in measurements}
    names = _names(last.values())
    values: dict[tuple[Any, ...], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for m in last.values():
        case = (m.suite, names[m.suite, m.label, m.case_key], m.case_key)
        for number, (metric, value) in enumerate(zip(metrics, m.values, strict=True)):
            # A time or energy of 0 is a clock that was too coarse.
            if value is None or (metric.is_measured and value <= 0):
                continue
            place = (m.machine_key, m.condition) if metric.is_measured else (EVERY_MACHINE, ())
            values[(*case, *place, number)][m.run].append(value)
    order = {index: _order(run, committed) for index, run in enumerate(runs)}
    made = []
    for (suite, label, key, machine, condition, number), found in values.items():
        points = tuple(
            Point(runs[index], _median(found[index]), len(found[index]))
            for index in sorted(found, key=order.__getitem__)
        )
        made.append(Series(suite, label, key, machine, condition, metrics[number], points))
    return made


def _median(values: Sequence[float]) -> float:
    return values[0] if len(values) == 1 else statistics.median(values)


def _names(measurements: Iterable[Measurement]) -> dict[tuple[str, str, str], str]:
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


def _order(run: StoredRun, committed: Mapping[str, int]) -> tuple[float, str, str]:
    try:
        started = datetime.fromisoformat(run.started_at).timestamp()
    except ValueError:
        started = 0.0
    return (committed.get(run.commit or "", started), run.started_at, str(run.path))
