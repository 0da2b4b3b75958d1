"""Location and spread of one sample: means, medians, quartiles, outliers."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, lgamma, log, sqrt

from harness.judge.statistics.significance import CONFIDENCE, critical_t


@dataclass(frozen=True)
class MeanInterval:
    """A mean and an interval that covers the true one."""

    mean: float  # of the values
    low: float | None  # lower end; `None` with one value, whose spread nobody knows
    high: float | None  # upper end, likewise
    confidence: float  # how often such an interval covers, for normal values


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> MeanInterval:
    """mean +- t s / sqrt(n), with t of Student's distribution of n - 1 degrees of freedom.

    Source: Student 1908, "The Probable Error of a Mean". Exact for normal values.

    Args:
        values: at least one, finite.
        confidence: in (0, 1).

    Raises:
        ValueError: no value, one that is not finite, or a confidence out of range.
    """
    if not values or not all(map(math.isfinite, values)):
        raise ValueError("a mean needs at least one value, all finite")
    n = len(values)
    mean = math.fsum(values) / n
    if n == 1:
        return MeanInterval(mean, None, None, confidence)
    deviation = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    half = critical_t(1 - confidence, n - 1) * deviation / math.sqrt(n)
    return MeanInterval(mean, mean - half, mean + half, confidence)


@dataclass(frozen=True)
class MedianInterval:
    """A median and the interval between two order statistics around it."""

    median: float  # of the samples, in their unit
    low: float  # lower end
    high: float  # upper end
    confidence: float  # probability, 0 to 1, that the interval holds the true median


def median_interval(samples: Sequence[float], confidence: float = 0.95) -> MedianInterval:
    """Median with the narrowest symmetric pair of order statistics that reaches `confidence`.

    The number of samples below the true median is Binomial(n, 1/2) whatever the distribution, so
    the interval (x_(k+1), x_(n-k)) misses it with probability 2 P(B <= k) (Conover 1999, section
    3.2; Le Boudec 2010, theorem 2.1). With fewer than 6 samples no pair reaches 95 %: the whole
    range is given, with the confidence that it has.

    Args:
        samples: at least one, independent.

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
    # P(B = rank) by logarithms, where the powers themselves would under- and overflow.
    choose = lgamma(n + 1) - lgamma(rank + 1) - lgamma(n - rank + 1)
    mass = exp(choose - n * log(2)) if rank else 0.5**n
    tail = 0.0
    while rank <= (n - 1) // 2 and tail + mass <= limit:
        tail += mass
        mass = mass * (n - rank) / (rank + 1)
        rank += 1
    return tail, rank


def quartiles(samples: Sequence[float]) -> tuple[float, float]:
    """First and third quartile (linear interpolation between order statistics)."""
    if len(samples) == 1:
        return samples[0], samples[0]
    first, _, third = statistics.quantiles(samples, n=4, method="inclusive")
    return first, third


# Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers, section 3.3: the median absolute
# deviation of normal data is 0.6745 standard deviations, their mean absolute one 0.7979 of them.
_MAD_TO_STDEV = 1 / 0.6745
_MEAN_DEVIATION_TO_STDEV = 1.253314

# Their cut of 3.5 is for normal data. Timings have a long upper tail, so hyperfine
# (src/outlier_detection.rs) takes ten standard deviations, 14.826 median absolute deviations.
THRESHOLD = 10.0


def outliers(samples: Sequence[float], threshold: float = THRESHOLD) -> list[int]:
    """Indices of samples that lie more than `threshold` robust standard deviations off the median.

    Where more than half of the samples are equal, the median absolute deviation is 0 and the mean
    absolute deviation takes its place, as Iglewicz and Hoaglin advise.
    """
    if len(samples) < 3:
        return []
    middle = statistics.median(samples)
    deviations = [abs(sample - middle) for sample in samples]
    stdev = _MAD_TO_STDEV * statistics.median(deviations)
    if stdev == 0:
        stdev = _MEAN_DEVIATION_TO_STDEV * statistics.fmean(deviations)
    return [i for i, deviation in enumerate(deviations) if deviation > threshold * stdev]
