"""The sampling loop on a clock that only moves when a pass runs."""

import statistics
import time
from itertools import chain, repeat
from random import Random

import pytest
from made_subjects import spin

from harness.measure.sampling import (
    MAX_WARMUP_PASSES,
    FixedCount,
    RelativeStdev,
    SettledNoise,
    TimeBudget,
    sample_interleaved,
    sample_until,
)


class FakeClock:
    """Passes of given durations, the last for ever, with a fixed overhead between them."""

    def __init__(self, *durations, overhead=0.0):
        self.now = 100.0
        self.passes = 0
        self._durations = chain(durations, repeat(durations[-1]))
        self._overhead = overhead

    def __call__(self):
        return self.now

    def take(self):
        seconds = next(self._durations)
        self.now += seconds + self._overhead
        self.passes += 1
        return seconds


def sampled(clock, criterion, **options):
    return sample_until(clock.take, criterion, clock, **options)


def test_steady_passes():
    result = sampled(FakeClock(1.0, 0.5), FixedCount(3))
    assert result.warmup == (1.0, 0.5, 0.5)
    assert result.samples == (0.5, 0.5, 0.5)
    assert result.flags == ()


def test_warm_up_ends_once_two_neighbours_agree():
    result = sampled(FakeClock(3.0, 2.0, 1.5, 1.47, 1.0), FixedCount(1), budget=100.0)
    assert result.warmup == (3.0, 2.0, 1.5, 1.47)
    assert result.samples == (1.0,)


def test_restless_warm_up_is_bounded_and_flagged():
    clock = FakeClock(*(1e-3 * (1 + i % 2) for i in range(100)))
    result = sampled(clock, FixedCount(4))
    assert len(result.warmup) == MAX_WARMUP_PASSES
    assert len(result.samples) == 4
    assert result.flags == ("the warm-up did not become steady",)


def test_warm_up_takes_a_quarter_of_the_budget_at_most():
    clock = FakeClock(*(1.0 + i % 2 for i in range(100)))
    result = sampled(clock, FixedCount(2), budget=20.0)
    assert sum(result.warmup) <= 5.0 + 2.0  # the pass during which the share ends is kept
    assert len(result.warmup) < MAX_WARMUP_PASSES
    assert result.flags == ("the warm-up did not become steady",)


