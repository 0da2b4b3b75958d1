"""Fisher's least significant difference: from where on two means of few replicates differ."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.statistics.student import critical_t

CONFIDENCE = 0.95


@dataclass(frozen=True)
class LeastDifference:
    """What tells means apart.

    Attributes:
        difference: two means that are farther apart differ.
        deviation: standard deviation within the groups, pooled.
    """

    difference: float
    deviation: float


def least_difference(groups: Sequence[Sequence[float]]) -> LeastDifference | None:
    """The least significant difference between the means of two groups.

    LSD = t(alpha, df) s sqrt(2 / n), with s^2 the variance within groups pooled over all of them,
    df its degrees of freedom and n the size of a group (Fisher 1935, "The Design of Experiments").
    Pooling is what makes two or three replicates enough; it takes the groups to scatter alike. The
    error is that of one comparison: among many pairs some exceed it by chance.

    Args:
        groups: replicates of each group.

    Returns:
        `None` with fewer than two groups, groups of one, or groups of unequal size.
    """
    sizes = {len(group) for group in groups}
    if len(groups) < 2 or len(sizes) != 1 or max(sizes) < 2:
        return None
    (size,) = sizes
    freedom = len(groups) * (size - 1)
    deviation = math.sqrt(math.fsum(map(_squares, groups)) / freedom)
    t = critical_t(1 - CONFIDENCE, freedom)
    return LeastDifference(t * deviation * math.sqrt(2 / size), deviation)


def _squares(group: Sequence[float]) -> float:
    mean = math.fsum(group) / len(group)
    return math.fsum((value - mean) ** 2 for value in group)
