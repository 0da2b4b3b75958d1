"""Signed ranks of drawn pairs: against counting all draws, by hand, and whatever the noise is."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.statistics.signed_rank import signed_ranks


def counted(stages):
    """The two-sided p value from every draw of the signs, by ranks of sizes within stages."""
    ranks = []
    for stage in stages:
        order = sorted(range(len(stage)), key=lambda i: abs(stage[i]))
        ranks += [(order.index(i) + 1, stage[i] > 0) for i in range(len(stage))]
    above = sum(rank for rank, positive in ranks if positive)
    total = sum(rank for rank, _ in ranks)
    extreme = max(above, total - above)
    draws = list(product((0, 1), repeat=len(ranks)))
    hits = sum(
        sum(rank for (rank, _), sign in zip(ranks, draw, strict=True) if sign) >= extreme
        for draw in draws
    )
    return min(2 * hits / len(draws), 1.0)


sizes = st.floats(0.001, 1.0).flatmap(lambda size: st.sampled_from((-size, size)))
stage = st.lists(sizes, min_size=1, max_size=5, unique_by=abs)


@settings(deadline=None, max_examples=60)
@given(st.lists(stage, min_size=1, max_size=2))
def test_p_is_the_share_of_draws_that_are_as_extreme(stages):
    assert signed_ranks(stages).p == pytest.approx(counted(stages))


def test_by_hand():
    # Averages of 1, 2, 6: 1, 1.5, 2, 3.5, 4, 6. All above 0: 2 of 8 draws are as extreme.
    made = signed_ranks([[1.0, 2.0, 6.0]])
    assert made.p == 2 / 8
    assert math.log(made.ratio) == pytest.approx(2.75)
    assert (made.low, made.high) == (0.0, math.inf)  # three pairs have no interval at 95 %


def test_the_interval_of_six_pairs_is_their_range():
    """Each end is missed where all six coins agree: 2 / 64 together."""
    made = signed_ranks([[0.3, -0.1, 0.2, 0.5, 0.0, 0.1]])
    assert math.log(made.low) == pytest.approx(-0.1)
    assert math.log(made.high) == pytest.approx(0.5)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(-0.5, 0.5), min_size=6, max_size=14), st.floats(-0.3, 0.3))
def test_the_interval_holds_what_the_test_does_not_refuse(differences, shift):
    made = signed_ranks([differences[:6], differences[6:]])
    moved = signed_ranks([[d - shift for d in part] for part in (differences[:6], differences[6:])])
    inside = math.log(made.low) - 1e-9 <= shift <= math.log(made.high) + 1e-9
    outside = shift < math.log(made.low) - 1e-9 or shift > math.log(made.high) + 1e-9
    assert inside or moved.p <= 0.05
    assert (
        outside
        or moved.p > 0.05
        or min(abs(shift - math.log(end)) for end in (made.low, made.high)) < 1e-6
    )


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=9), min_size=1, max_size=3))
def test_exchanging_the_versions_turns_the_answer_around(stages):
    made, turned = signed_ranks(stages), signed_ranks([[-d for d in each] for each in stages])
    assert turned.p == made.p
    assert turned.ratio == pytest.approx(1 / made.ratio)
    if made.low > 0:
        assert turned.low == pytest.approx(1 / made.high)


def test_equal_values_are_no_difference():
    made = signed_ranks([[0.0] * 12])
    assert (made.p, made.ratio, made.low, made.high) == (1.0, 1.0, 1.0, 1.0)


def test_ties_and_zeros_are_never_counted_as_evidence():
    """Of 12 pairs 6 are 0, the others on one side: no p value that 6 pairs could not have."""
    made = signed_ranks([[0.0] * 6 + [0.1] * 6])
    assert made.p > 2 / 2**12
    assert signed_ranks([[0.1, -0.1] * 6]).p == 1.0


@pytest.mark.parametrize("stages", [[], [[]]])
def test_no_pair_is_no_test(stages):
    with pytest.raises(ValueError, match="at least one pair"):
        signed_ranks(stages)


SLOTS = {
    "a rhythm of four": lambda n: 0.05 * np.sin(np.pi / 2 * np.arange(n) + 0.3),
    "a rhythm of three": lambda n: 0.05 * np.sin(2 * np.pi / 3 * np.arange(n)),
    "a drift": lambda n: 0.01 * np.arange(n),
    "two modes": lambda n: 0.1 * (np.arange(n) * 7919 % 13 < 6),
    "one wild process": lambda n: np.where(np.arange(n) == 5, 3.0, 1e-3 * np.arange(n)),
}


@pytest.mark.parametrize("name", SLOTS)
def test_the_draw_alone_makes_the_test_hold_its_level_under_any_noise(name):
    """Times of the slots are fixed; 2,000 draws say which version met which slot."""
    levels = SLOTS[name](24)
    steps = levels[1::2] - levels[::2]
    draw = np.random.default_rng(3)
    draws = 2000
    signs = draw.choice((-1.0, 1.0), (draws, len(steps)))
    p = np.array([signed_ranks([each[:6], each[6:]]).p for each in signs * steps])
    for level in (0.01, 0.05, 0.2):
        assert (p <= level).sum() <= level * draws + 3 * math.sqrt(level * draws)
    covered = [signed_ranks([each]) for each in signs[:400] * steps + 0.05]
    missed = sum(not each.low <= math.exp(0.05) + 1e-12 <= each.high + 1e-12 for each in covered)
    assert missed <= 0.05 * 400 + 3 * math.sqrt(0.05 * 400)


@settings(deadline=None, max_examples=40)
@given(stage, stage, st.floats(0.001, 1000))
def test_how_loud_a_stage_is_says_nothing(first, second, loud):
    """So what was seen may decide what runs next: later sizes change no p value of the signs."""
    louder = [loud * each for each in second]
    assert signed_ranks([first, louder]).p == signed_ranks([first, second]).p


def test_what_no_float_holds_is_infinite():
    assert signed_ranks([[1400.0, -1400.0] * 3]).high == math.inf
