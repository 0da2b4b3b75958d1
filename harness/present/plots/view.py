"""View: what a plot shows: the rows with values on its axes, and why others have none."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.measure.metric import Direction
from harness.present.plots.canvas import short
from harness.present.plots.placement import Point
from harness.present.reading import Reading
from harness.records.quantities.derived import FACTORS
from harness.records.quantities.quantity import Row
from harness.suite.presentation import PlotSpec


def front(points: Sequence[Point], x: Direction, y: Direction) -> list[int]:
    """Numbers of the points that no other one beats on both axes: the Pareto front.

    From the best in x to the best in y. A point is beaten by another one that is at least as good
    on both axes and better on one; equal points stay together. Point estimates count,
    not their intervals.
    """
    sign_x, sign_y = (1 if each == "min" else -1 for each in (x, y))
    costs = [(sign_x * a, sign_y * b) for a, b in points]
    order = sorted(range(len(points)), key=lambda index: (costs[index], index))
    kept: list[int] = []
    for index in order:
        if not kept or costs[index][1] < costs[kept[-1]][1] or costs[index] == costs[kept[-1]]:
            kept.append(index)
    return kept


def steps(points: Sequence[Point]) -> list[Point]:
    """The corners of the line between what the front reaches and what it does not.

    Args:
        points: of the front, as `front` orders them.
    """
    line: list[Point] = []
    for point in points:
        if line:
            # What is worse in x is reached without loss in y, until the next point gains.
            line.append((point[0], line[-1][1]))
        line.append(point)
    return line


@dataclass(frozen=True)
class Guide:
    """A line that helps to read a scatter plot."""

    kind: Literal["front", "equal"]  # the Pareto front, or the line of equal values
    corners: tuple[Point, ...]  # of the line, in the units of the axes
    # numbers of the points on the front; empty for the line of equal values
    members: tuple[int, ...] = ()


def guide_kind(x: Reading, y: Reading) -> Literal["front", "equal", "none"]:
    """Which guide a plot gets.

    Equal values where both axes have one unit (predicted against measured), the front where of both
    quantities less or more is better, else none.
    """
    if x.unit.name == y.unit.name and x.quantity.dimension == y.quantity.dimension:
        return "equal"
    return "none" if None in {each.quantity.direction for each in (x, y)} else "front"


def guide(x: Reading, y: Reading, points: Sequence[Point]) -> Guide | None:
    """The guide of a plot; `None` where it has none, or points too few for one."""
    found = guide_kind(x, y)
    if found == "none" or len(points) < 2:
        return None
    if found == "equal":
        low = max(min(point[axis] for point in points) for axis in (0, 1))
        high = min(max(point[axis] for point in points) for axis in (0, 1))
        return Guide("equal", ((low, low), (high, high))) if low < high else None
    aim_x, aim_y = x.quantity.direction, y.quantity.direction
    assert aim_x is not None
    assert aim_y is not None
    members = front(points, aim_x, aim_y)
    corners = steps([points[index] for index in members])
    return Guide("front", tuple(corners), tuple(members))


def explained(x: Reading, y: Reading) -> str | None:
    """What the guide is, for the foot of a plot."""
    found = guide_kind(x, y)
    if found == "none":
        return None
    if found == "equal":
        return "Dashed: both values equal."
    words = {"min": "less", "max": "more"}
    x_word, y_word = (words[each.quantity.direction or "min"] for each in (x, y))
    return (
        f"Line and bold labels: Pareto front; no case has both {x_word} {x.quantity.head} and "
        f"{y_word} {y.quantity.head} than one of these (point estimates, intervals apart)."
    )


_PLAIN_AXES = ("module", "label")  # whose values are names
_MOST_NAMED = 40  # labels that share a cause


@dataclass(frozen=True)
class View:
    """What one plot is drawn from."""

    spec: PlotSpec  # as the suite asks
    title: str  # of the plot
    rows: tuple[Row, ...]  # with a value on every axis, in the suite's order
    x: Reading | None  # reading of the horizontal quantity; `None` for bars
    y: Reading  # reading of the vertical quantity
    series: Reading | None  # reading that splits the rows
    notes: tuple[str, ...]  # lines below the plot
    # all readings of y, `y` the first; several only for bars side by side
    ys: tuple[Reading, ...] = ()
    every: tuple[Row, ...] = ()  # all rows, those without a value in their places
    value: Reading | None = None  # reading of what the cells of a heat map show
    # further axes that part the rows of a series, where several of them would share an x
    apart_by: tuple[Reading, ...] = ()

    @property
    def readings(self) -> tuple[Reading, ...]:
        """Of all that is shown, in the order x, y, value; several of y for bars side by side."""
        return tuple(r for r in (self.x, *(self.ys or (self.y,)), self.value) if r is not None)

    @property
    def lost(self) -> tuple[Row, ...]:
        """Rows without a value on some axis, in the suite's order."""
        kept = {id(row) for row in self.rows}
        return tuple(row for row in self.every if id(row) not in kept)

    @property
    def legend_title(self) -> str:
        """What the series are, where their names do not say it."""
        if self.series is None or any(" = " in name for name in self.groups()):
            return ""
        return self.series.name

    def groups(self) -> dict[str, list[Row]]:
        """Rows by series, in the order of first appearance; one unnamed series without a split."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(self.group(row), []).append(row)
        return found

    def group(self, row: Row) -> str:
        """The series of a row: `heads = 8`; a word that says itself what it is stands alone."""
        if self.series is None:
            return ""
        text, axis = value_text(self.series, row), self.series.name
        if self.apart_by:
            others = (value_text(each, row) or f"no {each.name}" for each in self.apart_by)
            return short(", ".join([text or f"no {axis}", *others]))
        if text is None:
            return short(f"no {axis}")
        is_axis = self.series.quantity.name.startswith(FACTORS) and axis not in _PLAIN_AXES
        return short(f"{axis} = {text}" if is_axis or not self.series.is_text else text)


def value_text(reading: Reading, row: Row) -> str | None:
    """A value of an axis as people write it: `0.5`, not `0.500`; `None` where there is none."""
    number = None if reading.is_text else reading.ours(row)
    return reading.text(row) if number is None else f"{number:g}"


def complete(rows: Sequence[Row], readings: Sequence[Reading]) -> tuple[Row, ...]:
    """Rows that have a value of every reading."""
    return tuple(row for row in rows if all(reading.text(row) is not None for reading in readings))


def missing(rows: Sequence[Row], kept: Sequence[Row], readings: Sequence[Reading]) -> str | None:
    """`not shown: label (oom: ...)` for the rows that a plot leaves out; `None` if it has all.

    Rows that share their cause share its words; of more than `_MOST_NAMED` the rest is counted.
    """
    causes: dict[str, list[str]] = {}
    shown_ids = {id(row) for row in kept}
    for row in rows:
        if id(row) not in shown_ids:
            causes.setdefault(why(row, readings), []).append(short(str(row.get("label"))))
    if not causes:
        return None
    said = []
    for cause, who in causes.items():
        more = f" and {len(who) - _MOST_NAMED} more" if len(who) > _MOST_NAMED else ""
        said.append(f"{', '.join(who[:_MOST_NAMED])}{more} ({cause})")
    return f"not shown: {', '.join(said)}"


def why(row: Row, readings: Sequence[Reading], width: int = 90) -> str:
    """Why a row has no value: `oom: CUDA out of memory`, or what was not measured."""
    if row.get("status") != "ok":
        status, cause = str(row.get("status") or "not run"), row.get("cause")
        line = " ".join(str(cause or "").split())
        brief = line if len(line) <= width else line[: width - 3] + "..."
        return f"{status}: {brief}" if brief else status
    absent = [each.quantity.head for each in readings if each.text(row) is None]
    return f"no {', '.join(absent)}" if absent else "0 has no place on a logarithmic axis"
