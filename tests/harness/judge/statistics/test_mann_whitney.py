import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.statistics.significance import mann_whitney_p

groups = st.lists(st.integers(0, 20).map(float), min_size=1, max_size=15)


def test_without_ties_by_hand():
    # b beats a in 22 of 25 pairs: z = (22 - 12.5 - 0.5) / sqrt(25 * 11 / 12)
    a, b = [1.0, 2.0, 3.0, 4.0, 8.0], [5.0, 6.0, 7.0, 9.0, 10.0]
    z = 9.0 / math.sqrt(25 * 11 / 12)
    assert mann_whitney_p(a, b) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-9)


def test_ties_shrink_the_variance():
    # ranks: 1.5 1.5 4 4 | 4 6.5 6.5 8; U = 25 - 10 = 15; ties: 2, 3, 2 values: 6 + 24 + 6
    a, b = [1.0, 1.0, 2.0, 2.0], [2.0, 3.0, 3.0, 4.0]
    variance = 16 / 12 * (9 - 36 / (8 * 7))
    z = (15 - 8 - 0.5) / math.sqrt(variance)
    assert mann_whitney_p(a, b) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-9)


def test_its_level_holds_for_independent_values():
    rng = random.Random(1)
    trials = 1000
    hits = sum(
        mann_whitney_p([rng.random() for _ in range(15)], [rng.random() for _ in range(15)]) < 0.05
        for _ in range(trials)
    )
    assert 0.025 * trials < hits < 0.075 * trials


@settings(deadline=None, max_examples=50)
@given(groups, groups)
def test_sides_and_scales_do_not_matter(a, b):
    p = mann_whitney_p(a, b)
    assert 0 <= p <= 1
    assert mann_whitney_p(b, a) == pytest.approx(p)
    assert mann_whitney_p([3 * v + 1 for v in a], [3 * v + 1 for v in b]) == pytest.approx(p)


def test_equal_values_and_empty_groups():
    assert mann_whitney_p([1.0] * 5, [1.0] * 7) == 1.0
    with pytest.raises(ValueError, match="both sides"):
        mann_whitney_p([], [1.0])
