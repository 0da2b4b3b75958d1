"""Student's t distribution for any positive number of degrees of freedom, fractions included.

Welch's approximation gives fractional degrees of freedom, for which no finite sum exists.
"""

import math

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
