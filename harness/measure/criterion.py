"""From what a suite asks for to a stopping criterion and the time that sampling may take."""

from typing import TypeVar

from harness.case import Device
from harness.measure.stopping import (
    MAX_RELATIVE_STDEV,
    MAX_TIME,
    MIN_SAMPLES,
    MIN_TIME,
    FixedCount,
    RelativeStdev,
    SettledNoise,
    StoppingCriterion,
    TimeBudget,
)
from harness.timing import Timing

T = TypeVar("T")

# A forward of a 2048-channel head takes seconds on a CPU; NVBench's 15 s would make a table of
# twelve rows a matter of many minutes, and the interval says what the shorter budget costs.
CPU_BUDGET = 5.0

# Emptying the caches may take longer than a sample. A budget of samples ends at so many times its
# own length on the wall: this project's own choice.
OVERHEAD = 2.0


def criterion_of(timing: Timing, device: Device = "cpu") -> StoppingCriterion:
    """A fresh criterion."""
    if timing.criterion == "fixed":
        return FixedCount(_or(timing.samples, MIN_SAMPLES))
    if timing.criterion == "budget":
        return TimeBudget(_max_time(timing, device))
    kind = SettledNoise if timing.criterion == "settled_noise" else RelativeStdev
    return kind(
        limit=_or(timing.relative_stdev, MAX_RELATIVE_STDEV),
        min_samples=_or(timing.samples, MIN_SAMPLES),
        min_time=_or(timing.min_time, MIN_TIME),
    )


def wall_budget(timing: Timing, device: Device) -> float:
    """Seconds after which sampling ends whatever the criterion says."""
    limit = _max_time(timing, device)
    return OVERHEAD * limit if timing.criterion == "budget" else limit


def _max_time(timing: Timing, device: Device) -> float:
    return _or(timing.max_time, MAX_TIME if device == "cuda" else CPU_BUDGET)


def _or(value: T | None, default: T) -> T:
    return default if value is None else value
