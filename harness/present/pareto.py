"""Pareto front: the points that no other point beats on both axes."""

from collections.abc import Sequence

from harness.present.direction import Direction

Point = tuple[float, float]


def front(points: Sequence[Point], x: Direction, y: Direction) -> list[int]:
    """Numbers of the points of the front, from the best in x to the best in y.

    A point is beaten by another one that is at least as good on both axes and better on one; equal
    points stay together. Point estimates count, not their intervals.

    Args:
        points: horizontal and vertical value.
        x: whether less or more of the horizontal value is better.
        y: the same of the vertical value.
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
