"""Interleaving: fresh processes of two versions in turn, so that a machine's moods meet both."""

import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from harness.regression.replicates import CaseMetric

Side = Literal["a", "b"]
"""`a` is the version before, `b` the version after."""

PAIRS_OF_A_BLOCK = 2

_MAD_TO_STDEV = 1.4826
"""Standard deviation over median absolute deviation of a normal distribution (Hampel 1974)."""

_FLOOR_STDERRS = 2.0
"""Standard errors that an effect between equal versions stays within in 95 of 100 comparisons."""


@dataclass(frozen=True)
class Measured:
    """What one fresh process gave.

    Attributes:
        seconds: median latency of its samples; `None` unless `status` is `ok`.
        status: as of `harness.outcome.Outcome`.
        cause: one line for everything but `ok`.
        samples: seconds of each sample.
    """

    seconds: float | None
    status: str = "ok"
    cause: str | None = None
    samples: tuple[float, ...] = ()


Measure = Callable[[Side, CaseMetric], Measured]
"""Runs one case of one version in a fresh process."""


@dataclass
class Interleaved:
    """The replicates of one case, in pairs whose halves ran next to each other.

    Attributes:
        a: seconds, one value per process of the version before.
        b: the same of the version after; `b[i]` ran right before or after `a[i]`.
        failures: by version, the first answer that was no latency.
        first: by version, the first answer with all its samples.
    """

    a: list[float] = field(default_factory=list)
    b: list[float] = field(default_factory=list)
    failures: dict[Side, Measured] = field(default_factory=dict)
    first: dict[Side, Measured] = field(default_factory=dict)

    @property
    def pairs(self) -> int:
        """Pairs so far."""
        return len(self.a)

    @property
    def ratios(self) -> list[float]:
        """b over a of each pair: what both halves met alike cancels."""
        return [after / before for before, after in zip(self.a, self.b, strict=True)]

    def add_block(self, key: CaseMetric, measure: Measure, rng: random.Random) -> None:
        """Run A B B A or B A A B, drawn at random: two pairs.

        In one pair a runs first, in the other b, so that a drift of the machine cancels; the draw
        keeps a rhythm of the machine from falling in with ours. A version that fails is not run
        again; the other one then runs once, to say whether it fails too.
        """
        outer: Side = rng.choice(("a", "b"))
        inner: Side = "b" if outer == "a" else "a"
        seconds: dict[Side, list[float]] = {"a": [], "b": []}
        for side in (outer, inner, inner, outer):
            if side in self.failures or (self.failures and side in self.first):
                continue
            answer = measure(side, key)
            self.first.setdefault(side, answer)
            if answer.seconds is None:
                self.failures[side] = answer
            else:
                seconds[side].append(answer.seconds)
        if not self.failures:
            self.a += seconds["a"]
            self.b += seconds["b"]

    def equal_differences(self) -> list[float]:
        """A/A pairs: differences of logarithms within a version and a block."""
        return [
            math.log(side[i + 1] / side[i])
            for side in (self.a, self.b)
            for i in range(0, len(side) - 1, PAIRS_OF_A_BLOCK)
        ]


def noise_floor(cases: Sequence[Interleaved], pairs: int) -> float:
    """The effect that so many pairs of *equal* versions stay within in 95 of 100 comparisons.

    Every block holds two processes of a, and two of b, that ran within four of each other: A/A
    pairs of this session, on this machine, under its present load. Their differences of logarithms,
    pooled over the grid, have a spread s (from the median absolute deviation, so that a disturbed
    few do not count); the mean of n of them stays within 2 s / sqrt(n). It shrinks as replicates
    are added, and a single process pair shows how noisy the machine is at all.

    Args:
        cases: all cases of the grid.
        pairs: of each comparison.

    Returns:
        A share such as 0.02; 0 where nothing is known yet.
    """
    differences = [d for case in cases for d in case.equal_differences()]
    if not differences or pairs < 1:
        return 0.0
    spread = _MAD_TO_STDEV * statistics.median(map(abs, differences))
    return math.expm1(_FLOOR_STDERRS * spread / math.sqrt(pairs))
