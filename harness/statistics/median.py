"""The median with its distribution-free interval, and the quartiles."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb


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

    The number of samples below the true median is Binomial(n, 1/2) whatever the distribution, so the
    interval (x_(k+1), x_(n-k)) misses it with probability 2 P(B <= k) (Conover 1999, section 3.2;
    Le Boudec 2010, theorem 2.1). With fewer than 6 samples no pair reaches 95 %: the whole range is
    given, with the confidence that it has.

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
    tail, rank = 0.0, 0
    for k in range((n - 1) // 2 + 1):
        next_tail = tail + comb(n, k) / 2**n
        if 2 * next_tail > miss:
            break
        tail, rank = next_tail, k + 1
    # `rank` values are cut off at each end; with none, the range misses with 2 / 2^n.
    achieved = 1.0 - 2 * tail if rank else 1.0 - 2.0 / 2**n
    cut = max(rank - 1, 0)
    return MedianInterval(
        median=statistics.median(ordered),
        low=ordered[cut],
        high=ordered[n - 1 - cut],
        confidence=max(achieved, 0.0),
    )


def quartiles(samples: Sequence[float]) -> tuple[float, float]:
    """First and third quartile (linear interpolation between order statistics)."""
    if len(samples) == 1:
        return samples[0], samples[0]
    first, _, third = statistics.quantiles(samples, n=4, method="inclusive")
    return first, third
