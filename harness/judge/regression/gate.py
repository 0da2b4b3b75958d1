"""The gate: replicates are added until every case has a verdict or the time is spent.

Pure: what runs a case and what reads the time are given, so that tests simulate both.
"""

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from harness.judge.regression.observed import CaseMetric
from harness.judge.regression.verdict import ALPHA, LEAST_REPLICATES, MIN_EFFECT, Comparison, decide
from harness.judge.statistics.intervals import trimmed

# Interleaving: fresh processes of two versions in turn, so that a machine's moods meet both.

Side = Literal["a", "b"]
"""`a` is the version before, `b` the version after."""

PAIRS_OF_A_BLOCK = 2

_MAD_TO_STDEV = 1.4826
"""Standard deviation over median absolute deviation of a normal distribution (Hampel 1974)."""

_FLOOR_STDERRS = 2.0
"""Standard errors that an effect between equal versions stays within in 95 of 100 comparisons."""


@dataclass(frozen=True)
class Measured:
    """What one fresh process gave."""

    seconds: float | None  # median latency of its samples; `None` unless `status` is `ok`
    status: str = "ok"  # as of `harness.case.Outcome`
    cause: str | None = None  # one line for everything but `ok`
    samples: tuple[float, ...] = ()  # seconds of each sample


Measure = Callable[[Side, CaseMetric], Measured]
"""Runs one case of one version in a fresh process."""


@dataclass
class Interleaved:
    """The replicates of one case, in pairs whose halves ran next to each other."""

    # seconds, one value per process of the version before
    a: list[float] = field(default_factory=list)
    # the same of the version after; `b[i]` ran right before or after `a[i]`
    b: list[float] = field(default_factory=list)
    # by version, the first answer that was no latency
    failures: dict[Side, Measured] = field(default_factory=dict)
    # by version, the first answer with all its samples
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


LOOKS = (6, 12, 24, 48)
"""Pairs per case at which verdicts are sought. Doubling: a case twice as noisy needs four times as
many, so that two more looks settle it, and every look costs a share of alpha."""

BUDGET = 600.0
"""Seconds."""

Clock = Callable[[], float]


@dataclass(frozen=True)
class Settings:
    """How a gate decides."""

    looks: tuple[int, ...] = LOOKS  # pairs per case at which verdicts are sought, increasing, even
    budget: float = BUDGET  # seconds after which no further block begins
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
class Progress:
    """Where a gate stands; given to a listener before each block."""

    key: CaseMetric  # what runs next
    pairs: int  # how many it has
    unclear: int  # cases without a verdict
    total: int  # cases of the grid
    seconds: float  # since the start


Listener = Callable[[Progress], None]


@dataclass(frozen=True)
class Gated:
    """What a gate has found."""

    comparisons: Mapping[CaseMetric, Comparison]  # by case, in the suite's order
    replicates: Mapping[CaseMetric, Interleaved]  # the seconds behind them
    looks: int  # how often verdicts were sought
    seconds: float  # that it took
    floor: float  # noise floor of the last look, a share
    spent: bool  # whether the budget ended it

    @property
    def regressions(self) -> tuple[CaseMetric, ...]:
        """Cases that are worse in the version after."""
        return tuple(key for key, found in self.comparisons.items() if found.regression)

    @property
    def undecided(self) -> tuple[CaseMetric, ...]:
        """Cases of which nothing can be said: too much noise, or neither version runs them."""
        return tuple(
            key
            for key, found in self.comparisons.items()
            if not found.regression and found.verdict in ("unclear", "failed")
        )


def gate(
    keys: Sequence[CaseMetric],
    measure: Measure,
    clock: Clock,
    settings: Settings,
    listener: Listener | None = None,
) -> Gated:
    """Compare two versions of a grid by interleaved fresh processes.

    At each look the pairs' ratios are judged by `decide`: Yuen's test of their logarithms (what a
    pair met alike cancels, and a burst that met one half alone is cut off), Benjamini-Hochberg over
    the grid, an effect of at least the larger of `min_effect` and the noise floor of as many A/A
    pairs. A verdict, once found, stays; unclear cases get more pairs.

    Looking again and again would find a difference in the end where there is none (Armitage,
    McPherson and Rowe 1969: 5 looks at 5 % make it 14 %). So each of the K looks that may come has
    alpha / K (Bonferroni), whether or not it comes, and all together stay within alpha. `same` is
    an equivalence test at 2.5 % a side at each look: it can miss a difference close to
    `min_effect`, hardly one of twice its size.

    Args:
        keys: the grid.
        measure: runs one case of one version in a fresh process.
        clock: in seconds.
        settings: see there.
        listener: told before each block.
    """
    run = _Run(tuple(keys), measure, clock, settings, listener)
    for pairs in settings.looks:
        run.collect(pairs)
        run.look()
        if run.spent or not run.open():
            break
    return run.result()


