"""Verdicts on a grid: what has changed between two versions of the same cases, and how surely."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from statistics import NormalDist, variance
from typing import Any, ClassVar, get_args

from harness.judge.regression.observed import CaseMetric, Replicates
from harness.judge.statistics.decision import (
    ALPHA,
    LEAST_REPLICATES,
    MIN_EFFECT,
    ChangeVerdict,
    called,
)
from harness.judge.statistics.significance import Ratio, adjusted, welch
from harness.records.record import finite


@dataclass(frozen=True)
class Finding:
    """What is known of one case and metric."""

    verdict: ChangeVerdict  # see there
    # ratio b / a less 1; `None` where one side lacks, infinite where a is 0
    effect: float | None = None
    # lower end of the effect's interval; equal to `effect` for exact metrics
    low: float | None = None
    high: float | None = None  # upper end
    p: float | None = None  # of the hypothesis of no difference; `None` where none was tested
    p_adjusted: float | None = None  # the same after Benjamini-Hochberg over the grid
    replicates_a: int = 0  # processes of a
    replicates_b: int = 0  # processes of b
    reason: str = ""  # why the verdict is not a plain one, and what would settle it; else empty
    # geometric mean of a's replicates (the value itself for exact metrics)
    value_a: float | None = None
    value_b: float | None = None  # likewise
    regression: bool = False  # whether b is worse than a: slower, more, or failed where a did not

    @classmethod
    def between(
        cls, a: Replicates, b: Replicates, verdict: ChangeVerdict, reason: str = ""
    ) -> "Finding":
        """Of replicates, either of which may be none; without a test."""
        value_a, value_b = (_geometric_mean(side) if side else None for side in (a, b))
        effect = value_b / value_a - 1 if value_a and value_b else None
        return cls(
            verdict,
            effect,
            replicates_a=len(a),
            replicates_b=len(b),
            reason=reason,
            value_a=value_a,
            value_b=value_b,
            regression=verdict in ("slower", "more"),
        )

    def tested(self, ratio: Ratio, p_adjusted: float) -> "Finding":
        """The same with what a test says of the effect."""
        return replace(
            self,
            effect=ratio.ratio - 1,
            low=ratio.low - 1,
            high=ratio.high - 1,
            p=ratio.p,
            p_adjusted=p_adjusted,
        )


SAME, REGRESSION, UNCLEAR = 0, 1, 3
"""Exit codes; 2 is a mistake of the user's, as everywhere."""


@dataclass(frozen=True)
class Findings:
    """What was found of a whole grid."""

    undecided_are: ClassVar[tuple[ChangeVerdict, ...]] = ("unclear",)

    comparisons: Mapping[CaseMetric, Finding]  # by case, in the suite's order

    @property
    def regressions(self) -> tuple[CaseMetric, ...]:
        """What b has made worse."""
        return tuple(key for key, found in self.comparisons.items() if found.regression)

    @property
    def undecided(self) -> tuple[CaseMetric, ...]:
        """Of which nothing can be said, and which are not known to be worse."""
        return tuple(
            key
            for key, found in self.comparisons.items()
            if found.verdict in self.undecided_are and not found.regression
        )

    @property
    def counts(self) -> dict[ChangeVerdict, int]:
        """How often each verdict was given; those never given are left out."""
        found = Counter(each.verdict for each in self.comparisons.values())
        return {verdict: found[verdict] for verdict in get_args(ChangeVerdict) if found[verdict]}

    @property
    def exit_code(self) -> int:
        """1 with a regression, 3 where only something is undecided, else 0."""
        if self.regressions:
            return REGRESSION
        return UNCLEAR if self.undecided else SAME

    def overview(self) -> dict[str, Any]:
        """Plain data of the whole."""
        return {"counts": self.counts}

    def rows(self) -> list[dict[str, Any]]:
        """Plain data of each case and metric."""
        return [key.as_json() | asdict(found) for key, found in self.comparisons.items()]


