import math
import random
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.statistics.rank_correlation import rank_correlation, ranks

VALUES = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=6)
DISTINCT = st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=12, unique=True)


def by_definition(first, second):
    """Pearson's correlation of mean ranks, each counted anew; `None` where a side is constant."""

    def rank(values):
        return [
            sum(other < each for other in values) + (1 + sum(other == each for other in values)) / 2
            for each in values
        ]

    a, b = rank(first), rank(second)
    mean = (len(a) + 1) / 2
    below = sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b)
    products = sum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    return products / below**0.5 if below else None


def test_the_example_of_scipys_documentation():
    found = rank_correlation([1, 2, 3, 4, 5], [5, 6, 7, 8, 7])
    assert found.coefficient == pytest.approx(0.8207826816681233)
    assert found.pairs == 5


def test_equal_values_share_the_mean_of_their_ranks():
    assert ranks([0.5, 0.1, 0.5, 0.9, 0.5]) == [3, 1, 3, 5, 3]


@given(VALUES)
@settings(deadline=None, max_examples=60)
def test_it_is_what_its_definition_says_ties_included(pairs):
    first, second = zip(*pairs, strict=True)
    expected, found = by_definition(first, second), rank_correlation(first, second)
    if expected is None:
        assert found is None
        return
    assert found.coefficient == pytest.approx(expected)
    orders = [abs(by_definition(first, order)) for order in permutations(second)]
    as_far = sum(each >= abs(expected) - 1e-9 for each in orders)
    assert found.p == pytest.approx(as_far / len(orders))


@given(DISTINCT, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_without_ties_it_is_spearmans_sum_of_squared_differences(first, chance):
    second = chance.sample(first, len(first))
    n = len(first)
    squares = sum((a - b) ** 2 for a, b in zip(ranks(first), ranks(second), strict=True))
    found = rank_correlation(first, second)
    assert found.coefficient == pytest.approx(1 - 6 * squares / (n * (n * n - 1)))
    reverse = rank_correlation(first, [-value for value in second])
    assert reverse.coefficient == pytest.approx(-found.coefficient)
    assert reverse.p == pytest.approx(found.p)
    stretched = rank_correlation([math.atan(v / 1e6) for v in ranks(first)], second)
    assert stretched.coefficient == pytest.approx(found.coefficient)


def test_beyond_seven_pairs_chance_is_as_student_has_it():
    """The share of drawn orders that are as far from 0, near the p value that is said."""
    chance = random.Random(3)
    first, second = list(range(9)), [1, 0, 4, 2, 8, 3, 5, 7, 6]
    found = rank_correlation(first, second)
    drawn = (rank_correlation(first, chance.sample(first, 9)).coefficient for _ in range(4000))
    share = sum(abs(each) >= abs(found.coefficient) - 1e-9 for each in drawn) / 4000
    assert found.p == pytest.approx(share, abs=0.015)
    assert rank_correlation(first, first).p == pytest.approx(2 / math.factorial(9))


@pytest.mark.parametrize("pairs", [[], [(1, 2), (2, 1)], [(1, 1), (1, 2), (1, 3)]])
def test_what_has_no_order_has_no_correlation(pairs):
    assert rank_correlation([x for x, _ in pairs], [y for _, y in pairs]) is None


def test_what_is_no_number_is_refused():
    with pytest.raises(ValueError, match="finite"):
        rank_correlation([1, 2, float("nan")], [1, 2, 3])
    with pytest.raises(ValueError, match="both sides"):
        rank_correlation([1, 2, 3], [1, 2])
