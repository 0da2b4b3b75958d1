"""Direction: whether less or more of a quantity is better, where that can be said at all."""

from typing import Literal

from harness.present.quantity import Quantity

Direction = Literal["min", "max"]

_COSTS = frozenset({"operations", "bytes", "seconds", "energy", "power"})
"""Dimensions of which less is better, save what is named below."""

_LESS = frozenset({"params", "affinity_elements", "executed_over_algorithmic"})
_ACCURACIES = frozenset({"miou", "pixel_acc", "boundary_f"})
_MORE = _ACCURACIES | {"flops_per_second", "bytes_per_second", "share_of_roof"}
# Given by the task, or a property of the machine or of the measurement: nothing to be good at.
_NEITHER = frozenset({"input_bytes", "attainable_flops_per_second"})


def direction(quantity: Quantity) -> Direction | None:
    """`min` for costs, `max` for accuracies and for what is achieved; `None` for all else."""
    if quantity.name in _MORE:
        return "max"
    if quantity.name in _NEITHER:
        return None
    return "min" if quantity.dimension in _COSTS or quantity.name in _LESS else None


def is_accuracy(quantity: Quantity) -> bool:
    """Whether it is a share of right answers, of which few points matter."""
    return quantity.name in _ACCURACIES
