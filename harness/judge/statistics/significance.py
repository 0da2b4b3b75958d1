"""Whether two groups differ: tests, their corrections, and what they can see."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist, fmean, variance

CONFIDENCE = 0.95
"""Of every interval."""


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Adjusted p values, in the order given.

    With p_(1) <= ... <= p_(m), the adjusted p_(i) is the smallest m p_(j) / j over j >= i. Calling
    everything with an adjusted value below alpha keeps the expected share of false calls among all
    calls at alpha, for independent and for positively dependent questions; where nothing differs at
    all, the probability of any call is at most alpha (Benjamini and Hochberg 1995; Benjamini and
    Yekutieli 2001, theorem 1.2).

    Args:
        p_values: each in [0, 1].

    Raises:
        ValueError: a value is out of range or not a number.
    """
    if not all(0 <= p <= 1 for p in p_values):
        raise ValueError("a p value lies between 0 and 1")
    m = len(p_values)
    descending = sorted(range(m), key=lambda index: p_values[index], reverse=True)
    result = [1.0] * m
    smallest = 1.0
    for rank, index in zip(range(m, 0, -1), descending, strict=True):
        smallest = min(smallest, p_values[index] * m / rank)
        result[index] = smallest
    return result


_OF_WHAT_IS_LEFT = 1 / 5
"""Share of alpha that is left that a look may cost. More makes early looks likelier to find what is
large, and later ones less likely to find what is small; the first one comes earlier."""


def share_of_look(look: int) -> float:
    """Share of alpha that a look may cost, whether or not it comes.

    Looking again and again would find a difference in the end where there is none (Armitage,
    McPherson and Rowe 1969: 5 looks at 5 % make it 14 %). So each look has a fifth of what is left
    of alpha, and all together stay within alpha, however many there are (Bonferroni, with weights).

    Args:
        look: its number, from 0.
    """
    return _OF_WHAT_IS_LEFT * (1 - _OF_WHAT_IS_LEFT) ** look


def mann_whitney_p(a: Sequence[float], b: Sequence[float]) -> float:
    """Two-sided p value of the hypothesis that neither of two groups tends to larger values.

    With U the number of pairs in which b is larger (ties count one half), N = n_a + n_b and t the
    sizes of tied groups: mean n_a n_b / 2, variance
    n_a n_b / 12 (N + 1 - sum(t^3 - t) / (N (N - 1))), and a correction of 1/2 for continuity
    (Mann and Whitney 1947; Hollander, Wolfe and Chicken 2014, section 4.1). Good from about eight
    values a side on.

    Args:
        a: at least one value.
        b: likewise.

    Raises:
        ValueError: a group is empty.
    """
    if not (a and b):
        raise ValueError("a rank test needs values on both sides")
    n_a, n_b = len(a), len(b)
    total = n_a + n_b
    counts = Counter((*a, *b))
    rank_of, below = {}, 0  # from 1, the mean rank for ties
    for value in sorted(counts):
        rank_of[value] = below + (counts[value] + 1) / 2
        below += counts[value]
    u = math.fsum(rank_of[value] for value in b) - n_b * (n_b + 1) / 2
    ties = sum(t**3 - t for t in counts.values())
    squared = n_a * n_b / 12 * (total + 1 - ties / (total * (total - 1)))
    if squared <= 0:
        return 1.0  # all values are equal
    distance = max(abs(u - n_a * n_b / 2) - 0.5, 0.0)
    return min(2 * NormalDist().cdf(-distance / math.sqrt(squared)), 1.0)


# Student's t distribution for any positive number of degrees of freedom, fractions included.
#
# Welch's approximation gives fractional degrees of freedom, for which no finite sum exists.

# The continued fraction gains about a digit per step where it is used (x below the mean of the
# beta distribution); the number of steps grows as the square root of the larger parameter.
_STEPS = 10_000
_PRECISION = 1e-15
_TINY = 1e-300


def two_sided_p(t: float, freedom: float) -> float:
    """Probability of a value at least as far from 0 as `t`.

    P(|T| >= t) = I_x(freedom / 2, 1 / 2) with x = freedom / (freedom + t^2) (Abramowitz and Stegun
    1964, 26.7.1 and 26.5.27).

    Args:
        t: finite or infinite.
        freedom: degrees of freedom, positive.

    Raises:
        ValueError: `t` is not a number, or `freedom` is not positive and finite.
    """
    if math.isnan(t) or not 0 < freedom < math.inf:
        raise ValueError("Student's t needs a number and a positive, finite number of degrees")
    if math.isinf(t):
        return 0.0
    square = t * t
    if math.isinf(square):
        return 0.0
    return _incomplete_beta(
        freedom / (freedom + square), square / (freedom + square), freedom / 2, 0.5
    )


