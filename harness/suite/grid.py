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


def matching(
    combinations: Sequence[Combination],
    pattern: Mapping[str, Any],
    axes: Mapping[str, Sequence[Any]],
) -> set[int]:
    """Indices of the combinations that have every value of a pattern.

    Args:
        combinations: made from `axes`.
        pattern: values of some axes.
        axes: values by axis. Combinations hold these very objects, so that each is compared once
            and not once per combination.
    """
    same = {
        axis: {id(value) for value in axes[axis] if identity(value) == identity(wanted)}
        for axis, wanted in pattern.items()
    }
    return {
        index
        for index, combination in enumerate(combinations)
        if all(id(combination[axis]) in values for axis, values in same.items())
    }
