"""The gate: replicates are added until every case has a verdict or the time is spent.

Pure: what runs a case and what reads the time are given, so that tests simulate both.
"""

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from harness.judge.regression.observed import CaseMetric
from harness.judge.regression.verdict import (
    Finding,
    Findings,
    p_values_of,
)
from harness.judge.statistics.decision import (
    ALPHA,
    LEAST_REPLICATES,
    MIN_EFFECT,
    ChangeVerdict,
    called,
)
from harness.judge.statistics.significance import Ratio, yuen

Side = Literal["a", "b"]
"""`a` is the version before, `b` the version after."""

PAIRS_OF_A_BLOCK = 2

_STDEV_PER_MAD = 1.4826
"""Standard deviation over median absolute deviation of a normal distribution (Hampel 1974)."""

_FLOOR_STDERRS = 2.0
"""Standard errors that an effect between equal versions stays within in 95 of 100 comparisons."""


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
        """log(b / a) of each pair: what both halves met alike cancels."""
        return [math.log(after / before) for before, after in zip(self.a, self.b, strict=True)]

    def add_block(self, key: CaseMetric, measure: Timer, rng: random.Random) -> None:
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


def floor_of_pairs(cases: Sequence[Interleaved], pairs: int) -> float:
    """The effect that so many pairs of *equal* versions stay within in 95 of 100 comparisons.

    Every block holds two processes of a, and two of b, that ran within four of each other: A/A
    pairs of this session, on this machine, under its present load. Their differences of logarithms,
    pooled over the grid, have a spread s (from the median absolute deviation, so that a disturbed
    few do not count); the mean of n of them stays within 2 s / sqrt(n). It shrinks as replicates
    are added, and a single process pair shows how noisy the machine is at all.

    Returns:
        A share such as 0.02; 0 where nothing is known yet.
    """
    differences = [d for case in cases for d in case.equal_differences()]
    if not differences or pairs < 1:
        return 0.0
    spread = _STDEV_PER_MAD * statistics.median(map(abs, differences))
    return math.expm1(_FLOOR_STDERRS * spread / math.sqrt(pairs))


LOOKS = (6, 12, 24, 48)
"""Pairs per case at which verdicts are sought. Doubling: a case twice as noisy needs four times as
many, so that two more looks settle it, and every look costs a share of alpha."""

USUAL_BUDGET = 600.0
"""Seconds."""


@dataclass(frozen=True)
class Settings:
    """How a gate decides."""

    looks: tuple[int, ...] = LOOKS  # pairs per case at which verdicts are sought, increasing, even
    budget: float = USUAL_BUDGET  # seconds after which no further block begins
    # probability of any false verdict `faster` or `slower` where nothing differs, all looks
    # together
    alpha: float = ALPHA
    min_effect: float = MIN_EFFECT  # differences smaller than this are nobody's regression
    seed: int = 0  # of the order in which processes run

    def __post_init__(self) -> None:
        increasing = all(x < y for x, y in zip(self.looks, self.looks[1:], strict=False))
        even = all(look % PAIRS_OF_A_BLOCK == 0 for look in self.looks)
        if not (self.looks and increasing and even and self.looks[0] >= LEAST_REPLICATES):
            raise ValueError(f"looks are even numbers from {LEAST_REPLICATES} on, each larger")
        if not (self.budget > 0 and 0 < self.alpha < 1 and 0 <= self.min_effect < math.inf):
            raise ValueError("budget is positive, alpha a probability, min_effect a share")


@dataclass(frozen=True)
class Standing:
    """Where a gate stands; given to a listener before each block."""

    key: CaseMetric  # what runs next
    pairs: int  # how many it has
    unclear: int  # cases without a verdict
    total: int  # cases of the grid
    seconds: float  # since the start


@dataclass(frozen=True)
class Gated(Findings):
    """What a gate has found."""

    # Known failures are accepted with a baseline; here nobody knows of them.
    undecided_are: ClassVar[tuple[ChangeVerdict, ...]] = ("unclear", "failed")

    replicates: Mapping[CaseMetric, Interleaved]  # the seconds behind the findings
    looks: int  # how often verdicts were sought
    seconds: float  # that it took
    floor: float  # noise floor of the last look, a share
    spent: bool  # whether the budget ended it

    def overview(self) -> dict[str, Any]:
        """Plain data of the whole."""
        return {
            "looks": self.looks,
            "noise_floor": self.floor,
            "budget_spent": self.spent,
            "seconds": self.seconds,
        }

    def rows(self) -> list[dict[str, Any]]:
        """Plain data of each case, with every process."""
        cases = (self.replicates[key] for key in self.comparisons)
        return [
            {**row, "before_seconds": case.a, "after_seconds": case.b}
            for row, case in zip(super().rows(), cases, strict=True)
        ]


