"""The median with its distribution-free interval, and the quartiles."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, lgamma, log, sqrt


@dataclass(frozen=True)
class MedianInterval:
    """A median and the interval between two order statistics around it.

    Attributes:
        median: of the samples, in their unit.
        low: lower end.
        high: upper end.
        confidence: probability, 0 to 1, that the interval holds the true median.
    """

    median: float
    low: float
    high: float
    confidence: float


def median_interval(samples: Sequence[float], confidence: float = 0.95) -> MedianInterval:
    """Median with the narrowest symmetric pair of order statistics that reaches `confidence`.

    The number of samples below the true median is Binomial(n, 1/2) whatever the distribution, so
    the interval (x_(k+1), x_(n-k)) misses it with probability 2 P(B <= k) (Conover 1999, section
    3.2; Le Boudec 2010, theorem 2.1). With fewer than 6 samples no pair reaches 95 %: the whole
    range is given, with the confidence that it has.

    Args:
        samples: at least one, independent.
        confidence: asked for, between 0 and 1.

    Raises:
        ValueError: no samples.
    """
    if not samples:
        raise ValueError("no samples: a median needs at least one")
    ordered = sorted(samples)
    n = len(ordered)
    miss = 1.0 - confidence
    tail, rank = _largest_tail(n, miss / 2)
    # `rank` values are cut off at each end; with none, the range misses with 2 / 2^n.
    achieved = 1.0 - 2 * tail if rank else 1.0 - 2.0 / 2**n
    cut = max(rank - 1, 0)
    return MedianInterval(
        median=statistics.median(ordered),
        low=ordered[cut],
        high=ordered[n - 1 - cut],
        confidence=max(achieved, 0.0),
    )


def _largest_tail(n: int, limit: float) -> tuple[float, int]:
    """The largest P(B < rank) up to `limit`, B ~ Binomial(n, 1/2), and its rank <= (n + 1) / 2.

    One multiplication per rank, so that a million samples take well under a second; the ranks more
    than 20 standard deviations below the mean hold less than 1e-80 of the probability: skipped.
    """
    rank = max(0, int(n / 2 - 20 * sqrt(n) / 2))
    mass = 0.5**n if rank == 0 else _half_binomial(n, rank)
    tail = 0.0
    while rank <= (n - 1) // 2 and tail + mass <= limit:
        tail += mass
        mass = mass * (n - rank) / (rank + 1)
        rank += 1
    return tail, rank


def _half_binomial(n: int, k: int) -> float:
    """P(B = k) for B ~ Binomial(n, 1/2), where the powers themselves would under- and overflow."""
    return exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) - n * log(2))


def quartiles(samples: Sequence[float]) -> tuple[float, float]:
    """First and third quartile (linear interpolation between order statistics)."""
    if len(samples) == 1:
        return samples[0], samples[0]
    first, _, third = statistics.quantiles(samples, n=4, method="inclusive")
    return first, third
