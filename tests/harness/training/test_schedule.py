import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.training.trainer import poly


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 10**6), st.data(), st.floats(0.1, 3.0))
def test_poly_is_the_papers_formula(steps, data, power):
    step = data.draw(st.integers(0, steps - 1))
    expected = math.exp(power * math.log((steps - step) / steps))
    assert poly(step, steps, power=power) == pytest.approx(expected, rel=1e-9)


def test_poly_begins_at_the_base_rate_and_power_one_is_linear():
    assert poly(0, 60_000) == 1.0
    assert [poly(step, 4, power=1.0) for step in range(4)] == [1.0, 0.75, 0.5, 0.25]
    # CPNet on ADE20K: 0.02 * 0.5 ** 0.9 half way.
    assert 0.02 * poly(40_000, 80_000) == pytest.approx(0.0107177, rel=1e-5)


def test_warm_up_rises_to_the_schedule_and_leaves_the_rest_alone():
    plain = [poly(step, 20) for step in range(20)]
    warm = [poly(step, 20, warmup_steps=4) for step in range(20)]
    assert warm[4:] == plain[4:]
    assert [w / p for w, p in zip(warm[:4], plain[:4], strict=True)] == pytest.approx(
        [0.2, 0.4, 0.6, 0.8]
    )


@pytest.mark.parametrize("step", [-1, 10])
def test_a_step_outside_of_the_training_is_refused(step):
    with pytest.raises(ValueError, match="10 steps"):
        poly(step, 10)
