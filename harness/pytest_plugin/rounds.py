"""How many rounds pytest-benchmark runs for what a suite says under `latency`."""

from math import ceil

from harness.case import Device
from harness.measure.criterion import criterion_of, wall_budget
from harness.measure.stopping import FixedCount, RelativeStdev, TimeBudget
from harness.timing import Timing

_SHORTEST = 1e-9
"""Seconds; what a clock of the host can tell."""


def rounds(timing: Timing, device: Device, pass_seconds: float, turn_seconds: float) -> int:
    """Rounds of one pass each, fixed beforehand as pytest-benchmark's pedantic mode needs them.

    The criteria of spread become their least number of samples and least time: whether the spread
    is small is not known beforehand, and pytest-benchmark prints it.

    Args:
        timing: what the suite says.
        device: where the case runs; it sets the longest time if the suite does not.
        pass_seconds: of one pass after the warm-up.
        turn_seconds: of one pass with what precedes it, as emptying the caches.
    """
    one = max(pass_seconds, _SHORTEST)
    criterion = criterion_of(timing, device)
    if isinstance(criterion, TimeBudget):
        wanted = ceil(criterion.seconds / one)
    elif isinstance(criterion, RelativeStdev):
        wanted = max(criterion.min_samples, ceil(criterion.min_time / one))
    else:
        assert isinstance(criterion, FixedCount)
        wanted = criterion.samples
    most = int(wall_budget(timing, device) / max(turn_seconds, one))
    return max(1, min(wanted, most))
