"""Whether two columns have the same order: Spearman's rank correlation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from statistics import fmean

from harness.judge.statistics.significance import two_sided_p

LEAST_PAIRS = 3
"""Two rows are in the same order or in the other one, and say nothing of how alike."""

_COUNTED = 7
"""Pairs up to which every order is counted: 5040. From there on Student's t is near enough."""


@dataclass(frozen=True)
class RankCorrelation:
    """How alike two orders are."""

    coefficient: float  # 1 where they are the same, -1 where one is the other reversed
    pairs: int  # of values
    p: float  # two-sided, of orders that have nothing to do with each other


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> RankCorrelation | None:
    """Spearman's rank correlation: Pearson's of the ranks, equal values sharing their mean rank.

    Source: Spearman 1904, "The Proof and Measurement of Association between Two Things". The p
    value is the share of all orders that are at least as far from 0; beyond seven pairs that of
    Student's t = r sqrt((n - 2) / (1 - r^2)) with n - 2 degrees of freedom (Kendall and Stuart
    1973, 31.19).

    Args:
        first: finite values.
        second: as many, each beside the one of the same place.

    Returns:
        `None` of fewer than three pairs, and where all values of a side are equal.

    Raises:
        ValueError: not as many on both sides, or a value that is not finite.
    """
    if len(first) != len(second) or not all(map(math.isfinite, (*first, *second))):
        raise ValueError("a rank correlation needs as many finite values on both sides")
    n = len(first)
    if n < LEAST_PAIRS or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    a, b = tuple(ranks(first)), tuple(ranks(second))
    r = _pearson(a, b)
    return RankCorrelation(r, n, _share(a, b) if n <= _COUNTED else _students(r, n))


def ranks(values: Sequence[float]) -> list[float]:
    """From 1, in the order given; equal values have the mean of the ranks that they take."""
    ordered = sorted(values)
    places = {value: ordered.index(value) for value in set(values)}
    return [places[value] + (values.count(value) + 1) / 2 for value in values]


def _pearson(a: Sequence[float], b: Sequence[float]) -> float:
    centre = fmean(a)  # of both: ties do not change the sum of ranks
    products = math.fsum((x - centre) * (y - centre) for x, y in zip(a, b, strict=True))
    squares = [math.fsum((x - centre) ** 2 for x in side) for side in (a, b)]
    return max(-1.0, min(products / math.sqrt(squares[0] * squares[1]), 1.0))


@lru_cache(maxsize=64)  # a table is made in several formats
def _share(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """Of all orders of `b`, those whose correlation is as far from 0."""
    centre = fmean(a)
    left = [x - centre for x in a]
    right = [y - centre for y in b]
    # Ranks are halves of whole numbers: the sums of their products are exact.
    found = abs(sum(x * y for x, y in zip(left, right, strict=True)))
    sums = [abs(sum(x * y for x, y in zip(left, p, strict=True))) for p in permutations(right)]
    return sum(each >= found - 1e-9 for each in sums) / len(sums)


def _students(r: float, n: int) -> float:
    least = 2 / math.factorial(n)  # one order and its reverse are always as far
    if abs(r) == 1.0:
        return least
    return max(least, two_sided_p(r * math.sqrt((n - 2) / (1 - r * r)), n - 2))
