"""Raw samples of latencies, compact enough for a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.present.quantity import Row
from harness.present.report.source import ReportedRun

PER_CASE = 500
"""Samples of one case that a page holds; of more, every second, third, ... one."""

PER_PAGE = 150_000
"""Samples that a page holds; of more, each case holds fewer. At most about 1 MB."""

_LEAST = 20
_DIGITS = 4  # significant: more than a latency repeats to


@dataclass(frozen=True)
class Samples:
    """The samples of a page.

    Attributes:
        cases: per case `name`, `run`, `suite`, the number of samples `taken`, `step` (every how
            many-th is kept) and `ms`, in the order of measurement.
        taken: number of samples of all cases.
        kept: number of those that the page has.
    """

    cases: tuple[dict[str, Any], ...]
    taken: int
    kept: int


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
