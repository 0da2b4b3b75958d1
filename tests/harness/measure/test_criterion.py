"""From `Timing` to a criterion and a budget; every choice ends sampling as it says."""

import pytest
from test_sampling import FakeClock

from harness.case import Timing
from harness.measure.sampling import (
    CPU_BUDGET,
    MAX_TIME,
    OVERHEAD,
    FixedCount,
    RelativeStdev,
    SettledNoise,
    TimeBudget,
    criterion_of,
    sample_until,
    wall_budget,
)


def sampled(clock, timing, device="cpu"):
    budget = wall_budget(timing, device)
    return sample_until(clock.take, criterion_of(timing, device), clock, budget)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("settled_noise", SettledNoise),
        ("relative_stdev", RelativeStdev),
        ("fixed", FixedCount),
        ("budget", TimeBudget),
    ],
)
def test_names(name, kind):
    assert type(criterion_of(Timing(criterion=name))) is kind


@pytest.mark.parametrize("name", ["settled_noise", "relative_stdev"])
def test_least_samples_and_least_time(name):
    few = sampled(FakeClock(0.125), Timing(name, samples=3, min_time=0.25))
    assert len(few.samples) == 3
    long = sampled(FakeClock(0.125), Timing(name, samples=3, min_time=2.0))
    assert sum(long.samples) == 2.0


def test_allowed_spread_decides():
    durations = [1e-2 * (1 + 0.02 * (i % 2)) for i in range(1000)]
    loose = Timing("relative_stdev", relative_stdev=0.05, min_time=0.1)
    strict = Timing("relative_stdev", relative_stdev=0.001, min_time=0.1, max_time=1.0)
    assert sampled(FakeClock(*durations), loose).unmet is None
    unmet = sampled(FakeClock(*durations), strict).unmet
    assert unmet is not None
    assert unmet.startswith("relative stdev 1.0")
    assert unmet.endswith("wanted below 0.10%")


def test_fixed_number_of_samples():
    result = sampled(FakeClock(0.01), Timing("fixed", samples=37))
    assert len(result.samples) == 37
    assert result.unmet is None


def test_a_budget_is_spent_and_met():
    result = sampled(FakeClock(0.5), Timing("budget", max_time=3.0))
    assert sum(result.samples) == 3.0
    assert result.unmet is None
    assert result.flags == ()


def test_overhead_ends_a_budget_at_a_multiple_of_its_length():
    clock = FakeClock(0.5, overhead=4.5)
    result = sampled(clock, Timing("budget", max_time=10.0))
    assert 5.0 * len(result.samples) <= OVERHEAD * 10.0 + 5.0
    assert result.unmet == f"{0.5 * len(result.samples):.3g} of 10 s sampled"


def test_largest_time_depends_on_the_device_unless_it_is_said():
    assert wall_budget(Timing(), "cpu") == CPU_BUDGET
    assert wall_budget(Timing(), "cuda") == MAX_TIME
    assert wall_budget(Timing(max_time=2.0), "cuda") == 2.0
    unmet = sampled(FakeClock(0.25), Timing("fixed", samples=100, max_time=2.0)).unmet
    assert unmet == "8 of 100 samples"
