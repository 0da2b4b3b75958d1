"""Trimmed means: Yuen's test for data in which a disturbed few lie far out."""

import math
from collections.abc import Sequence
from statistics import fmean, variance

TRIM = 0.2
"""Share cut off at each end: little is lost where all is normal, and a fifth of the values may be
anything (Wilcox 2017, section 4.3)."""


def trimmed(values: Sequence[float], share: float = TRIM) -> list[float]:
    """The values without the extremes, stretched to the spread that Yuen's test gives their mean.

    With g = floor(share n) values cut at each end, h = n - 2 g kept, and s_w^2 the variance after
    winsorising (the cut values set to the nearest kept one), the trimmed mean has the standard
    error s_w sqrt((n - 1) / (h (h - 1))) on h - 1 degrees of freedom (Yuen 1974; Tukey and
    McLaughlin 1963). The h values returned have that mean, and their own s / sqrt(h) is that
    standard error: a t test of them *is* Yuen's test, whoever does it.

    Args:
        values: at least one, of a symmetric distribution where none differs from the other side,
            such as differences of pairs.
        share: in [0, 0.5).

    Raises:
        ValueError: nothing to trim, or a share out of range.
    """
    if not values or not 0 <= share < 0.5:
        raise ValueError("trimming needs values, and a share from 0 to below one half")
    n = len(values)
    cut = math.floor(share * n)
    kept = sorted(values)[cut : n - cut]
    h = len(kept)
    if h < 2 or cut == 0:
        return kept
    centre = fmean(kept)
    winsorised = variance([kept[0]] * cut + kept + [kept[-1]] * cut)
    own = variance(kept)
    if own == 0:
        return kept  # then no cut value differs from its neighbour after winsorising either
    stretch = math.sqrt(winsorised * (n - 1) / ((h - 1) * own))
    return [centre + stretch * (value - centre) for value in kept]
