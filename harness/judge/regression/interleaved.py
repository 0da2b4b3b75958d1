"""One case measured in two versions by turns: pairs of processes whose order a coin draws."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from harness.judge.regression.observed import CaseMetric

Side = Literal["a", "b"]
"""`a` is the version before, `b` the version after."""

_WITHIN = 0.8
_DEVIATIONS_WITHIN = 1.2816
"""Standard deviations that so large a share of normal values stays within."""

_FLOOR_STDERRS = 2.0
"""Standard errors that an effect between equal versions stays within in 95 of 100 comparisons."""

_FEWEST_OF_SPEEDS = 12
"""Processes below which two groups may be chance."""


@dataclass(frozen=True)
class Timed:
    """What one fresh process gave."""

    seconds: float | None  # median latency of its samples; `None` unless `status` is `ok`
    status: str = "ok"  # as of `harness.case.Outcome`
    cause: str | None = None  # one line for everything but `ok`
    samples: tuple[float, ...] = ()  # seconds of each sample


Timer = Callable[[Side, CaseMetric], Timed]
"""Runs one case of one version in a fresh process."""


@dataclass
class Interleaved:
    """The replicates of one case, in pairs whose halves ran next to each other."""

    # seconds, one value per process of the version before
    a: list[float] = field(default_factory=list)
    # the same of the version after; `b[i]` ran right before or after `a[i]`
    b: list[float] = field(default_factory=list)
    # pairs at each look so far
    looks: list[int] = field(default_factory=list)
    # by version, the first answer that was no latency
    failures: dict[Side, Timed] = field(default_factory=dict)
    # by version, the first answer with all its samples
    first: dict[Side, Timed] = field(default_factory=dict)

    @property
    def pairs(self) -> int:
        """Pairs so far."""
        return len(self.a)

    @property
    def differences(self) -> list[float]:
        """log(b / a) of each pair: what both halves met alike cancels.

        A difference of logarithms: exchanging the halves then changes the sign and nothing else.
        """
        return [
            math.log(after) - math.log(before) for before, after in zip(self.a, self.b, strict=True)
        ]

    @property
    def stages(self) -> list[list[float]]:
        """The differences from look to look."""
        differences = self.differences
        return [
            differences[start:end] for start, end in zip([0, *self.looks], self.looks, strict=False)
        ]

    def add_pair(self, key: CaseMetric, measure: Timer, rng: random.Random) -> None:
        """Run A B or B A, drawn by a coin of its own for each pair: no rhythm can follow.

        A version that fails is not run again; the other one then runs once, to say whether it fails
        too.
        """
        order: tuple[Side, Side] = rng.choice((("a", "b"), ("b", "a")))
        seconds: dict[Side, float] = {}
        for side in order:
            if side in self.failures or (self.failures and side in self.first):
                continue
            answer = measure(side, key)
            self.first.setdefault(side, answer)
            if answer.seconds is None:
                self.failures[side] = answer
            else:
                seconds[side] = answer.seconds
        if not self.failures:
            self.a.append(seconds["a"])
            self.b.append(seconds["b"])


def floor_of_pairs(differences: Sequence[float], middle: float) -> float:
    """The effect that so many pairs of *equal* versions stay within in 95 of 100 comparisons.

    With s the spread of the differences around their middle, the mean of n of them stays within
    2 s / sqrt(n). s comes from what four fifths of them stay within, so that a disturbed few do not
    count, and a second mode that every third pair meets does: their median would not see it.

    Args:
        differences: log(b / a) of each pair.
        middle: what the versions differ by, a logarithm; no noise.

    Returns:
        A share such as 0.02; 0 of no pair.
    """
    if not differences:
        return 0.0
    distances = sorted(abs(difference - middle) for difference in differences)
    spread = distances[math.ceil(_WITHIN * len(distances)) - 1] / _DEVIATIONS_WITHIN
    return math.expm1(_FLOOR_STDERRS * spread / math.sqrt(len(differences)))


def apart(seconds: Sequence[float]) -> float | None:
    """How far apart, as a share, the two speeds are that processes of one version run at.

    Returns:
        `None` where they do not fall into two groups: no gap among the middle three fifths that is
        wider than half of what nine tenths span.
    """
    n = len(seconds)
    if n < _FEWEST_OF_SPEEDS:
        return None
    logs = sorted(map(math.log, seconds))
    tenth, fifth = n // 10, n // 5
    gap = max(logs[i + 1] - logs[i] for i in range(fifth - 1, n - fifth))
    span = logs[n - 1 - tenth] - logs[tenth]
    return math.expm1(gap) if span > 0 and gap > span / 2 else None
