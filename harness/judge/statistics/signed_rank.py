"""The ratio within pairs whose order a coin has drawn: Wilcoxon's signed ranks, stage by stage.

What is random is the draw, not the machine. Two processes run in two slots of time, and a fair coin
says which version gets the first. Where the versions are equal, the times of the slots are what
they are, however the machine breathes (a rhythm, a drift, modes, bursts), and the coin alone gives
the difference its sign. So each sign is a fair coin of its own given all sizes, for every noise:
the test is exact by the draw (Fisher 1935, "The Design of Experiments", chapter 3).

Pairs are ranked by the size of their difference within a stage, and stages are added. Then the null
distribution depends on the numbers of pairs alone, not on sizes, so that what has been seen may
decide which case runs next, and when: its signs are fair coins all the same.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from harness.judge.statistics.significance import CONFIDENCE, Ratio

_Numbers = NDArray[np.float64]


def signed_ranks(stages: Sequence[Sequence[float]]) -> Ratio:
    """The ratio within pairs, its interval and p value.

    With d the differences of a stage, W counts its Walsh averages (d_i + d_j) / 2, i <= j, above 0,
    added over stages: the sum of the ranks of |d| with a positive sign (Tukey 1949; Wilcoxon 1945).
    Under the draw, W is the sum of the numbers 1 .. n of each stage, each with probability 1/2. An
    average of exactly 0 counts for neither side, which is careful whatever ties there are. The
    ratio is the median of the averages; its interval lies between two of them and is the inversion
    of the test (Hodges and Lehmann 1963): it covers a ratio common to all pairs with the confidence
    that it has, for every noise.

    Args:
        stages: log(b / a) of the pairs of each stage; a stage is as long as was known before it
            began, at least one pair altogether.

    Raises:
        ValueError: no pair.
    """
    kept = [stage for stage in stages if len(stage)]
    if not kept:
        raise ValueError("a test of signed ranks needs at least one pair")
    averages = np.sort(np.concatenate([_walsh(np.asarray(stage)) for stage in kept]))
    at_least = _at_least(tuple(sorted(map(len, kept))))
    above, below = int((averages > 0).sum()), int((averages < 0).sum())
    p = min(2 * float(at_least[max(above, below)]), 1.0)
    # The largest number of averages to cut at an end, each end missed in half of the rest.
    cut = len(averages) - int(np.argmax(at_least <= (1 - CONFIDENCE) / 2))
    ends = (-math.inf, math.inf)
    if at_least[-1] <= (1 - CONFIDENCE) / 2:
        ends = (averages[cut], averages[-1 - cut])
    with np.errstate(over="ignore"):  # what no float holds is infinite
        ratio, low, high = np.exp((np.median(averages), *ends)).tolist()
    return Ratio(ratio, low, high, p)


def _walsh(differences: _Numbers) -> _Numbers:
    first, second = _places(len(differences))
    return (differences[first] + differences[second]) / 2


@lru_cache(maxsize=64)
def _places(n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.triu_indices(n)


@lru_cache(maxsize=1024)
def _at_least(sizes: tuple[int, ...]) -> _Numbers:
    """P(W >= w) under the draw, w from 0 on."""
    probability = np.zeros(sum(n * (n + 1) // 2 for n in sizes) + 1)
    probability[0] = 1.0
    reached = 0
    for n in sizes:
        for rank in range(1, n + 1):
            shifted = probability[: reached + 1].copy()
            probability[: reached + 1] /= 2
            probability[rank : reached + rank + 1] += shifted / 2
            reached += rank
    return probability[::-1].cumsum()[::-1]
