"""The ceiling of observers without context: against enumeration, closed form and known cases."""

import itertools

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from harness.training.data.ceiling import best_guess, ceiling
from harness.training.data.dataset import open_data


def iou_sum(informed, blind, shares):
    """Sum of the expected IoU under given shares of guesses, straight from counts."""
    total = 0.0
    for v, q in enumerate(shares):
        tp = informed[v] + q * blind[v]
        fp = q * (sum(blind) - blind[v])
        fn = (1 - q) * blind[v]
        total += tp / (tp + fp + fn)
    return total


counts = st.lists(st.integers(0, 50), min_size=3, max_size=3)


@settings(deadline=None, max_examples=60)
@given(counts, counts)
def test_no_guess_is_better(informed, blind):
    assume(all(i + u > 0 for i, u in zip(informed, blind, strict=True)))
    best = sum(best_guess(informed, blind))
    steps = range(0, 21)
    for a, b in itertools.product(steps, steps):
        if a + b <= 20:
            shares = (a / 20, b / 20, 1 - (a + b) / 20)
            assert iou_sum(informed, blind, shares) <= best + 1e-9


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 50), min_size=2, max_size=4))
def test_without_informed_pixels_it_is_the_closed_form(blind):
    odds = [u / (sum(blind) - u) for u in blind]
    expected = [o / (1 + sum(odds)) for o in odds]
    assert best_guess([0] * len(blind), blind) == pytest.approx(expected)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 50), min_size=2, max_size=2), st.integers(0, 50))
def test_the_best_of_two_is_reached_by_some_guess(blind, informed):
    best = sum(best_guess([informed, informed], blind))
    reached = max(
        iou_sum([informed, informed], blind, (q / 2000, 1 - q / 2000)) for q in range(2001)
    )
    assert best == pytest.approx(reached, abs=1e-3)


def test_equal_variants():
    assert best_guess([0, 0], [7, 7]) == pytest.approx((1 / 3, 1 / 3))
    assert best_guess([0, 0, 0], [2, 2, 2]) == pytest.approx((1 / 5, 1 / 5, 1 / 5))


def test_nothing_blind_is_all_right():
    assert best_guess([5, 3], [0, 0]) == (1.0, 1.0)


def test_only_one_class_blind_is_guessed_without_cost():
    assert best_guess([5, 3], [0, 4]) == pytest.approx((1.0, 1.0))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    return open_data("scenes", "val", root=folder, parameters={"val": 120, "size": [64, 80]})


def test_a_window_up_to_the_gap_is_as_blind_as_none(data):
    alone = ceiling(data)
    assert ceiling(data, data.parameters.gap) == alone
    assert ceiling(data, data.parameters.gap + 4).miou > alone.miou


def test_wider_windows_know_more_and_the_whole_image_knows_all(data):
    values = [ceiling(data, radius).miou for radius in (0, 8, 12, 20, 30, 80)]
    assert values == sorted(values)
    assert values[-1] == 1.0


def test_classes_known_by_sight_are_right(data):
    found = ceiling(data)
    assert [found.class_iou[name] for name in ("ground", "key a", "key b")] == [1, 1, 1]


def test_more_variants_lower_it(tmp_path):
    parameters = {"val": 200, "variants": 3, "textures": 2, "context": "scene"}
    data = open_data("scenes", "val", root=tmp_path, parameters=parameters)
    assert ceiling(data).miou == pytest.approx((4 + 6 / 5) / 10, abs=0.005)
