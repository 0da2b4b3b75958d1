"""The measurement of a device's ceilings: peak FLOP/s by data type, and bandwidth."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.statistics.intervals import median_interval
from harness.measure.sampling import Clock, RelativeStdev, sample_until
from harness.messages import first_line

if TYPE_CHECKING:
    from harness.measure.roofline.bench import Bench

# Seconds per kernel, warm-up apart: this project's own choice, as those in `measure_rate` are.
BUDGET = 0.6


@dataclass(frozen=True)
class Rate:
    """Work per second."""

    median: float  # work over the median time
    low: float  # work over the upper end of the median time's interval
    high: float  # work over its lower end
    confidence: float  # probability, 0 to 1, that the interval holds the true median
    samples: int  # how many runs were timed


def measure_rate(
    take: Callable[[], float], work: float, clock: Clock, budget: float = BUDGET
) -> Rate:
    """Time a kernel until its median is known, warm-up left out.

    Args:
        take: runs the kernel once; its duration in seconds.
        work: of one run, in operations or bytes.
        clock: seconds that have passed.
        budget: seconds after which sampling ends in any case.
    """
    # A peak is read to two digits, so 1 % of spread suffices; six samples are the fewest whose
    # median has a 95 % interval.
    criterion = RelativeStdev(limit=0.01, min_samples=6, min_time=0.2)
    sampled = sample_until(take, criterion, clock, budget)
    interval = median_interval(sampled.samples)
    return Rate(
        median=work / interval.median,
        low=work / interval.high,
        high=work / interval.low,
        confidence=interval.confidence,
        samples=len(sampled.samples),
    )


# A larger product whose single run would take more of the budget than this is left out: a data type
# that the processor only emulates is slow at every size.
_LONGEST_RUN = BUDGET / 2


@dataclass(frozen=True)
class Peak:
    """Peak arithmetic of one data type."""

    # in FLOP/s, two per multiply-accumulate; `None` where the device has no such product
    rate: Rate | None
    side: int | None = None  # of the square matrices that reached it
    cause: str | None = None  # why there is none


@dataclass(frozen=True)
class Ceilings:
    """What a device can do at most."""

    peaks: dict[str, Peak]  # by data type; on CUDA also `tf32`
    bandwidth: Rate  # in bytes per second, read plus written
    array_bytes: int  # of each of the two arrays of the copy


def measure_ceilings(bench: "Bench") -> Ceilings:
    """Measure all ceilings of a device with its bench."""
    bandwidth = measure_rate(bench.copy(), 2 * bench.array_bytes, bench.clock, 3 * BUDGET)
    peaks = {dtype: measure_peak(bench, dtype) for dtype in bench.dtypes}
    return Ceilings(peaks, bandwidth, bench.array_bytes)


def measure_peak(bench: "Bench", dtype: str) -> Peak:
    """The fastest of square products of growing sides.

    The largest of several medians is, by the noise of each, slightly too high; that is the safe
    side for a ceiling.
    """
    best: Peak | None = None
    for side in bench.sides:
        work = 2.0 * side**3
        if best is not None and best.rate is not None and work / best.rate.median > _LONGEST_RUN:
            break
        try:
            rate = measure_rate(bench.matmul(dtype, side), work, bench.clock)
        except (RuntimeError, NotImplementedError) as error:
            return best or Peak(None, cause=first_line(error))
        if best is None or best.rate is None or rate.median > best.rate.median:
            best = Peak(rate, side)
    return best or Peak(None, cause="no size was measured")
