"""Whether most cases of a run changed alike: what two runs cannot tell from their hours.

Two runs are measured one after the other. A machine in another state (hour, clocks, neighbours)
moves all processes of one of them, and no test of their spread sees that. The other cases do: where
most of them moved as one does, its own code is not what the comparison shows.
"""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace

from harness.judge.regression.observed import CaseMetric
from harness.judge.regression.verdict import Finding
from harness.judge.statistics.decision import MIN_EFFECT
from harness.records.quantities.quantity import percent

LEAST_CASES = 5
"""Cases of a metric below which most of them may be the ones that were meant to change."""

_SURELY_APART = 2.0
"""Half widths of its 95 % interval that a case stands out by. Of ten cases that all changed alike
and have five processes a side, some would stand out by one in four of ten grids, by two in two of a
hundred."""

_TINY = 1e-300


@dataclass(frozen=True)
class Shift:
    """What most cases have in common."""

    metric: str  # stored name
    change: float  # of the median case, a share
    alike: int  # cases whose interval holds it
    cases: int  # that were tested

    @property
    def note(self) -> str:
        """One sentence, and what would tell."""
        return (
            f"{self.alike} of {self.cases} cases changed in {self.metric} as the median case did, "
            f"by {percent(self.change, 1)} %: a machine in another state (hour, clocks, "
            "neighbours) looks like a change of code that all of them share; harness gate tells "
            "them apart"
        )


def shifts(found: Mapping[CaseMetric, Finding], min_effect: float) -> dict[str, Shift]:
    """By metric, a change that most cases share.

    The median of the cases' ratios, where it differs from 1 by at least half of `min_effect` and
    lies in the intervals of more than half of at least five cases; half of the usual one where
    `min_effect` is smaller.
    """
    tested: dict[str, list[Finding]] = {}
    for key, each in found.items():
        if each.p is not None:
            tested.setdefault(key.metric, []).append(each)
    made, least = {}, max(min_effect, MIN_EFFECT) / 2
    for metric, cases in tested.items():
        change = statistics.median(each.effect for each in cases if each.effect is not None)
        shift = Shift(metric, change, sum(_holds(each, change) for each in cases), len(cases))
        large = max(1 + change, 1 / max(1 + change, _TINY)) >= 1 + least
        if len(cases) >= LEAST_CASES and large and 2 * shift.alike > len(cases):
            made[metric] = shift
    return made


def flagged(
    found: Mapping[CaseMetric, Finding], shared: Mapping[str, Shift]
) -> dict[CaseMetric, Finding]:
    """The findings; of those that differ as most cases do, with that as the reason to doubt."""
    made = dict(found)
    for key, each in found.items():
        shift = shared.get(key.metric)
        if (
            shift
            and each.verdict not in ("same", "unclear")
            and _holds(each, shift.change, _SURELY_APART)
        ):
            reason = (
                f"as {shift.alike} of {shift.cases} cases ({percent(shift.change, 1)} %): the "
                "machine, or a change that all share"
            )
            made[key] = replace(each, reason=reason)
    return made


def _holds(found: Finding, change: float, times: float = 1.0) -> bool:
    """Whether an interval, so many times as wide on a logarithmic scale, holds a change."""
    effect, low, high = found.effect, found.low, found.high
    if effect is None or low is None or high is None or min(effect, low, change) <= -1:
        return False
    middle, at = math.log1p(effect), math.log1p(change)
    ends = (middle + times * (math.log1p(end) - middle) for end in (low, high))
    return next(ends) <= at <= next(ends)
