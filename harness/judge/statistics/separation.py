"""Which of several means differ, looking again as values come in, with one level for all looks.

Rows are compared in pairs: the n-th values of two rows are a pair of their own (the n-th seeds,
which share the order of the data), and the mean of their differences has Student's interval, exact
for normal differences however unlike the spreads of the rows are.

A pair is open until a look finds it apart (the interval leaves 0 out) or narrow (the interval is
known to `within`); that stays. Both rows of an open pair have been compared at every look, so that
each look at a pair is at a number of values that was known before anything was seen. Hence the
union bound holds whatever decides which rows go on: of m rows each look at one of m (m - 1) / 2
pairs costs a fifth of what is left of alpha, shared by the pairs, and the probability that any pair
is called apart in error, at any look, is at most alpha.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Generic, Literal, TypeVar

from harness.judge.statistics.intervals import mean_interval
from harness.judge.statistics.significance import CONFIDENCE, share_of_look

Name = TypeVar("Name", bound=Hashable)
Stop = Literal["separated", "narrow", "limit"]

FEWEST = 3
"""Values of the first look: two differences have a spread of one degree of freedom."""

_GROWTH = 1.5
"""From one look to the next: a larger step wastes values, a smaller one looks too often."""


def sizes(first: int, most: int) -> tuple[int, ...]:
    """How many values a row has at each look: 3, 5, 8 and 12 from 3 to 12."""
    found = [max(first, 2)]
    while found[-1] < most:
        found.append(min(math.ceil(_GROWTH * found[-1]), most))
    return tuple(found)


@dataclass(frozen=True)
class Stopped(Generic[Name]):
    """Why a row needs no more values."""

    # `separated`: apart from every other row; `narrow`: from those from which it is not, its
    # difference is known well enough; `limit`: neither, at the last look
    why: Stop
    values: int  # that it was compared by at its last look
    apart: tuple[Name, ...]  # rows from which it was told apart


@dataclass(frozen=True)
class Separation(Generic[Name]):
    """What is known of rows, and what the next look needs."""

    lacking: Mapping[Name, int] = field(default_factory=dict)  # row: values of the next look
    stopped: Mapping[Name, Stopped[Name]] = field(default_factory=dict)


def separate(
    values: Mapping[Name, Sequence[float]], within: float, looks: Sequence[int], rows: int = 0
) -> Separation[Name]:
    """Look as often as the values reach; what a look sees does not depend on later values.

    Args:
        values: of each row, in an order that all rows share.
        within: half width of the interval from which on a difference is known well enough.
        looks: number of values at each, rising; see `sizes`.
        rows: how many there are, where some have no values and never will.
    """
    number = max(rows, len(values))
    alpha = (1 - CONFIDENCE) / max(number * (number - 1) / 2, 1)
    open_pairs = list(combinations(values, 2))
    apart: dict[Name, list[Name]] = {name: [] for name in values}
    stopped: dict[Name, Stopped[Name]] = {}
    for look, size in enumerate(looks):
        going_on = [name for name in values if name not in stopped]
        if lacking := {name: size for name in going_on if len(values[name]) < size}:
            return Separation(lacking, stopped)
        left = []
        for one, other in open_pairs:
            found = _difference(
                values[one][:size], values[other][:size], alpha * share_of_look(look)
            )
            if found.excludes_0:
                apart[one].append(other)
                apart[other].append(one)
            elif found.half > within:
                left.append((one, other))
        open_pairs = left
        still = {name for pair in open_pairs for name in pair}
        for name in going_on:
            if name not in still:
                whole = len(apart[name]) == len(values) - 1
                stopped[name] = Stopped(
                    "separated" if whole else "narrow", size, tuple(apart[name])
                )
    last = {
        name: Stopped[Name]("limit", looks[-1], tuple(apart[name]))
        for name in values
        if name not in stopped
    }
    return Separation({}, {**stopped, **last})


@dataclass(frozen=True)
class _Interval:
    excludes_0: bool
    half: float


def _difference(first: Sequence[float], second: Sequence[float], alpha: float) -> _Interval:
    found = mean_interval([x - y for x, y in zip(first, second, strict=True)], 1 - alpha)
    assert found.low is not None, "a look has two values or more"
    assert found.high is not None, "likewise"
    return _Interval(not found.low <= 0 <= found.high, (found.high - found.low) / 2)
