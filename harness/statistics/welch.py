"""Welch's t test on logarithms: by which factor two groups of timings differ, and how surely."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.statistics.student import critical_t, two_sided_p

LEAST = 2
"""Values a side, without which nobody knows a spread."""

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Ratio:
    """How many times larger the second group is.

    Attributes:
        ratio: geometric mean of the second over that of the first.
        low: lower end of its interval.
        high: upper end.
        p: two-sided, of the hypothesis that the ratio is 1.
        freedom: degrees of freedom of Welch and Satterthwaite; infinite where nothing spreads.
        stderr: standard error of the logarithm of the ratio.
        confidence: of the interval.
    """

    ratio: float
    low: float
    high: float
    p: float
    freedom: float
    stderr: float
    confidence: float


def welch(a: Sequence[float], b: Sequence[float], confidence: float = CONFIDENCE) -> Ratio:
    """The ratio b / a with interval and p value, without assuming equal spreads.

    Noise of timings multiplies rather than adds and has a long upper tail, so that logarithms are
    nearer to normal, and a difference of logarithms is a ratio whatever the unit. With s^2 the
    sample variances of the logarithms, u = s_a^2 / n_a and v = s_b^2 / n_b:
    t = (mean_b - mean_a) / sqrt(u + v) with (u + v)^2 / (u^2 / (n_a - 1) + v^2 / (n_b - 1)) degrees
    of freedom (Welch 1947; Satterthwaite 1946).

    Where neither side spreads at all (a coarse clock, a deterministic size), equal sides have p = 1
    and unequal ones p = 0.

    Args:
        a: at least two positive, finite, independent values.
        b: likewise, in the same unit.
        confidence: of the interval, in (0, 1).

    Raises:
        ValueError: too few values, or some that have no logarithm.
    """
    if min(len(a), len(b)) < LEAST:
        raise ValueError(f"Welch's test needs at least {LEAST} values a side")
    if not all(0 < value < math.inf for value in (*a, *b)):
        raise ValueError("Welch's test on logarithms needs positive, finite values")
    if not 0 < confidence < 1:
        raise ValueError("a confidence lies between 0 and 1")
    mean_a, u = _mean_and_squared_error(a)
    mean_b, v = _mean_and_squared_error(b)
    difference = mean_b - mean_a
    if u + v == 0:
        ratio = _exp(difference)
        p = 1.0 if difference == 0 else 0.0
        return Ratio(ratio, ratio, ratio, p, math.inf, 0.0, confidence)
    stderr = math.sqrt(u + v)
    freedom = _degrees(u, len(a), v, len(b))
    half = critical_t(1 - confidence, freedom) * stderr
    return Ratio(
        _exp(difference),
        _exp(difference - half),
        _exp(difference + half),
        two_sided_p(difference / stderr, freedom),
        freedom,
        stderr,
        confidence,
    )


def _mean_and_squared_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean of the logarithms and the square of its standard error.

    Logarithms are taken relative to the first value: equal values then give exactly 0 spread.
    """
    n = len(values)
    first = math.log(values[0])
    logs = [math.log(value) - first for value in values]
    mean = math.fsum(logs) / n
    variance = math.fsum((log - mean) ** 2 for log in logs) / (n - 1)
    return first + mean, variance / n


def _degrees(u: float, n_a: int, v: float, n_b: int) -> float:
    """Scaled by the larger of the two, so that the squares of tiny variances do not vanish."""
    scale = max(u, v)
    u, v = u / scale, v / scale
    return (u + v) ** 2 / (u * u / (n_a - 1) + v * v / (n_b - 1))


def _exp(value: float) -> float:
    """Few replicates of wild noise have an upper end beyond what a float holds."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
