"""The roofline model's arithmetic."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.measure.convention import Roof

POSITIVE = st.floats(1e-3, 1e15)
ROOF = Roof(flops_per_second=100e9, bytes_per_second=10e9)


def test_both_roofs_meet_at_the_ridge():
    assert ROOF.ridge == 10.0
    assert ROOF.attainable(10.0) == 100e9
    assert ROOF.attainable(1.0) == 10e9
    assert ROOF.attainable(1e6) == 100e9


@pytest.mark.parametrize(
    ("flops", "moved", "bound", "seconds"),
    [
        (100e9, 1e9, "compute", 1.0),
        (1e9, 10e9, "memory", 1.0),
        (100e9, 10e9, "compute", 1.0),  # at the ridge itself
        (0, 20e9, "memory", 2.0),  # nothing but elementwise work
    ],
)
def test_the_lower_roof_bounds(flops, moved, bound, seconds):
    assert ROOF.bound(flops, moved) == bound
    assert ROOF.least_seconds(flops, moved) == seconds


@settings(deadline=None, max_examples=60)
@given(POSITIVE, POSITIVE, POSITIVE, POSITIVE)
def test_least_time_and_attainable_rate_say_the_same(peak, bandwidth, flops, moved):
    roof = Roof(peak, bandwidth)
    assert flops / roof.least_seconds(flops, moved) == pytest.approx(
        roof.attainable(flops / moved), rel=1e-9
    )
