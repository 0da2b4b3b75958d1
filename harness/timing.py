"""How long and under which conditions a latency is sampled. Data only, no torch."""

from dataclasses import dataclass
from typing import Literal

Criterion = Literal["settled_noise", "relative_stdev", "fixed", "budget"]
Cache = Literal["hot", "cold"]


@dataclass(frozen=True)
class Timing:
    """What a suite says under `latency`; `None` leaves the default of the criterion or the device.

    Attributes:
        criterion: `settled_noise` (little spread, or a spread that has settled), `relative_stdev`
            (little spread), `fixed` (so many samples), `budget` (so many seconds of samples).
        samples: how many; the least number for the two criteria of spread.
        min_time: seconds of samples that the criteria of spread ask for at least.
        max_time: seconds after which sampling ends and the unmet condition is named; the budget
            itself for `budget`.
        relative_stdev: standard deviation over mean below which the criteria of spread stop.
        cache: `hot` (passes back to back) or `cold` (caches flushed before every sample).
        cuda_graph: whether passes on CUDA are captured once and replayed.
        turns: whether the processes of a case (`repeats`) live together and sample in turns; what
            the machine does meanwhile then meets all alike.
    """

    criterion: Criterion = "settled_noise"
    samples: int | None = None
    min_time: float | None = None
    max_time: float | None = None
    relative_stdev: float | None = None
    cache: Cache = "hot"
    cuda_graph: bool = False
    turns: bool = False


DEFAULT_TIMING = Timing()
