"""The roof over a case: peak arithmetic or memory bandwidth, whichever is lower.

Williams, Waterman and Patterson, "Roofline: An Insightful Visual Performance Model for Multicore
Architectures" (2009): attainable FLOP/s = min(peak FLOP/s, bandwidth x arithmetic intensity).
"""

from dataclasses import dataclass
from typing import Literal

Bound = Literal["compute", "memory"]


@dataclass(frozen=True)
class Roof:
    """What a machine can do at most with one data type."""

    flops_per_second: float  # peak, two operations per multiply-accumulate
    bytes_per_second: float  # bandwidth of the memory, reads and writes together

    @property
    def ridge(self) -> float:
        """Arithmetic intensity (FLOP per byte) at which both roofs meet."""
        return self.flops_per_second / self.bytes_per_second

    def attainable(self, intensity: float) -> float:
        """FLOP/s under the roof at an arithmetic intensity in FLOP per byte."""
        return min(self.flops_per_second, self.bytes_per_second * intensity)

    def bound(self, flops: float, moved: float) -> Bound:
        """Which roof limits work of so many operations and bytes; compute at the ridge itself."""
        if flops / self.flops_per_second >= moved / self.bytes_per_second:
            return "compute"
        return "memory"

    def least_seconds(self, flops: float, moved: float) -> float:
        """Time below which the machine cannot do the work.

        Over the measured time this is achieved FLOP/s over attainable FLOP/s, and it stays defined
        for work without any counted operation, which bandwidth alone limits.
        """
        return max(flops / self.flops_per_second, moved / self.bytes_per_second)
