"""Axes to combinations: `grid` is a product, `zip` advances together, `exclude` leaves out."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

Combination = dict[str, Any]


def count(grid: Mapping[str, Sequence[Any]], zipped: Mapping[str, Sequence[Any]]) -> int:
    """Number of combinations before `exclude`, without making them."""
    together = min((len(values) for values in zipped.values()), default=1)
    return math.prod(len(values) for values in grid.values()) * together


def combinations(
    grid: Mapping[str, Sequence[Any]], zipped: Mapping[str, Sequence[Any]]
) -> list[Combination]:
    """Every combination, the last axis of the grid fastest, the zipped axes last of all."""
    product = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    if not zipped:
        return product
    rows = [dict(zip(zipped, row, strict=True)) for row in zip(*zipped.values(), strict=True)]
    return [{**combination, **row} for combination in product for row in rows]


def identity(value: Any) -> str:
    """Equal for equal JSON values; unlike Python's `==`, 1 is not true and 1.0 is not 1."""
    return json.dumps(value, sort_keys=True)


def agrees(combination: Combination, pattern: Mapping[str, Any]) -> bool:
    """Whether a combination has every value of a pattern."""
    return all(
        axis in combination and identity(combination[axis]) == identity(value)
        for axis, value in pattern.items()
    )
