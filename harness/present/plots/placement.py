"""Placement of labels beside points, so that no label covers another one or a point.

Deterministic: every label tries positions around its point, near ones first, and takes the
cheapest; a few sweeps over all labels let early ones move for late ones.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Point = tuple[float, float]

_DIRECTIONS = 16
_RINGS = (5.5, 9.0, 15.0, 23.0, 33.0, 45.0, 60.0, 78.0, 100.0)
_SWEEPS = 6
_POINT_RADIUS = 3.5  # of the marks that scatter.py draws
_LABEL_GAP = 1.5
# A label further away than this is tied to its point by a line.
LEADER = 10.0


@dataclass(frozen=True)
class Box:
    """A rectangle: left, bottom, right, top."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: "Box") -> float:
        """Area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0.0) * max(height, 0.0)

    def grown(self, by: float) -> "Box":
        """The same rectangle with a margin."""
        return Box(self.left - by, self.bottom - by, self.right + by, self.top + by)

    def scaled(self, by: float) -> "Box":
        """The same rectangle where a unit is another one."""
        return Box(self.left * by, self.bottom * by, self.right * by, self.top * by)

    @property
    def area(self) -> float:
        """Width times height."""
        return (self.right - self.left) * (self.top - self.bottom)

    def nearest(self, point: Point) -> Point:
        """Its point nearest to a given one."""
        x, y = point
        return min(max(x, self.left), self.right), min(max(y, self.bottom), self.top)

    def distance(self, point: Point) -> float:
        """From a point to the rectangle; 0 inside."""
        return math.dist(point, self.nearest(point))


def _places_around(point: Point, size: tuple[float, float]) -> list[Box]:
    """Boxes around a point, right and above first, ring by ring."""
    x, y = point
    width, height = size
    boxes = []
    for ring in _RINGS:
        for step in range(_DIRECTIONS):
            angle = 2 * math.pi * step / _DIRECTIONS
            across, up = math.cos(angle), math.sin(angle)
            centre_x = x + across * (ring + width / 2)
            centre_y = y + up * (ring + height / 2)
            low_x, low_y = centre_x - width / 2, centre_y - height / 2
            boxes.append(Box(low_x, low_y, centre_x + width / 2, centre_y + height / 2))
    return boxes


Boxes = npt.NDArray[np.float64]  # rows of left, bottom, right, top


def _array(boxes: Sequence[Box]) -> Boxes:
    return np.array([(b.left, b.bottom, b.right, b.top) for b in boxes], float).reshape(-1, 4)


def _overlaps(boxes: Boxes, others: Boxes) -> Boxes:
    """Area that each of the boxes shares with all others together."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared: Boxes = np.clip(high - low, 0.0, None).prod(axis=2).sum(axis=1)
    return shared


def _standing_cost(choices: Sequence[Box], point: Point, obstacles: Boxes, bounds: Box) -> Boxes:
    """What each place costs by itself: leaving the frame, distance, covering points and lines."""
    boxes = _array(choices)
    padded = boxes + np.array([-_LABEL_GAP, -_LABEL_GAP, _LABEL_GAP, _LABEL_GAP])
    area = np.array([box.area for box in choices])
    outside = area - _overlaps(boxes, _array([bounds]))
    distance = np.array([box.distance(point) for box in choices])
    cost: Boxes = 50.0 * outside + distance + 20.0 * _overlaps(padded, obstacles)
    return cost


def _crossings(
    choices: Sequence[Box], point: Point, others: Sequence[tuple[Box, Point]]
) -> list[int]:
    """How many leaders of other labels each place's own leader would cross."""

    def side(p: Point, q: Point, r: Point) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    def cross(a: Point, b: Point, c: Point, d: Point) -> bool:
        return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0

    ties = [(its_point, other.nearest(its_point)) for other, its_point in others]
    leaders = [(point, box.nearest(point)) for box in choices]
    return [sum(cross(*leader, *tie) for tie in ties) for leader in leaders]


