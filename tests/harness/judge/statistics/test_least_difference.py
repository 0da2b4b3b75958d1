import random

import pytest

from harness.judge.statistics.significance import least_difference


def test_two_groups_are_students_test():
    # Pooled variance 1, two groups of three: t(0.975, 4) = 2.7764, times sqrt(2 / 3).
    found = least_difference([[1.0, 2.0, 3.0], [11.0, 12.0, 13.0]])
    assert found.deviation == pytest.approx(1.0)
    assert found.difference == pytest.approx(2.7764 * (2 / 3) ** 0.5, rel=1e-4)


def test_more_groups_make_the_same_scatter_tell_more():
    pair = [0.0, 1.0]
    differences = [least_difference([pair] * count).difference for count in (2, 4, 8, 30)]
    assert differences == sorted(differences, reverse=True)
    assert differences[-1] == pytest.approx(2.042 * 0.5**0.5, rel=1e-3)  # t(0.975, 30) = 2.042


def test_groups_of_other_sizes_differ_from_other_differences_on():
    # Pooled variance 5 / 6, t(0.975, 3) = 3.1824.
    found = least_difference([[1.0, 2.0], [1.0, 2.0, 3.0]])
    assert found.difference == pytest.approx(
        3.1824 * (5 / 6) ** 0.5 * (1 / 2 + 1 / 3) ** 0.5, rel=1e-4
    )
    assert found.between(2, 3) == pytest.approx(found.difference)
    assert found.between(3, 3) < found.difference < found.between(2, 2)


@pytest.mark.parametrize("groups", [[], [[1.0, 2.0]], [[1.0], [2.0]]])
def test_what_cannot_be_pooled_has_none(groups):
    assert least_difference(groups) is None


def test_equal_means_seldom_differ():
    """Coverage by simulation: of one comparison among eight rows of two seeds, 5 % alarm."""
    chance = random.Random(5)
    alarms = 0
    for _ in range(600):
        rows = [[chance.gauss(0, 1) for _ in range(2)] for _ in range(8)]
        least = least_difference(rows).difference
        alarms += abs(sum(rows[0]) / 2 - sum(rows[1]) / 2) >= least
    assert 0.03 <= alarms / 600 <= 0.07
