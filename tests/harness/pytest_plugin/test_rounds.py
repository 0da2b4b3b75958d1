"""Rounds of pytest-benchmark for a suite's latency settings."""

from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.api.pytest_suite import rounds
from harness.case import Timing

SECONDS = st.floats(1e-7, 100.0)


@pytest.mark.parametrize(
    ("timing", "seconds", "expected"),
    [
        (Timing("fixed", samples=7), 0.01, 7),
        (Timing("fixed", samples=1000, max_time=1.0), 0.01, 100),  # the time limit comes first
        (Timing("budget", max_time=2.0), 0.01, 200),
        (Timing("settled_noise", samples=10, min_time=0.5), 0.001, 500),
        (Timing("relative_stdev", samples=10, min_time=0.5), 0.1, 10),
        (Timing("settled_noise", max_time=1.0), 0.3, 3),
        (Timing("settled_noise", max_time=1.0), 30.0, 1),
    ],
)
def test_what_a_suite_says(timing, seconds, expected):
    assert rounds(timing, "cpu", seconds, seconds) == expected


def test_cuda_has_the_longer_limit_and_slow_turns_cost_rounds():
    timing = Timing("fixed", samples=1000)
    assert rounds(timing, "cuda", 0.1, 0.1) == 3 * rounds(timing, "cpu", 0.1, 0.1) == 150
    assert rounds(timing, "cpu", 0.1, 0.5) == 10


@settings(deadline=None, max_examples=100)
@given(SECONDS, SECONDS, st.integers(1, 50), st.floats(0.01, 5.0), st.floats(5.0, 50.0))
def test_at_least_one_and_within_the_limit(seconds, flush, samples, min_time, max_time):
    timing = Timing("settled_noise", samples=samples, min_time=min_time, max_time=max_time)
    count = rounds(timing, "cpu", seconds, seconds + flush)
    assert count >= 1
    assert count == 1 or count * (seconds + flush) <= max_time * (1 + 1e-9)
    assert count <= max(samples, ceil(min_time / seconds))
