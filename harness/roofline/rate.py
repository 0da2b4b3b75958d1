"""A rate: work per second, from the median time of repeated runs of a kernel of known work."""

from collections.abc import Callable
from dataclasses import dataclass

from harness.measure.sampling import sample_until
from harness.measure.stopping import RelativeStdev
from harness.statistics.median import median_interval

# This project's own choices: a peak is read to two digits, so 1 % of spread suffices.
RELATIVE_STDEV = 0.01
MIN_SAMPLES = 6  # the fewest whose median has a 95 % interval
MIN_TIME = 0.2  # seconds
BUDGET = 0.6  # seconds per kernel, warm-up apart


@dataclass(frozen=True)
class Rate:
    """Work per second.

    Attributes:
        median: work over the median time.
        low: work over the upper end of the median time's interval.
        high: work over its lower end.
        confidence: probability, 0 to 1, that the interval holds the true median.
        samples: how many runs were timed.
    """

    median: float
    low: float
    high: float
    confidence: float
    samples: int


def measure_rate(
    take: Callable[[], float], work: float, clock: Callable[[], float], budget: float = BUDGET
) -> Rate:
    """Time a kernel until its median is known, warm-up left out.

    Args:
        take: runs the kernel once; its duration in seconds.
        work: of one run, in operations or bytes.
        clock: seconds that have passed.
        budget: seconds after which sampling ends in any case.
    """
    criterion = RelativeStdev(RELATIVE_STDEV, MIN_SAMPLES, MIN_TIME)
    sampled = sample_until(take, criterion, clock, budget)
    interval = median_interval(sampled.samples)
    return Rate(
        median=work / interval.median,
        low=work / interval.high,
        high=work / interval.low,
        confidence=interval.confidence,
        samples=len(sampled.samples),
    )