@dataclass
class _Run:
    """A gate while it runs."""

    keys: tuple[CaseMetric, ...]
    measure: Measure
    clock: Clock
    settings: Settings
    listener: Listener | None
    rng: random.Random = field(init=False)
    start: float = field(init=False)
    cases: dict[CaseMetric, Interleaved] = field(init=False)
    found: dict[CaseMetric, Comparison] = field(default_factory=dict)
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
                    self.listener(Progress(key, case.pairs, len(self.open()), total, seconds))
                case.add_block(key, self.measure, self.rng)
            waiting = [key for key in self.open() if self.cases[key].pairs < pairs]

    def look(self) -> None:
        """Judge the whole grid; verdicts that stand are not taken back."""
        self.looks += 1
        open_ = self.open()
        self.floor = self._floor(open_)
        ratios = {key: _tested(case) for key, case in self.cases.items() if case.pairs}
        judged = decide(
            # Ratios against ones: Welch's test with a group that does not spread is Student's test
            # of the other one, here of pairs.
            {key: [1.0] * len(tested) for key, tested in ratios.items()},
            ratios,
            noise_floor=self.floor,
            alpha=self._alpha,
            min_effect=self.settings.min_effect,
        )
        for key in open_:
            if key in judged:
                self.found[key] = self._strict(judged[key])

    def _strict(self, found: Comparison) -> Comparison:
        """`same` means less than `min_effect` also where the noise floor is higher."""
        if found.verdict == "same" and found.low is not None and found.high is not None:
            upper = 1 + self.settings.min_effect
            if not 1 / upper < 1 + found.low <= 1 + found.high < upper:
                return replace(found, verdict="unclear")
        return found

    def _floor(self, open_: Sequence[CaseMetric]) -> float:
        pairs = [self.cases[key].pairs for key in open_ if self.cases[key].pairs]
        # The budget may have ended a round in the middle: the least number is the careful one.
        return noise_floor(tuple(self.cases.values()), min(pairs, default=0))

    def result(self) -> Gated:
        """All that was found."""
        seconds = self.clock() - self.start
        comparisons = {key: self._comparison(key) for key in self.keys}
        return Gated(comparisons, self.cases, self.looks, seconds, self.floor, self.spent)

    def _comparison(self, key: CaseMetric) -> Comparison:
        case = self.cases[key]
        if case.failures:
            return _failed(case)
        found = self.found.get(key)
        if found is None:
            return Comparison("unclear", reason=f"not measured: {self._why_no_more()}")
        return replace(
            found,
            value_a=_geometric_mean(case.a),
            value_b=_geometric_mean(case.b),
            replicates_a=case.pairs,
            replicates_b=case.pairs,
            reason=self._unclear(found, case.pairs) if found.verdict == "unclear" else "",
        )

    def _unclear(self, found: Comparison, pairs: int) -> str:
        what = f"after {pairs} pairs it may be more or less than {self.settings.min_effect:.1%}"
        if pairs < LEAST_REPLICATES:
            what = f"{pairs} pairs say nothing"
        elif found.p_adjusted is not None and found.p_adjusted < self._alpha:
            what = f"differs, but {what}, and the noise floor is {self.floor:.1%}"
        return f"{what}; {self._why_no_more()}"

    def _why_no_more(self) -> str:
        if self.spent:
            return f"the budget of {self.settings.budget:g} s is spent; raise it"
        return "measure on a quieter machine, or with a longer time per process"

    @property
    def _alpha(self) -> float:
        return self.settings.alpha / len(self.settings.looks)


def _tested(case: Interleaved) -> list[float]:
    """Ratios of the pairs as the test takes them."""
    return [math.exp(log) for log in trimmed([math.log(ratio) for ratio in case.ratios])]


def _failed(case: Interleaved) -> Comparison:
    """One of the versions gave no latency."""
    before, after = case.failures.get("a"), case.failures.get("b")
    counted = Comparison("new", replicates_a=len(case.a), replicates_b=len(case.b))
    if after is None:
        assert before is not None
        reason = f"no comparison, the version before fails: {before.status}: {before.cause}"
        return replace(counted, reason=reason)
    if before is not None:
        reason = f"fails in both versions: {after.status}: {after.cause}"
        return replace(counted, verdict="failed", reason=reason)
    reason = f"{after.status}: {after.cause}"
    return replace(counted, verdict="failed", reason=reason, regression=True)


def _geometric_mean(values: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, values)) / len(values))
