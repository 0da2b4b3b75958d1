"""Verdicts on a grid: what has changed between two versions of the same cases, and how surely."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from statistics import NormalDist, variance
from typing import Literal

from harness.judge.regression.observed import CaseMetric, Replicates
from harness.judge.statistics.significance import CONFIDENCE, Ratio, adjusted, welch
from harness.records.quantities.registry import COMPARED

# How many more processes a verdict needs.

POWER = 0.8
"""Probability with which a difference of the size asked for is to be found."""

USUAL = 5
"""Processes a side where no spread is known: in simulation (1 % between processes) five find +3 %
in nine of ten cases."""

MOST = 1000
"""Beyond this another machine is the answer, not more processes."""


def replicates_needed(a: Replicates, b: Replicates, effect: float, *, alpha: float) -> int:
    """Processes a side that find a ratio of 1 + effect with the spread seen, in 4 of 5 attempts.

    n = 2 s^2 (z_(1 - alpha / 2) + z_power)^2 / log(1 + effect)^2 + z_(1 - alpha / 2)^2 / 4, s^2 the
    mean of both variances of logarithms; the last term corrects the normal distribution for
    Student's (Guenther 1981).

    Args:
        a: replicates of one side.
        b: replicates of the other.
        effect: to be found, such as 0.02.
        alpha: of the two-sided test.
    """
    spreads = [variance(map(math.log, side)) for side in (a, b) if len(side) > 1]
    if not spreads or effect <= 0:
        return USUAL
    z = NormalDist().inv_cdf(1 - alpha / 2)
    shift = math.log1p(effect)
    n = (
        2 * math.fsum(spreads) / len(spreads) * ((z + NormalDist().inv_cdf(POWER)) / shift) ** 2
        + z * z / 4
    )
    return min(max(math.ceil(n), USUAL), MOST)


Verdict = Literal["same", "faster", "slower", "less", "more", "unclear", "new", "gone", "failed"]
"""`faster` and `slower` are said of seconds, `less` and `more` of everything else."""

ALPHA = 0.01
"""Share of false calls among calls; where nothing differs, the probability of any call."""

MIN_EFFECT = 0.02
"""Differences smaller than this are nobody's regression."""

LEAST_REPLICATES = 3
"""Processes a side below which a measured metric gets no verdict: two have a spread of one degree
of freedom, and what two processes agree on by chance is not known."""


@dataclass(frozen=True)
class Comparison:
    """What is known of one case and metric."""

    verdict: Verdict  # see `Verdict`
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


def decide(
    a: Mapping[CaseMetric, Replicates],
    b: Mapping[CaseMetric, Replicates],
    *,
    noise_floor: float | Mapping[str, float] = 0.0,
    alpha: float = ALPHA,
    min_effect: float = MIN_EFFECT,
    confidence: float = CONFIDENCE,
) -> dict[CaseMetric, Comparison]:
    """Verdict of every case and metric of which either side has a value.

    A measured metric differs where the p value of Welch's test on logarithms, adjusted by Benjamini
    and Hochberg over all measured metrics of the grid, is below `alpha` *and* the ratio is at least
    1 + m or at most 1 / (1 + m), m the larger of `min_effect` and `noise_floor`. It is the same
    where the whole interval of the ratio lies between these two (an equivalence test: Schuirmann
    1987), however small the p value. All else is unclear. The limits are reciprocal, so that
    exchanging a and b exchanges faster and slower and changes nothing else.

    An exact metric is compared exactly, and one process is enough.

    Args:
        a: replicates before, in SI base units; those of one key are of different processes.
        b: replicates after.
        noise_floor: largest effect that equal code has shown on this machine; of each metric by its
            name, or one for all.
        alpha: see `ALPHA`. Where more replicates are added after a look, divide it by the number
            of looks.
        min_effect: see `MIN_EFFECT`.
        confidence: of intervals; 0.95 makes `same` an equivalence test at 2.5 % a side.

    Returns:
        In the order of b, what only a has after that.

    Raises:
        ValueError: a limit is out of range, or a replicate of a measured metric is not positive.
    """
    floors = (
        noise_floor if isinstance(noise_floor, Mapping) else dict.fromkeys(COMPARED, noise_floor)
    )
    _check(floors.values(), alpha, min_effect)
    measured = [key for key in b if _Pair(key, a.get(key, ()), b[key]).is_testable]
    ratios = {key: welch(a[key], b[key], confidence) for key in measured}
    p_values = dict(zip(ratios, adjusted([ratio.p for ratio in ratios.values()]), strict=True))
    limits = _Limits(alpha, min_effect, floors, len(measured))
    result: dict[CaseMetric, Comparison] = {}
    for key in (*b, *(key for key in a if key not in b)):
        pair = _Pair(key, a.get(key, ()), b.get(key, ()))
        if key in ratios:
            result[key] = _measured(pair, ratios[key], p_values[key], limits)
        elif pair.before and pair.after:
            result[key] = _exact(pair) if not pair.is_measured else _too_few(pair, limits)
        elif pair.before or pair.after:
            result[key] = _one_sided(pair)
    return result


def _floors(noise_floor: float | Mapping[str, float]) -> Mapping[str, float]:
    if isinstance(noise_floor, Mapping):
        return noise_floor
    return dict.fromkeys(COMPARED, noise_floor)


