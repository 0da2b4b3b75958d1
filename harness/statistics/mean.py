"""The mean of a few independent values and its interval under Student's t."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.statistics.student import critical_t

CONFIDENCE = 0.95


@dataclass(frozen=True)
class MeanInterval:
    """A mean and an interval that covers the true one.

    Attributes:
        mean: of the values.
        low: lower end; `None` with one value, whose spread nobody knows.
        high: upper end, likewise.
        confidence: how often such an interval covers, for normal values.
    """

    mean: float
    low: float | None
    high: float | None
    confidence: float


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