@dataclass(frozen=True)
class Report:
    """Two versions of a suite's cases held against each other."""

    suite: str  # its name
    before: str  # what the version before is, in words
    after: str  # the same of the version after
    found: Findings
    rule: str  # what the verdicts mean, with the limits in force
    notes: tuple[str, ...]  # sentences for the reader
    conditions: Mapping[str, Any]  # plain data: what was compared, and with which limits
    caveats: tuple[str, ...] = ()  # those of the notes that no verdict can be read without

    def as_json(self) -> dict[str, Any]:
        """Plain data; values in SI base units, effects as shares, infinite ones `None`."""
        data: dict[str, Any] = finite(
            {
                "schema": 1,
                **self.conditions,
                "exit_code": self.found.exit_code,
                **self.found.overview(),
                "notes": list(self.notes),
                "comparisons": self.found.rows(),
            }
        )
        return data


@dataclass(frozen=True)
class Limits:
    """What makes a difference between two runs a verdict; see `decide`.

    Raises:
        ValueError: a limit is out of range.
    """

    alpha: float = ALPHA  # share of false calls among calls
    min_effect: float = MIN_EFFECT  # smallest difference of interest
    # of each metric by its name: largest effect that equal code has shown on this machine
    noise_floor: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError("alpha is a probability between 0 and 1")
        effects = (self.min_effect, *self.noise_floor.values())
        if not all(0 <= effect < math.inf for effect in effects):
            raise ValueError("min_effect and noise_floor are shares such as 0.02, not negative")

    def effect(self, metric: str) -> float:
        """What a difference of a metric has to reach."""
        return max(self.min_effect, self.noise_floor.get(metric, 0.0))


DEFAULT_LIMITS = Limits()


def decide(
    a: Mapping[CaseMetric, Replicates],
    b: Mapping[CaseMetric, Replicates],
    limits: Limits = DEFAULT_LIMITS,
) -> dict[CaseMetric, Finding]:
    """Verdict of every case and metric of which either side has a value.

    A measured metric differs where the p value of Welch's test on logarithms, adjusted by Benjamini
    and Hochberg over all measured metrics of the grid, is below alpha *and* the ratio is at least
    1 + m or at most 1 / (1 + m), m the larger of `min_effect` and the noise floor. It is the same
    where the whole interval of the ratio lies between these two (an equivalence test at 2.5 % a
    side: Schuirmann 1987), however small the p value. All else is unclear. The limits are
    reciprocal, so that exchanging a and b exchanges faster and slower and changes nothing else.

    An exact metric is compared exactly, and one process is enough.

    Args:
        a: replicates before, in SI base units; those of one key are of different processes.

    Returns:
        In the order of b, what only a has after that.

    Raises:
        ValueError: a replicate of a measured metric is not positive.
    """
    ratios = {
        key: welch(a[key], b[key])
        for key in b
        if key.quantity.is_measured and min(len(a.get(key, ())), len(b[key])) >= LEAST_REPLICATES
    }
    p_values = p_values_of(ratios)
    result: dict[CaseMetric, Finding] = {}
    for key in dict.fromkeys((*b, *a)):
        before, after = a.get(key, ()), b.get(key, ())
        if not (before and after):
            if before or after:
                result[key] = Finding.between(before, after, "gone" if before else "new")
        elif key in ratios:
            alone = limits.alpha / len(ratios)
            result[key] = _tested(
                key, before, after, ratios[key], p_values[key], limits=limits, alone=alone
            )
        elif key.quantity.is_measured:
            reason = _too_few(before, after, limits.effect(key.metric), limits.alpha)
            result[key] = Finding.between(before, after, "unclear", reason)
        else:
            result[key] = _compared_exactly(key, before, after)
    return result


def _too_few(a: Replicates, b: Replicates, effect: float, alpha: float) -> str:
    needed = replicates_needed(a, b, effect, alpha=alpha)
    return (
        f"{len(a)} and {len(b)} processes; a verdict needs at least {LEAST_REPLICATES} a side, a "
        f"good one {needed} (repeats: {needed} in the suite)"
    )


