"""The gate: replicates are added until every case has a verdict or the time is spent.

Pure: what runs a case and what reads the time are given, so that tests simulate both.
"""

import math
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

from harness.judge.regression.interleaved import Interleaved, Timer, apart, floor_of_pairs
from harness.judge.regression.looks import Look, pairs_needed, planned
from harness.judge.regression.observed import CaseMetric
from harness.judge.regression.settings import Settings
from harness.judge.regression.verdict import Finding, Findings
from harness.judge.statistics.decision import ChangeVerdict, called
from harness.judge.statistics.signed_rank import signed_ranks
from harness.judge.statistics.significance import Ratio, adjusted


@dataclass(frozen=True)
class Standing:
    """Where a gate stands; given to a listener before each pair."""

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
    looks: int  # how often a verdict was sought of the case that was looked at most
    seconds: float  # that it took
    floor: float  # noise floor of the median case at its last look, a share
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

    A coin of its own says of each pair which version runs first, and the test is over these coins
    (`signed_ranks`), so that it holds whatever the noise of the machine is: where nothing differs,
    at most `alpha` of grids have a verdict `slower` or `faster`. Each case is looked at as
    `planned`; its p value divided by the look's share of alpha, the smallest of all looks so far,
    is again a p value, whenever one stops, and Benjamini-Hochberg goes over these. Beside that a
    difference needs an effect of at least the larger of `min_effect` and the noise floor of the
    case's own pairs. A verdict, once found, stays.

    Up to the first look every case gets its pairs in turn. Then the case that seems to be nearest
    to a verdict gets all pairs to its next look, and again; those that seem to differ come first.
    Which one that is may depend on all that was seen: the coins to come are fair whenever they are
    tossed.

    `same` is an equivalence test at 2.5 % a side at each look: it can miss a difference close to
    `min_effect`, hardly one of twice its size.

    Args:
        measure: runs one case of one version in a fresh process.
        clock: in seconds.
        listener: told before each pair.
    """
    run = _Run(tuple(keys), measure, clock, settings, listener)
    run.look(run.begin())
    while not run.spent and (waiting := run.waiting()):
        nearest = min(waiting, key=run.distance)
        run.extend(nearest)
        run.look([nearest])
    comparisons = {key: run.finding(key) for key in run.keys}
    floors = [found.floor for found in run.seen.values()]
    return Gated(
        comparisons,
        run.cases,
        max((len(case.looks) for case in run.cases.values()), default=0),
        clock() - run.start,
        statistics.median(floors) if floors else 0.0,
        run.spent,
    )


@dataclass(frozen=True)
class _Seen:
    """What a case's last look has shown."""

    ratio: Ratio  # with the p value of this look alone
    floor: float  # noise floor of its pairs


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
    seen: dict[CaseMetric, _Seen] = field(default_factory=dict)
    # of each case, p over all its looks so far
    p_values: dict[CaseMetric, float] = field(init=False)
    spent: bool = False

    def __post_init__(self) -> None:
        self.rng = random.Random(self.settings.seed)
        self.start = self.clock()
        self.cases = {key: Interleaved() for key in self.keys}
        self.p_values = dict.fromkeys(self.keys, 1.0)

    @cached_property
    def plan(self) -> tuple[Look, ...]:
        """The looks of each case."""
        return planned(self.settings.alpha, len(self.keys), self.settings.looks)

    def open(self) -> list[CaseMetric]:
        """Cases without a verdict."""
        return [
            key
            for key in self.keys
            if not self.cases[key].failures
            and (key not in self.found or self.found[key].verdict == "unclear")
        ]

    def waiting(self) -> list[CaseMetric]:
        """Cases that more pairs may settle."""
        return [key for key in self.open() if len(self.cases[key].looks) < len(self.plan)]

    def distance(self, key: CaseMetric) -> tuple[bool, float]:
        """How far from a verdict: whether it seems to be the same, and pairs that seem to lack."""
        case, effect = self.cases[key], abs(math.log(self.seen[key].ratio.ratio))
        coming = self.plan[len(case.looks)]
        lacking = max(self.needed(key, coming), coming.pairs) - case.pairs
        return effect < math.log1p(self.settings.min_effect), lacking

    def needed(self, key: CaseMetric, look: Look) -> float:
        """Pairs that would settle a case that has been looked at; see `pairs_needed`."""
        p = self.settings.alpha * (look.share or self.plan[-1].share) / len(self.keys)
        pairs = self.cases[key].pairs
        return pairs_needed(self.seen[key].ratio, pairs, self.settings.min_effect, p)

    def begin(self) -> list[CaseMetric]:
        """Give every case the pairs of its first look, one of each in turn."""
        waiting = list(self.keys)
        while waiting and not self.spent:
            self.rng.shuffle(waiting)
            for key in waiting:
                self.pair(key)
            waiting = [key for key in self.open() if self.cases[key].pairs < self.plan[0].pairs]
        return [key for key in self.open() if self.cases[key].pairs]

    def extend(self, key: CaseMetric) -> None:
        """Give a case the pairs of its next look."""
        case = self.cases[key]
        coming = self.plan[len(case.looks)]
        while case.pairs < coming.pairs and not case.failures and not self.spent:
            self.pair(key)

    def pair(self, key: CaseMetric) -> None:
        """Measure one pair, unless the budget is spent."""
        seconds = self.clock() - self.start
        self.spent = self.spent or seconds >= self.settings.budget
        if self.spent:
            return
        case = self.cases[key]
        if self.listener is not None:
            total = len(self.keys)
            self.listener(Standing(key, case.pairs, len(self.open()), total, seconds))
        case.add_pair(key, self.measure, self.rng)

    def look(self, keys: Sequence[CaseMetric]) -> None:
        """Look at cases and judge the whole grid; verdicts that stand are not taken back."""
        for key in keys:
            case = self.cases[key]
            if case.failures or case.pairs < self.plan[0].pairs:
                continue
            share = self.plan[len(case.looks)].share
            case.looks.append(case.pairs)
            ratio = signed_ranks(case.stages)
            floor = floor_of_pairs(case.differences, math.log(ratio.ratio))
            self.seen[key] = _Seen(ratio, floor)
            if share:
                self.p_values[key] = min(self.p_values[key], ratio.p / share)
        p_values = dict(zip(self.keys, adjusted(list(self.p_values.values())), strict=True))
        for key in self.open():
            if key in self.seen:
                self.found[key] = self._judged(key, p_values[key])

    def _judged(self, key: CaseMetric, p_adjusted: float) -> Finding:
        """`same` means less than `min_effect` also where the noise floor is higher."""
        case, seen, settings = self.cases[key], self.seen[key], self.settings
        ratio = replace(seen.ratio, p=self.p_values[key])
        least = settings.min_effect
        verdict = called(
            ratio, p_adjusted, settings.alpha, max(least, seen.floor), same_within=least
        )
        return Finding.between(case.a, case.b, verdict).tested(ratio, p_adjusted)

    def finding(self, key: CaseMetric) -> Finding:
        """What is known of a case in the end."""
        case, found = self.cases[key], self.found.get(key)
        if case.failures:
            return _of_failures(case)
        if found is None:
            what = f"{case.pairs} pairs say nothing" if case.pairs else "not measured"
            reason = f"{what}: the budget of {self.settings.budget:g} s is spent; raise it"
            return Finding.between(case.a, case.b, "unclear", reason)
        if found.verdict == "unclear":
            return replace(found, reason=self._why_unclear(key, found))
        return found

    def _why_unclear(self, key: CaseMetric, found: Finding) -> str:
        """What was seen, and what would help."""
        case, least = self.cases[key], self.settings.min_effect
        reason = f"after {case.pairs} pairs it may be more or less than {least:.1%}"
        if found.p_adjusted is not None and found.p_adjusted < self.settings.alpha:
            reason = f"differs, but {reason}, and the noise floor is {self.seen[key].floor:.1%}"
        speeds = [each for each in map(apart, (case.a, case.b)) if each is not None]
        quieter = "measure on a quieter machine, or with a longer time per process"
        if speeds:
            reason += f"; processes of equal code run at two speeds {max(speeds):.1%} apart"
            quieter = "pin the clocks, or measure on a quieter machine"
        if not self.spent:
            return f"{reason}; {quieter}"
        budget = f"the budget of {self.settings.budget:g} s is spent"
        needed = max(self.needed(key, self.plan[-1]), case.pairs + 1)
        if needed > self.plan[-1].pairs:
            return f"{reason}; {budget}, and more pairs would hardly settle it: {quieter}"
        return (
            f"{reason}; {budget}, about {needed:.0f} pairs would settle it with this spread: raise "
            f"it, or {quieter}"
        )


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