@lru_cache(maxsize=256)  # a grid of rows asks for the same one at every pair
def critical_t(p: float, freedom: float) -> float:
    """The positive t whose two-sided probability is `p`: 2.228 for 0.05 and 10 degrees.

    By bisection on `two_sided_p`, which falls in t; exact to the last digits of a float.

    Args:
        p: in (0, 1).
        freedom: degrees of freedom, positive.

    Raises:
        ValueError: an argument is out of range.
    """
    if not 0 < p < 1:
        raise ValueError("a critical t needs a probability between 0 and 1")
    low, high = 0.0, 1.0
    while two_sided_p(high, freedom) > p:
        low, high = high, 2 * high
    while (middle := (low + high) / 2) not in (low, high):
        low, high = (middle, high) if two_sided_p(middle, freedom) > p else (low, middle)
    return high


def _incomplete_beta(x: float, y: float, a: float, b: float) -> float:
    """Regularised I_x(a, b), with y = 1 - x given apart so that neither end loses digits.

    The fraction converges fast below the mean of the distribution; above it
    I_x(a, b) = 1 - I_y(b, a) (NIST Digital Library of Mathematical Functions, 8.17.4).
    """
    if x == 0 or y == 0:
        return 1.0 if y == 0 else 0.0
    log_front = (
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(y)
    )
    front = math.exp(log_front)
    if x < (a + 1) / (a + b + 2):
        return min(front * _fraction(x, a, b) / a, 1.0)
    return max(1.0 - front * _fraction(y, b, a) / b, 0.0)


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction 8.17.22 of the same library, by the modified method of Lentz 1976."""
    c, d = 1.0, 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1))
    total = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for coefficient in (even, odd):
            d = 1.0 / _away_from_zero(1.0 + coefficient * d)
            c = _away_from_zero(1.0 + coefficient / c)
            total *= c * d
        if abs(c * d - 1.0) < _PRECISION:
            break
    return total


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


@dataclass(frozen=True)
class LeastDifference:
    """What tells means apart."""

    # two means that are farther apart differ, those of the smallest groups, too
    difference: float
    deviation: float  # standard deviation within the groups, pooled
    t: float  # critical value of its degrees of freedom

    def between(self, first: int, second: int) -> float:
        """From which on the means of two groups of these sizes differ."""
        return self.t * self.deviation * math.sqrt(1 / first + 1 / second)


def least_difference(groups: Sequence[Sequence[float]]) -> LeastDifference | None:
    """The least significant difference between the means of two groups.

    LSD = t(alpha, df) s sqrt(1 / n + 1 / m), with s^2 the variance within groups pooled over all of
    them, df its degrees of freedom and n and m the sizes of two groups (Fisher 1935, "The Design of
    Experiments"). Pooling is what makes two or three replicates enough; it takes the groups to
    scatter alike. The error is that of one comparison: among many pairs some exceed it by chance.

    Returns:
        `None` with fewer than two groups, or groups of one alone.
    """
    counts = sorted(len(group) for group in groups)
    freedom = sum(counts) - len(counts)
    if len(counts) < 2 or counts[0] < 1 or not freedom:
        return None
    squares = []
    for group in groups:
        mean = math.fsum(group) / len(group)
        squares.append(math.fsum((value - mean) ** 2 for value in group))
    deviation, t = math.sqrt(math.fsum(squares) / freedom), critical_t(1 - CONFIDENCE, freedom)
    least = t * deviation * math.sqrt(1 / counts[0] + 1 / counts[1])
    return LeastDifference(least, deviation, t)


# The ratio of two groups by Welch's test, and of pairs by Yuen's, both on logarithms.
#
# Noise of timings multiplies rather than adds and has a long upper tail, so that logarithms are
# nearer to normal, and a difference of logarithms is a ratio whatever the unit.

LEAST = 2
"""Values a side, without which nobody knows a spread."""

TRIM = 0.2
"""Share cut off at each end: little is lost where all is normal, and a fifth of the values may be
anything (Wilcox 2017, section 4.3)."""


@dataclass(frozen=True)
class Ratio:
    """How many times larger the second group is."""

    ratio: float  # typical value of the second over that of the first
    low: float  # lower end of its interval
    high: float  # upper end
    p: float  # two-sided, of the hypothesis that the ratio is 1


@dataclass(frozen=True)
class StudentRatio(Ratio):
    """A ratio of which Student's t distribution says how sure it is."""

    freedom: float  # degrees of freedom; infinite where nothing spreads
    stderr: float  # standard error of the logarithm of the ratio


def welch(a: Sequence[float], b: Sequence[float]) -> StudentRatio:
    """The ratio b / a with interval and p value, without assuming equal spreads.

    With s^2 the sample variances of the logarithms, u = s_a^2 / n_a and v = s_b^2 / n_b:
    t = (mean_b - mean_a) / sqrt(u + v) with (u + v)^2 / (u^2 / (n_a - 1) + v^2 / (n_b - 1)) degrees
    of freedom (Welch 1947; Satterthwaite 1946).

    Where neither side spreads at all (a coarse clock, a deterministic size), equal sides have p = 1
    and unequal ones p = 0.

    Args:
        a: at least two positive, finite, independent values.
        b: likewise, in the same unit.

    Raises:
        ValueError: too few values, or some that have no logarithm.
    """
    if min(len(a), len(b)) < LEAST:
        raise ValueError(f"Welch's test needs at least {LEAST} values a side")
    if not all(0 < value < math.inf for value in (*a, *b)):
        raise ValueError("Welch's test on logarithms needs positive, finite values")
    mean_a, u = _mean_and_squared_error(a)
    mean_b, v = _mean_and_squared_error(b)
    freedom = math.inf
    if scale := max(u, v):  # so that the squares of tiny variances do not vanish
        x, y = u / scale, v / scale
        freedom = (x + y) ** 2 / (x * x / (len(a) - 1) + y * y / (len(b) - 1))
    return _ratio(mean_b - mean_a, u + v, freedom)


def yuen(differences: Sequence[float], trim: float = TRIM) -> StudentRatio:
    """The ratio within pairs, from their trimmed mean: what a pair met alike cancels.

    With g = floor(trim n) values cut at each end, h = n - 2 g kept, and s_w^2 the variance after
    winsorising (the cut values set to the nearest kept one), the trimmed mean has the standard
    error s_w sqrt((n - 1) / (h (h - 1))) on h - 1 degrees of freedom (Yuen 1974; Tukey and
    McLaughlin 1963). With nothing to cut it is Student's test of pairs.

    Args:
        differences: log(b / a) of each pair; symmetric around 0 where nothing differs.
        trim: share to cut, in [0, 0.5).

    Raises:
        ValueError: fewer than two values are left, or a share out of range.
    """
    n = len(differences)
    cut = math.floor(trim * n)
    h = n - 2 * cut
    if not 0 <= trim < 0.5 or h < LEAST:
        raise ValueError(f"trimming needs {LEAST} values left, and a share from 0 to below a half")
    kept = sorted(differences)[cut : n - cut]
    winsorised = variance([kept[0]] * cut + kept + [kept[-1]] * cut)
    squared_error = winsorised * (n - 1) / (h * (h - 1))
    return _ratio(fmean(kept), squared_error, h - 1)


def _mean_and_squared_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean of the logarithms and the square of its standard error.

    Logarithms are taken relative to the first value: equal values then give exactly 0 spread.
    """
    n = len(values)
    first = math.log(values[0])
    logs = [math.log(value) - first for value in values]
    mean = math.fsum(logs) / n
    return first + mean, math.fsum((log - mean) ** 2 for log in logs) / (n - 1) / n


def _ratio(difference: float, squared_error: float, freedom: float) -> StudentRatio:
    """Student's t test of a difference of logarithms, as a ratio."""
    if squared_error == 0:
        ratio = _exp(difference)
        return StudentRatio(ratio, ratio, ratio, 0.0 if difference else 1.0, math.inf, 0.0)
    stderr = math.sqrt(squared_error)
    half = critical_t(1 - CONFIDENCE, freedom) * stderr
    return StudentRatio(
        _exp(difference),
        _exp(difference - half),
        _exp(difference + half),
        two_sided_p(difference / stderr, freedom),
        freedom,
        stderr,
    )


def _exp(value: float) -> float:
    """Few replicates of wild noise have an upper end beyond what a float holds."""
    try:
        return math.exp(value)
    except OverflowError:
        return math.inf
