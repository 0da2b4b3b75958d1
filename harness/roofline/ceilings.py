"""The measurement of a device's ceilings: peak FLOP/s by data type, and bandwidth."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.roofline.rate import BUDGET, Rate, measure_rate

if TYPE_CHECKING:  # it imports torch, for which every command of the CLI would wait
    from harness.roofline.bench import Bench

# A larger product whose single run would take more of the budget than this is left out: a data type
# that the processor only emulates is slow at every size.
_LONGEST_RUN = BUDGET / 2


@dataclass(frozen=True)
class Peak:
    """Peak arithmetic of one data type.

    Attributes:
        rate: in FLOP/s, two per multiply-accumulate; `None` where the device has no such product.
        side: of the square matrices that reached it.
        cause: why there is none.
    """

    rate: Rate | None
    side: int | None = None
    cause: str | None = None


@dataclass(frozen=True)
class Ceilings:
    """What a device can do at most.

    Attributes:
        peaks: by data type; on CUDA also `tf32`.
        bandwidth: in bytes per second, read plus written.
        array_bytes: of each of the two arrays of the copy.
    """

    peaks: dict[str, Peak]
    bandwidth: Rate
    array_bytes: int


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
            return best or Peak(None, cause=str(error).strip().partition("\n")[0][:200])
        if best is None or best.rate is None or rate.median > best.rate.median:
            best = Peak(rate, side)
    return best or Peak(None, cause="no size was measured")