def gate(
    keys: Sequence[CaseMetric],
    measure: Timer,
    clock: Callable[[], float],
    settings: Settings,
    listener: Callable[[Standing], None] | None = None,
) -> Gated:
    """Compare two versions of a grid by interleaved fresh processes.

    At each look the pairs are judged by Yuen's test of the logarithms of their ratios (what a pair
    met alike cancels, and a burst that met one half alone is cut off), Benjamini-Hochberg over the
    grid, an effect of at least the larger of `min_effect` and the noise floor of as many A/A pairs.
    A verdict, once found, stays; unclear cases get more pairs.

    Looking again and again would find a difference in the end where there is none (Armitage,
    McPherson and Rowe 1969: 5 looks at 5 % make it 14 %). So each of the K looks that may come has
    alpha / K (Bonferroni), whether or not it comes, and all together stay within alpha. `same` is
    an equivalence test at 2.5 % a side at each look: it can miss a difference close to
    `min_effect`, hardly one of twice its size.

    Args:
        measure: runs one case of one version in a fresh process.
        clock: in seconds.
        listener: told before each block.
    """
    run = _Run(tuple(keys), measure, clock, settings, listener)
    for pairs in settings.looks:
        run.collect(pairs)
        run.look()
        if run.spent or not run.open():
            break
    comparisons = {key: run.finding(key) for key in run.keys}
    seconds = clock() - run.start
    return Gated(comparisons, run.cases, run.looks, seconds, run.floor, run.spent)


@dataclass
class _Run:
    """A gate while it runs."""

    keys: tuple[CaseMetric, ...]
    measure: Timer
    clock: Callable[[], float]
    settings: Settings
    listener: Callable[[Standing], None] | None
    rng: random.Random = field(init=False)
    start: float = field(init=False)
    cases: dict[CaseMetric, Interleaved] = field(init=False)
    found: dict[CaseMetric, Finding] = field(default_factory=dict)
    looks: int = 0
    floor: float = 0.0
    spent: bool = False

    def __post_init__(self) -> None:
        self.rng = random.Random(self.settings.seed)
        self.start = self.clock()
        self.cases = {key: Interleaved() for key in self.keys}

    def open(self) -> list[CaseMetric]:
        """Cases that more replicates may settle."""
        return [
            key
            for key in self.keys
            if not self.cases[key].failures
            and (key not in self.found or self.found[key].verdict == "unclear")
        ]

    def collect(self, pairs: int) -> None:
        """Give every open case so many pairs, one block of each in turn."""
        waiting = self.open()
        while waiting and not self.spent:
            self.rng.shuffle(waiting)
            for key in waiting:
                seconds = self.clock() - self.start
                if seconds >= self.settings.budget:
                    self.spent = True
                    break
                case = self.cases[key]
                if self.listener is not None:
                    total = len(self.keys)
                    self.listener(Standing(key, case.pairs, len(self.open()), total, seconds))
                case.add_block(key, self.measure, self.rng)
            waiting = [key for key in self.open() if self.cases[key].pairs < pairs]

    def look(self) -> None:
        """Judge the whole grid; verdicts that stand are not taken back."""
        self.looks += 1
        open_ = self.open()
        pairs = [self.cases[key].pairs for key in open_ if self.cases[key].pairs]
        # The budget may have ended a round in the middle: the least number is the careful one.
        self.floor = floor_of_pairs(tuple(self.cases.values()), min(pairs, default=0))
        ratios = {
            key: yuen(case.differences)
            for key, case in self.cases.items()
            if case.pairs >= LEAST_REPLICATES
        }
        p_values = p_values_of(ratios)
        for key in open_:
            if key in ratios:
                self.found[key] = self._judged(self.cases[key], ratios[key], p_values[key])

    def _judged(self, case: Interleaved, ratio: Ratio, p: float) -> Finding:
        """`same` means less than `min_effect` also where the noise floor is higher."""
        alpha, least = self.settings.alpha / len(self.settings.looks), self.settings.min_effect
        verdict = called(ratio, p, alpha, max(least, self.floor), same_within=least)
        reason = ""
        if verdict == "unclear":
            reason = f"after {case.pairs} pairs it may be more or less than {least:.1%}"
            if p < alpha:
                reason = f"differs, but {reason}, and the noise floor is {self.floor:.1%}"
            reason += f"; {self._why_no_more()}"
        return Finding.between(case.a, case.b, verdict, reason).tested(ratio, p)

    def finding(self, key: CaseMetric) -> Finding:
        """What is known of a case in the end."""
        case = self.cases[key]
        if case.failures:
            return _of_failures(case)
        if key in self.found:
            return self.found[key]
        if not case.pairs:
            return Finding("unclear", reason=f"not measured: {self._why_no_more()}")
        reason = f"{case.pairs} pairs say nothing; {self._why_no_more()}"
        return Finding.between(case.a, case.b, "unclear", reason)

    def _why_no_more(self) -> str:
        if self.spent:
            return f"the budget of {self.settings.budget:g} s is spent; raise it"
        return "measure on a quieter machine, or with a longer time per process"


def _of_failures(case: Interleaved) -> Finding:
    """One of the versions gave no latency."""
    before, after = case.failures.get("a"), case.failures.get("b")
    verdict: ChangeVerdict = "failed"
    if before and after:
        reason = f"fails in both versions: {after.status}: {after.cause}"
    elif after:
        reason = f"{after.status}: {after.cause}"
    else:
        assert before is not None
        verdict = "new"
        reason = f"no comparison, the version before fails: {before.status}: {before.cause}"
    return Finding(
        verdict,
        replicates_a=len(case.a),
        replicates_b=len(case.b),
        reason=reason,
        regression=before is None,
    )
