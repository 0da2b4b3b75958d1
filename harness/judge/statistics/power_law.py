"""A power law y = c x^a fitted to a few points: its exponent."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PowerLaw:
    """A fitted exponent."""

    exponent: float  # slope of the least-squares line through log y over log x
    smallest: float  # of x
    largest: float  # of x
    points: int  # number of different x


def fit_power_law(x: Sequence[float], y: Sequence[float]) -> PowerLaw:
    """Fit by ordinary least squares on logarithms.

    With u = log x and v = log y, a = S_uv / S_uu (Draper and Smith 1998, section 1.4). Several y at
    one x count as one, at their geometric mean.

    Args:
        x: at least two different positive values.
        y: as many positive values.

    Raises:
        ValueError: too few, unequally many, or values that are not positive and finite.
    """
    if len(x) != len(y):
        raise ValueError(f"{len(x)} values of x and {len(y)} of y; give as many of both")
    if not all(0 < value < math.inf for value in (*x, *y)):
        raise ValueError("a power law needs positive, finite values")
    found: dict[float, list[float]] = {}
    for at, value in zip(x, y, strict=True):
        found.setdefault(math.log(at), []).append(math.log(value))
    points = [(u, math.fsum(values) / len(values)) for u, values in sorted(found.items())]
    if len(points) < 2:
        raise ValueError("an exponent needs at least two different x")
    n = len(points)
    u_mean = math.fsum(u for u, _ in points) / n
    v_mean = math.fsum(v for _, v in points) / n
    s_uu = math.fsum((u - u_mean) ** 2 for u, _ in points)
    s_uv = math.fsum((u - u_mean) * (v - v_mean) for u, v in points)
    return PowerLaw(s_uv / s_uu, min(x), max(x), n)
