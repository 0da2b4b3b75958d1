"""Adjusted p values against the paper's example and its step-up rule."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.statistics.significance import adjusted

# Benjamini and Hochberg 1995, section 4.1: fifteen comparisons of a study of myocardial infarction;
# at 5 % their procedure calls four, Bonferroni's three.
PAPER = (
    0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
    0.6528, 0.7590, 1.0000,
)  # fmt: skip

p_values = st.lists(st.floats(min_value=0, max_value=1), max_size=30)


def test_the_example_of_the_paper():
    assert sum(p <= 0.05 for p in adjusted(PAPER)) == 4
    assert adjusted(PAPER)[3] == pytest.approx(0.0095 * 15 / 4)
    # R's p.adjust lets no value exceed the ones after it: 0.0278 and 0.0298 share 0.0298 * 15 / 7.
    assert adjusted(PAPER)[5] == pytest.approx(0.0298 * 15 / 7)


@settings(deadline=None, max_examples=200)
@given(p=p_values, alpha=st.floats(min_value=0.001, max_value=0.5))
def test_calls_are_those_of_the_step_up_rule(p, alpha):
    """Call the k smallest, k the largest rank with p_(k) <= k alpha / m."""
    m = len(p)
    ordered = sorted(p)
    k = max((rank for rank in range(1, m + 1) if ordered[rank - 1] <= rank * alpha / m), default=0)
    found = adjusted(p)
    near = any(abs(q - alpha) < 1e-9 for q in found)  # where rounding decides
    assert near or sum(q <= alpha for q in found) == (
        sum(x <= ordered[k - 1] for x in p) if k else 0
    )


@settings(deadline=None, max_examples=100)
@given(p=p_values, seed=st.integers(0, 100))
def test_order_is_kept_and_nothing_shrinks(p, seed):
    found = adjusted(p)
    assert all(
        before <= after * (1 + 1e-12) <= 1.000001 for before, after in zip(p, found, strict=True)
    )
    order = list(range(len(p)))
    random.Random(seed).shuffle(order)
    assert adjusted([p[i] for i in order]) == [found[i] for i in order]


def test_one_question_is_not_adjusted():
    assert adjusted([0.03]) == [0.03]
    assert adjusted([]) == []


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_refuses(p):
    with pytest.raises(ValueError, match="between 0 and 1"):
        adjusted([0.5, p])
