"""Longest first: what fits, what cannot, and how far from the best it may be."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.planning.plan import fewest, pack

WHOLE = st.integers(0, 40).map(float)
SMALL = st.lists(WHOLE, min_size=1, max_size=6)
MANY = st.lists(st.floats(0, 1e6, allow_nan=False), max_size=60)


def best(durations, machines):
    """The least time until all are done, by trying every assignment."""
    return min(
        max(math.fsum(d for d, m in zip(durations, chosen, strict=True) if m == machine)
            for machine in range(machines))
        for chosen in itertools.product(range(machines), repeat=len(durations))
    )  # fmt: skip


def everything_once(packing, durations):
    placed = sorted(index for share in packing.shares for index in share)
    assert placed == list(range(len(durations)))
    for share, load in zip(packing.shares, packing.loads, strict=True):
        assert load == pytest.approx(math.fsum(durations[i] for i in share), rel=1e-9)


@settings(max_examples=60)
@given(durations=MANY, machines=st.integers(1, 9))
def test_every_case_is_placed_once(durations, machines):
    packing = pack(durations, machines)
    assert len(packing.shares) == machines
    everything_once(packing, durations)


@settings(max_examples=40)
@given(durations=SMALL, machines=st.integers(1, 3))
def test_never_worse_than_grahams_bound(durations, machines):
    bound = 4 / 3 - 1 / (3 * machines)
    assert pack(durations, machines).makespan <= bound * best(durations, machines) * (1 + 1e-9)


def test_grahams_own_example_reaches_the_bound():
    """Graham 1969: 2m + 1 cases for which the rule is as bad as it can be; here m = 3."""
    durations = [5.0, 5.0, 4.0, 4.0, 3.0, 3.0, 3.0]
    assert pack(durations, 3).makespan == 11.0
    assert best(durations, 3) == 9.0


@settings(max_examples=60)
@given(durations=MANY, slack=st.floats(1, 20))
def test_no_machine_works_beyond_the_limit(durations, slack):
    limit = max(durations, default=1.0) * slack or 1.0
    packing = fewest(durations, limit)
    everything_once(packing, durations)
    assert packing.makespan <= limit * (1 + 1e-6)
    assert len(packing.shares) >= math.fsum(durations) / limit * (1 - 1e-6)


@settings(max_examples=40)
@given(durations=SMALL, limit=st.integers(1, 60))
def test_as_few_machines_as_would_do_within_three_quarters(durations, limit):
    durations = [min(duration, float(limit)) for duration in durations]
    taken = len(fewest(durations, limit).shares)
    enough = [m for m in range(1, 4) if best(durations, m) <= 0.75 * limit]
    assert taken <= min(enough, default=len(durations))
    if taken > 1:
        assert pack(durations, taken - 1).makespan > limit


def test_what_is_too_long_alone_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        fewest([1.0, 7200.5], 7200.0)
    assert fewest([7200.0], 7200.0).loads == (7200.0,)


@pytest.mark.parametrize(
    ("durations", "machines"), [([1.0], 0), ([-1.0], 2), ([float("nan")], 1), ([float("inf")], 1)]
)
def test_what_is_no_duration_is_refused(durations, machines):
    with pytest.raises(ValueError, match=r"machine|durations"):
        pack(durations, machines)


def test_ten_thousand_cases_need_no_search_case_by_case():
    """Just over half the limit each: one machine per case, found without trying every number."""
    packing = fewest([0.6] * 10_000, 1.0)
    assert len(packing.shares) == 10_000