def _check(floors: Iterable[float], alpha: float, min_effect: float) -> None:
    if not 0 < alpha < 1:
        raise ValueError("alpha is a probability between 0 and 1")
    if not all(0 <= effect < math.inf for effect in (min_effect, *floors)):
        raise ValueError("min_effect and noise_floor are shares such as 0.02, not negative")


@dataclass(frozen=True)
class _Limits:
    alpha: float
    min_effect: float
    floors: Mapping[str, float]
    tests: int

    def effect(self, metric: str) -> float:
        return max(self.min_effect, self.floors.get(metric, 0.0))


@dataclass(frozen=True)
class _Pair:
    key: CaseMetric
    before: Replicates
    after: Replicates

    @property
    def is_measured(self) -> bool:
        return self.key.quantity.is_measured

    @property
    def is_testable(self) -> bool:
        return self.is_measured and self.fewer >= LEAST_REPLICATES

    @property
    def fewer(self) -> int:
        return min(len(self.before), len(self.after))


def _measured(pair: _Pair, ratio: Ratio, p_adjusted: float, limits: _Limits) -> Comparison:
    verdict, reason = _judge(pair, ratio, p_adjusted, limits)
    return Comparison(
        verdict,
        ratio.ratio - 1,
        ratio.low - 1,
        ratio.high - 1,
        ratio.p,
        p_adjusted,
        len(pair.before),
        len(pair.after),
        reason,
        _geometric_mean(pair.before),
        _geometric_mean(pair.after),
        regression=_is_worse(pair, ratio.ratio - 1) and verdict not in ("same", "unclear"),
    )


def _judge(pair: _Pair, ratio: Ratio, p_adjusted: float, limits: _Limits) -> tuple[Verdict, str]:
    seconds = pair.key.quantity.dimension == "seconds"
    least = limits.effect(pair.key.metric)
    upper = 1 + least
    if p_adjusted < limits.alpha:
        if ratio.ratio >= upper:
            return ("slower" if seconds else "more"), ""
        if ratio.ratio <= 1 / upper:
            return ("faster" if seconds else "less"), ""
    if 1 / upper < ratio.low and ratio.high < upper:
        return "same", ""
    # What it takes to be sure of the difference seen, or of the least one of interest, as hard as
    # Benjamini-Hochberg is on the only case of the grid that differs.
    seen = max(ratio.ratio, 1 / ratio.ratio) - 1 if ratio.ratio else math.inf
    shown = max(least, seen)
    needed = replicates_needed(pair.before, pair.after, shown, alpha=limits.alpha / limits.tests)
    needed = max(needed, pair.fewer + 1)
    more = f"{needed} processes a side would show {shown:.1%} with this spread"
    if p_adjusted < limits.alpha:
        return "unclear", f"differs, but perhaps by less than {least:.1%}; {more}"
    counts = f"{len(pair.before)} and {len(pair.after)} processes"
    return "unclear", f"too much spread for {counts}; {more}"


def _exact(pair: _Pair) -> Comparison:
    counts = Comparison("unclear", replicates_a=len(pair.before), replicates_b=len(pair.after))
    for side, values in (("first", pair.before), ("second", pair.after)):
        if len({*values}) > 1:
            reason = f"processes of the {side} run disagree on a value that should be exact"
            return replace(counts, reason=reason)
    old, new = pair.before[0], pair.after[0]
    effect = new / old - 1 if old else (math.inf if new else 0.0)
    verdict: Verdict = "same" if new == old else ("more" if new > old else "less")
    return replace(
        counts,
        verdict=verdict,
        effect=effect,
        low=effect,
        high=effect,
        value_a=old,
        value_b=new,
        regression=_is_worse(pair, new - old),
    )


def _is_worse(pair: _Pair, change: float) -> bool:
    """Whether a value that has changed so is worse than before."""
    return change * {"min": 1, "max": -1, None: 0}[pair.key.quantity.direction] > 0


def _too_few(pair: _Pair, limits: _Limits) -> Comparison:
    value_a, value_b = _geometric_mean(pair.before), _geometric_mean(pair.after)
    least = limits.effect(pair.key.metric)
    needed = replicates_needed(pair.before, pair.after, least, alpha=limits.alpha)
    return Comparison(
        "unclear",
        effect=value_b / value_a - 1,
        replicates_a=len(pair.before),
        replicates_b=len(pair.after),
        reason=f"{len(pair.before)} and {len(pair.after)} processes; a verdict needs at least "
        f"{LEAST_REPLICATES} a side, a good one {needed} (repeats: {needed} in the suite)",
        value_a=value_a,
        value_b=value_b,
    )


def _one_sided(pair: _Pair) -> Comparison:
    return Comparison(
        "gone" if pair.before else "new",
        replicates_a=len(pair.before),
        replicates_b=len(pair.after),
        value_a=_geometric_mean(pair.before) if pair.before else None,
        value_b=_geometric_mean(pair.after) if pair.after else None,
    )


def _geometric_mean(values: Replicates) -> float:
    if len({*values}) == 1 or min(values) <= 0:
        return values[0]  # exact: processes agree
    return math.exp(math.fsum(map(math.log, values)) / len(values))


# What makes a difference between two runs a verdict.


@dataclass(frozen=True)
class Limits:
    """See `harness.judge.regression.verdict.decide`."""

    alpha: float = ALPHA  # share of false calls among calls
    min_effect: float = MIN_EFFECT  # smallest difference of interest
    # of each metric, from runs of equal code on this machine
    noise_floor: Mapping[str, float] = field(default_factory=dict)


DEFAULT_LIMITS = Limits()