def _tested(
    key: CaseMetric,
    a: Replicates,
    b: Replicates,
    ratio: Ratio,
    p_adjusted: float,
    *,
    limits: Limits,
    alone: float,
) -> Finding:
    """`alone`: alpha as hard as Benjamini-Hochberg is on the only case that differs."""
    least = limits.effect(key.metric)
    seconds = key.quantity.dimension == "seconds"
    verdict = called(ratio, p_adjusted, limits.alpha, least, seconds=seconds)
    reason = ""
    if verdict == "unclear":
        reason = f"too much spread for {len(a)} and {len(b)} processes"
        if p_adjusted < limits.alpha:
            reason = f"differs, but perhaps by less than {least:.1%}"
        # To be sure of the difference seen, or of the least one of interest.
        seen = max(ratio.ratio, 1 / ratio.ratio) - 1 if ratio.ratio else math.inf
        shown = max(least, seen)
        needed = max(replicates_needed(a, b, shown, alpha=alone), min(len(a), len(b)) + 1)
        reason += f"; {needed} processes a side would show {shown:.1%} with this spread"
    found = Finding.between(a, b, verdict, reason).tested(ratio, p_adjusted)
    return replace(found, regression=verdict in _worse(key))


def p_values_of(ratios: Mapping[CaseMetric, Ratio]) -> dict[CaseMetric, float]:
    """Of a grid, adjusted by Benjamini and Hochberg."""
    return dict(zip(ratios, adjusted([ratio.p for ratio in ratios.values()]), strict=True))


def _worse(key: CaseMetric) -> tuple[ChangeVerdict, ...]:
    """Verdicts that are regressions; none where neither less nor more is better."""
    if key.quantity.direction is None:
        return ()
    return ("slower", "more") if key.quantity.direction == "min" else ("faster", "less")


def _compared_exactly(key: CaseMetric, a: Replicates, b: Replicates) -> Finding:
    counts = Finding("unclear", replicates_a=len(a), replicates_b=len(b))
    for side, values in (("first", a), ("second", b)):
        if len({*values}) > 1:
            reason = f"processes of the {side} run disagree on a value that should be exact"
            return replace(counts, reason=reason)
    old, new = a[0], b[0]
    effect = new / old - 1 if old else (math.inf if new else 0.0)
    verdict: ChangeVerdict = "same" if new == old else ("more" if new > old else "less")
    return replace(
        counts,
        verdict=verdict,
        effect=effect,
        low=effect,
        high=effect,
        value_a=old,
        value_b=new,
        regression=verdict in _worse(key),
    )


def _geometric_mean(values: Replicates) -> float:
    if len({*values}) == 1 or min(values) <= 0:
        return values[0]  # exact: processes agree
    return math.exp(math.fsum(map(math.log, values)) / len(values))


_POWER = 0.8
"""Probability with which a difference of the size asked for is to be found."""

_USUAL_PROCESSES = 5
"""Processes a side where no spread is known: in simulation (1 % between processes) five find +3 %
in nine of ten cases."""

_MOST_PROCESSES = 1000
"""Beyond this another machine is the answer, not more processes."""


def replicates_needed(a: Replicates, b: Replicates, effect: float, *, alpha: float) -> int:
    """Processes a side that find a ratio of 1 + effect with the spread seen, in 4 of 5 attempts.

    n = 2 s^2 (z_(1 - alpha / 2) + z_power)^2 / log(1 + effect)^2 + z_(1 - alpha / 2)^2 / 4, s^2 the
    mean of both variances of logarithms; the last term corrects the normal distribution for
    Student's (Guenther 1981).
    """
    spreads = [variance(map(math.log, side)) for side in (a, b) if len(side) > 1]
    if not spreads or effect <= 0:
        return _USUAL_PROCESSES
    z = NormalDist().inv_cdf(1 - alpha / 2)
    shift = math.log1p(effect)
    n = (
        2 * math.fsum(spreads) / len(spreads) * ((z + NormalDist().inv_cdf(_POWER)) / shift) ** 2
        + z * z / 4
    )
    return min(max(math.ceil(n), _USUAL_PROCESSES), _MOST_PROCESSES)
