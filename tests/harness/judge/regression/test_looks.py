"""When a gate looks: as early as the draw allows, and never for more than alpha."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.regression.looks import fewest_pairs, pairs_needed, planned
from harness.judge.statistics.signed_rank import signed_ranks


@given(st.floats(1e-6, 0.5), st.integers(1, 500), st.integers(1, 8))
def test_all_looks_together_cost_no_more_than_alpha(alpha, cases, looks):
    plan = planned(alpha, cases, looks)
    assert sum(look.share for look in plan) <= 1
    assert [look.pairs for look in plan] == sorted({look.pairs for look in plan})
    differing = [look for look in plan if look.share]
    assert len(differing) == looks
    for look in differing:  # the only slow case of the grid can be found at each of them
        assert 2 / 2**look.pairs <= alpha * look.share / cases * (1 + 1e-9)


def test_the_looks_of_ten_cases():
    plan = planned(0.01, 10, 4)
    assert [look.pairs for look in plan] == [6, 14, 28, 56, 112]
    assert [look.share for look in plan] == pytest.approx([0, 0.2, 0.16, 0.128, 0.1024])
    assert [look.pairs for look in planned(0.01, 50, 2)] == [6, 16, 32]
    assert [look.pairs for look in planned(0.5, 1, 2)] == [6, 12]


@pytest.mark.parametrize(("p", "pairs"), [(1.0, 1), (0.05, 6), (2 / 2**12, 12), (2 / 2**12.1, 13)])
def test_the_fewest_pairs_have_outcomes_enough(p, pairs):
    assert fewest_pairs(p) == pairs
    assert signed_ranks([[0.1 + 0.01 * i for i in range(pairs)]]).p <= p


def needed(middle, spread, pairs=12, min_effect=0.02):
    steps = [middle + spread * (i - (pairs - 1) / 2) / pairs for i in range(pairs)]
    return pairs_needed(signed_ranks([steps]), pairs, min_effect, 0.0005)


def test_pairs_needed_grow_with_the_spread_and_towards_the_least_effect():
    assert needed(0.0, 0.01) < needed(0.0, 0.05) == pytest.approx(25 * needed(0.0, 0.01))
    assert needed(0.0, 0.05) < needed(0.015, 0.05)
    assert needed(0.1, 0.2) < needed(0.05, 0.2)
    assert needed(0.0, 0.0) == needed(0.05, 0.0) == 0
    assert needed(math.log(1.02) - 1e-12, 0.05) > 10**6
    assert needed(0.05, 0.05, pairs=5) == math.inf  # no interval yet
