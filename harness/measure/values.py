"""Measuring without values where possible: on fake tensors, else on real ones."""

from collections.abc import Callable
from typing import TypeVar

from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)

from harness.case import Case
from harness.measure.subject import Subject, fake_subject, real_subject

T = TypeVar("T")

# Raised where control flow, shapes or constructor arguments depend on values, or where an operator
# has no implementation on fake tensors.
_NEEDS_VALUES = (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedFakeTensorException,
    UnsupportedOperatorException,
)
# PyTorch raises these two as plain RuntimeError: a custom operator without `register_fake`, and
# `tensor.numpy()`.
_NEEDS_VALUES_TEXTS = ("no fake impl registered", "not supported for tensor subclasses")


def on_fake_or_real(
    case: Case,
    seed: int,
    search_path: tuple[str, ...],
    measure: Callable[[Subject], T],
    *,
    untouched: bool = False,
) -> tuple[T, str | None]:
    """Measure a case on fake tensors; on real ones where its module needs values.

    Args:
        case: what to build.
        seed: of real parameters and inputs.
        search_path: folders in which a user's module is looked up.
        measure: what to do with the built case.
        untouched: `measure` only looks at it, see `fake_subject`.

    Returns:
        What `measure` returned, and why real tensors were taken (`None` for fake ones).
    """
    try:
        with fake_subject(case, search_path, untouched=untouched) as subject:
            return measure(subject), None
    except Exception as error:
        if not _needs_values(error):
            raise
        reason = type(error).__name__ if isinstance(error, _NEEDS_VALUES) else _first_line(error)
    return measure(real_subject(case, seed, search_path)), f"counted on real tensors: {reason}"


def _needs_values(error: Exception) -> bool:
    texts = any(text in str(error) for text in _NEEDS_VALUES_TEXTS)
    return isinstance(error, _NEEDS_VALUES) or (isinstance(error, RuntimeError) and texts)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