def place(
    points: Sequence[Point],
    sizes: Sequence[tuple[float, float]],
    bounds: Box,
    obstacles: Sequence[Box] = (),
) -> list[Box]:
    """A box for the label of every point.

    Args:
        points: in points (1/72 inch), y upwards.
        sizes: width and height of the labels.
        bounds: in which labels should stay.
        obstacles: further rectangles that they should leave free.

    Returns:
        One box per label, in the order given.
    """
    blocked = _array([*obstacles, *(Box(x, y, x, y).grown(_POINT_RADIUS) for x, y in points)])
    choices = [_places_around(point, size) for point, size in zip(points, sizes, strict=True)]
    padded = [_array([box.grown(_LABEL_GAP) for box in each]) for each in choices]
    standing = [
        _standing_cost(each, point, blocked, bounds)
        for each, point in zip(choices, points, strict=True)
    ]
    order = sorted(range(len(points)), key=lambda index: (points[index], index))
    placed: dict[int, Box] = {}
    for _ in range(_SWEEPS):
        before = dict(placed)
        for index in order:
            others = [(box, points[other]) for other, box in placed.items() if other != index]
            cost = standing[index].copy()
            if others:
                cost += 40.0 * _overlaps(padded[index], _array([box for box, _ in others]))
                cost += 200.0 * np.array(_crossings(choices[index], points[index], others))
            placed[index] = choices[index][int(cost.argmin())]
        if placed == before:
            break
    return [placed[index] for index in range(len(points))]


def along(corners: Sequence[Point], step: float) -> list[Box]:
    """Small boxes along a line, so that labels keep off it.

    Args:
        step: from box to box, and the size of each.
    """
    boxes = []
    for start, end in pairwise(corners):
        count = max(1, int(math.dist(start, end) / step))
        for number in range(count + 1):
            part = number / count
            x, y = (a + part * (b - a) for a, b in zip(start, end, strict=True))
            boxes.append(Box(x, y, x, y).grown(step / 2))
    return boxes


def in_points(figure: Figure, axes: Axes, places: Sequence[Point]) -> list[Point]:
    """Places in the units of settled axes, in points from the figure's lower left corner."""
    spots = axes.transData.transform(list(places)) / (figure.dpi / 72)
    return [(float(x), float(y)) for x, y in spots]


def room(figure: Figure, artist: Artist) -> Box:
    """What an artist of a settled figure takes, in points."""
    extents = artist.get_window_extent().extents
    return Box(*(float(each) / (figure.dpi / 72) for each in extents))


def kept_apart(wanted: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Centres nearest to the wanted ones at which labels in one column do not overlap.

    Least squares under order constraints, by pooling adjacent violators (Barlow et al., 1972):
    labels that would overlap share the mean of their wishes, others stay where they want to be.
    """
    order = sorted(range(len(wanted)), key=lambda index: (wanted[index], index))
    # Without the room that the labels below take, "no overlap" becomes "not decreasing".
    rooms = [0.0]
    for below, above in pairwise(order):
        rooms.append(rooms[-1] + (heights[below] + heights[above]) / 2)
    pools: list[tuple[float, int]] = []  # sum of the wishes, number of labels
    for index, room in zip(order, rooms, strict=False):
        wish, members = wanted[index] - room, 1
        while pools and pools[-1][0] / pools[-1][1] > wish / members:
            before = pools.pop()
            wish, members = wish + before[0], members + before[1]
        pools.append((wish, members))
    level = [wish / members for wish, members in pools for _ in range(members)]
    centres = dict(zip(order, (a + b for a, b in zip(level, rooms, strict=False)), strict=True))
    return [centres[index] for index in range(len(wanted))]


def kept_below(centres: Sequence[float], height: float, top: float) -> list[float]:
    """The same centres of labels of a height, as far down as needed for all to stay below `top`."""
    found = list(centres)
    for index in sorted(range(len(found)), key=lambda each: (-found[each], each)):
        found[index] = min(found[index], top)
        top = found[index] - height
    return found