@pytest.mark.parametrize(
    ("criterion", "unmet"),
    [
        (FixedCount(10), "4 of 10 samples"),
        (RelativeStdev(), "4 of 10 samples"),
        (SettledNoise(), "4 of 10 samples"),
        (TimeBudget(15.0), "4 of 15 s sampled"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_budget_ends_the_sampling_and_names_what_is_missing(criterion, unmet):
    result = sampled(FakeClock(1.0), criterion, budget=4.5)
    assert result.samples == (1.0,) * 4
    assert result.flags == (f"stopped at the budget of 4.5 s: {unmet}",)


def test_budget_is_not_overrun_by_a_pass_that_cannot_fit():
    clock = FakeClock(1.0)
    sampled(clock, FixedCount(100), budget=10.0)
    assert clock.now <= 100.0 + 2.0 + 10.0  # two passes of warm-up


def test_overhead_between_samples_counts_towards_the_budget():
    result = sampled(FakeClock(0.5, overhead=0.5), FixedCount(100), budget=8.0)
    assert len(result.samples) == 8


def test_slow_module_gets_one_warm_up_and_one_sample():
    result = sampled(FakeClock(60.0), SettledNoise(), budget=5.0)
    assert result.warmup == (60.0,)
    assert result.samples == (60.0,)
    assert result.flags[0] == "stopped at the budget of 5 s: 1 of 10 samples"


def test_passes_that_came_before_are_part_of_the_warm_up_and_of_its_share():
    slow = sampled(FakeClock(2.0), FixedCount(2), budget=5.0, before=(60.0,))
    assert (slow.warmup, slow.samples) == ((60.0,), (2.0, 2.0))
    assert slow.flags == ("the warm-up did not become steady",)
    quick = sampled(FakeClock(0.1), FixedCount(2), budget=5.0, before=(0.1,))
    assert (quick.warmup, quick.samples, quick.steady) == ((0.1, 0.1), (0.1, 0.1), True)


@pytest.mark.parametrize("criterion", [TimeBudget(0.0), FixedCount(0)])
def test_one_sample_is_taken_even_if_none_is_asked_for(criterion):
    assert sampled(FakeClock(1.0), criterion).samples == (1.0,)


@pytest.mark.parametrize("criterion", [RelativeStdev(), SettledNoise()])
def test_criteria_end_the_loop_without_a_flag(criterion):
    result = sampled(FakeClock(0.125), criterion)
    assert len(result.samples) == 10
    assert result.flags == ()


def test_no_sample_is_dropped():
    clock = FakeClock(1.0, 1.0, 1.0, 9.0, 1.0)
    result = sampled(clock, FixedCount(5), budget=100.0)
    assert result.samples == (1.0, 9.0, 1.0, 1.0, 1.0)
    assert clock.passes == len(result.warmup) + len(result.samples)


def test_ruler_measures_a_wait_of_known_length():
    """2 ms of busy waiting; at most three attempts, since neighbours may take the processor."""
    lengths = []

    def take():
        start = time.perf_counter()
        lengths.append(spin(2e-3))
        return time.perf_counter() - start

    for _ in range(3):
        lengths.clear()
        result = sample_until(take, FixedCount(100), time.perf_counter)
        real = statistics.fmean(lengths[len(result.warmup) :])
        exact = statistics.fmean(result.samples) == pytest.approx(real, rel=0.025)
        undisturbed = min(result.samples) == pytest.approx(2e-3, rel=0.025)
        if exact and undisturbed:
            return
    pytest.fail(f"{result.samples} measured for waits of {lengths}")


class Drifting:
    """A machine that slows down; which of its passes ran when."""

    def __init__(self, *seconds):
        self.now, self.order = 0.0, []
        self.takes = [lambda n=n, each=each: self.run(n, each) for n, each in enumerate(seconds)]

    def __call__(self):
        return self.now

    def run(self, which, seconds):
        self.order.append(which)
        taken = seconds * (1 + self.now / 1000)
        self.now += taken
        return taken


def test_interleaved_passes_run_in_blocks_there_and_back():
    clock = Drifting(1.0, 2.0, 3.0)
    found = sample_interleaved(
        clock.takes, [FixedCount(8) for _ in clock.takes], clock, 1000, Random(0)
    )
    assert [len(each.samples) for each in found] == [8, 8, 8]
    assert all(each.unmet is None for each in found)
    blocks = [clock.order[-n - 6 : len(clock.order) - n] for n in range(0, 24, 6)]
    assert all(block == block[::-1] and set(block) == {0, 1, 2} for block in blocks)
    assert len({tuple(block) for block in blocks}) > 1
    for second in (found[1], found[2]):
        ratios = [y / x for x, y in zip(found[0].samples, second.samples, strict=True)]
        assert statistics.geometric_mean(ratios) == pytest.approx(ratios[0], rel=0.02)


def test_interleaved_passes_go_on_until_each_criterion_is_met_or_the_budget_is_spent():
    clock = Drifting(1.0, 1.0)
    found = sample_interleaved(clock.takes, [FixedCount(2), FixedCount(6)], clock, 1000, Random(0))
    assert [len(each.samples) for each in found] == [6, 6]
    found = sample_interleaved(clock.takes, [FixedCount(2), FixedCount(600)], clock, 50, Random(0))
    assert found[0].unmet is None
    assert found[1].unmet == f"{len(found[1].samples)} of 600 samples"
    assert "stopped at the budget of 50 s" in found[1].flags[0]
