"""Smaller maps for a section that has little time."""

from harness.case import Shape


def scaled(inputs: tuple[Shape, ...], side: int) -> tuple[Shape, ...]:
    """Shapes whose longest map has `side` positions at most; batch and channels stay."""
    longest = max(max(shape[2:], default=1) for shape in inputs)
    share = min(1.0, side / longest)
    return tuple(
        (*shape[:2], *(max(1, round(size * share)) for size in shape[2:])) for shape in inputs
    )
