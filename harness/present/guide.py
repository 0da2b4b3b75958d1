"""Guide of a scatter plot: the Pareto front of two goals, or the line on which both are equal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.errors import HarnessError
from harness.present.direction import direction
from harness.present.pareto import Point, front, steps
from harness.present.reading import Reading


@dataclass(frozen=True)
class Guide:
    """A line that helps to read a scatter plot.

    Attributes:
        kind: the Pareto front, or the line of equal values.
        corners: of the line, in the units of the axes.
        members: numbers of the points on the front; empty for the line of equal values.
    """

    kind: Literal["front", "equal"]
    corners: tuple[Point, ...]
    members: tuple[int, ...] = ()


def kind(asked: str, x: Reading, y: Reading) -> Literal["front", "equal", "none"]:
    """Which guide a plot gets.

    `auto`: equal values where both axes have one unit (predicted against measured), the front where
    of both quantities less or more is better, else none.

    Raises:
        HarnessError: a front of a quantity of which neither less nor more is better.
    """
    aims = [direction(each.quantity) for each in (x, y)]
    if asked == "front" and None in aims:
        head = (x, y)[aims.index(None)].quantity.name
        raise HarnessError(f"{head!r} has no better side; remove guide, or write guide: none")
    if asked != "auto":
        return asked  # type: ignore[return-value]
    if x.unit.name == y.unit.name and x.quantity.dimension == y.quantity.dimension:
        return "equal"
    return "none" if None in aims else "front"


def guide(asked: str, x: Reading, y: Reading, points: Sequence[Point]) -> Guide | None:
    """The guide of a plot; `None` where it has none, or points too few for one.

    Args:
        asked: by the suite.
        x: the horizontal quantity.
        y: the vertical quantity.
        points: that are shown.
    """
    found = kind(asked, x, y)
    if found == "none" or len(points) < 2:
        return None
    if found == "equal":
        low = max(min(point[axis] for point in points) for axis in (0, 1))
        high = min(max(point[axis] for point in points) for axis in (0, 1))
        return Guide("equal", ((low, low), (high, high))) if low < high else None
    aim_x, aim_y = direction(x.quantity), direction(y.quantity)
    assert aim_x is not None
    assert aim_y is not None
    members = front(points, aim_x, aim_y)
    corners = steps([points[index] for index in members])
    return Guide("front", tuple(corners), tuple(members))


def explained(asked: str, x: Reading, y: Reading) -> str | None:
    """What the guide is, for the foot of a plot."""
    found = kind(asked, x, y)
    if found == "none":
        return None
    if found == "equal":
        return "Dashed: both values equal."
    words = {"min": "less", "max": "more"}
    x_word, y_word = (words[direction(each.quantity) or "min"] for each in (x, y))
    return (
        f"Line and bold labels: Pareto front; no case has both {x_word} {x.quantity.head} and "
        f"{y_word} {y.quantity.head} than one of these (point estimates, intervals apart)."
    )
