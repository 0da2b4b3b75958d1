"""Boxes of pixels, and where a further one has room."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.training.data.draw import Draw

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Box:
    """Rows `top` to `top + height`, columns `left` to `left + width`, ends exclusive."""

    top: int
    left: int
    height: int
    width: int

    @property
    def centre(self) -> tuple[float, float]:
        """Row and column of the middle."""
        return self.top + (self.height - 1) / 2, self.left + (self.width - 1) / 2

    def grown(self, by: int) -> "Box":
        """The box with `by` more pixels on every side."""
        return Box(self.top - by, self.left - by, self.height + 2 * by, self.width + 2 * by)

    def encloses(self, other: "Box") -> bool:
        """Whether the other lies inside."""
        return (
            self.top <= other.top
            and self.left <= other.left
            and other.top + other.height <= self.top + self.height
            and other.left + other.width <= self.left + self.width
        )


def places(
    canvas: tuple[int, int], size: tuple[int, int], apart: Iterable[tuple[Box, int]]
) -> "NDArray[np.bool_]":
    """Where a box of `size` may stand.

    Args:
        canvas: (H, W) in pixels.
        size: (h, w) of the box.
        apart: boxes that stand already, each with the radius of a window that, around any pixel of
            the new box, must show nothing of it.

    Returns:
        (H - h + 1, W - w + 1), true at each top left corner that is free; empty if none fits.
    """
    import numpy as np

    rows, columns = (max(0, whole - side + 1) for whole, side in zip(canvas, size, strict=True))
    free = np.ones((rows, columns), dtype=np.bool_)
    for box, radius in apart:
        top = max(0, box.top - radius - size[0] + 1)
        left = max(0, box.left - radius - size[1] + 1)
        bottom = max(0, box.top + box.height + radius)
        right = max(0, box.left + box.width + radius)
        free[top:bottom, left:right] = False
    return free


def choose(free: "NDArray[np.bool_]", size: tuple[int, int], draw: Draw) -> Box | None:
    """One of the places that are free, each with the same chance; `None` where there is none."""
    import numpy as np

    corners = np.flatnonzero(free)
    if not len(corners):
        return None
    top, left = divmod(int(corners[draw.below(len(corners))]), free.shape[1])
    return Box(top, left, *size)
