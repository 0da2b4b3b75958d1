"""Placement: labels that cover neither each other nor the points."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.present.plots.placement import Box, kept_apart, place

BOUNDS = Box(0, 0, 450, 280)
POINTS = st.lists(st.tuples(st.floats(40, 410), st.floats(30, 250)), min_size=1, max_size=12)


def covered(boxes):
    return sum(a.overlap(b) for i, a in enumerate(boxes) for b in boxes[:i])


@settings(deadline=None, max_examples=25)
@given(POINTS)
def test_twelve_labels_do_not_overlap(points):
    boxes = place(points, [(70.0, 9.0)] * len(points), BOUNDS)
    assert covered(boxes) == 0
    assert all(box.overlap(BOUNDS) == pytest.approx(box.area) for box in boxes)


def test_even_where_all_points_are_one():
    boxes = place([(200.0, 140.0)] * 12, [(70.0, 9.0)] * 12, BOUNDS)
    assert covered(boxes) == 0
    assert all(box.distance((200.0, 140.0)) > 2 for box in boxes)


def test_labels_leave_points_and_obstacles_free():
    points = [(100.0, 100.0), (112.0, 100.0), (124.0, 100.0)]
    wall = Box(90, 110, 200, 130)
    boxes = place(points, [(60.0, 9.0)] * 3, BOUNDS, [wall])
    for box in boxes:
        assert box.overlap(wall) == 0
        assert all(box.distance(point) > 2 for point in points)


def test_a_lonely_label_stands_close_to_its_point():
    (box,) = place([(200.0, 140.0)], [(60.0, 9.0)], BOUNDS)
    assert box.distance((200.0, 140.0)) < 9


def test_the_same_points_get_the_same_places():
    points = [(10.0 * i % 97, 7.0 * i % 53) for i in range(10)]
    sizes = [(50.0, 9.0)] * 10
    assert place(points, sizes, BOUNDS) == place(points, sizes, BOUNDS)
    assert place([], [], BOUNDS) == []


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=10), st.floats(1, 20))
def test_spread_labels_keep_apart_and_in_order(wanted, height):
    centres = kept_apart(wanted, [height] * len(wanted))
    ordered = [centre for _, _, centre in sorted(zip(wanted, range(99), centres, strict=False))]
    gaps = [b - a for a, b in pairwise(ordered)]
    assert all(gap >= height - 1e-6 for gap in gaps)
    assert math.fsum(centres) == pytest.approx(math.fsum(wanted), abs=1e-6)


def test_spread_moves_only_those_that_meet():
    assert kept_apart([100.0, 0.0, 1.0], [10.0] * 3) == [100.0, -4.5, 5.5]
