"""Packing: cases onto machines, the longest first.

Longest processing time first (Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl.
Math. 17, 1969): each case, longest first, goes to the machine that is free first. The last machine
ends within 4/3 - 1/(3 m) of the best possible time on m machines.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

_ROUNDING = 1e-9  # of sums of floating-point numbers, relative


@dataclass(frozen=True)
class Packing:
    """Who does what.

    Attributes:
        shares: per machine the indices of its cases in the order in which they are placed, longest
            first.
        loads: per machine the sum of their durations, seconds.
    """

    shares: tuple[tuple[int, ...], ...]
    loads: tuple[float, ...]

    @property
    def makespan(self) -> float:
        """Seconds until the last machine is done; 0 where there is nothing to do."""
        return max(self.loads, default=0.0)


def pack(durations: Sequence[float], machines: int) -> Packing:
    """Cases on a fixed number of machines.

    Args:
        durations: seconds, each at least 0.
        machines: at least 1; those that get nothing are in the result too.

    Raises:
        ValueError: no machine, or a duration that is negative or no number.
    """
    if machines < 1:
        raise ValueError(f"cases need a machine, not {machines}")
    if not all(duration >= 0 and math.isfinite(duration) for duration in durations):
        raise ValueError("durations are finite and at least 0")
    shares: list[list[int]] = [[] for _ in range(machines)]
    free = [(0.0, machine) for machine in range(machines)]
    for index in sorted(range(len(durations)), key=lambda i: -durations[i]):
        load, machine = free[0]
        shares[machine].append(index)
        heapq.heapreplace(free, (load + durations[index], machine))
    loads = {machine: load for load, machine in free}
    return Packing(tuple(map(tuple, shares)), tuple(loads[m] for m in range(machines)))


def fewest(durations: Sequence[float], limit: float) -> Packing:
    """Cases on as few machines as end within a time, as far as the longest-first rule finds them.

    Where m machines could end within 3/4 of the limit, no more than m are taken.

    Args:
        durations: seconds, each at least 0.
        limit: seconds that each machine may work.

    Raises:
        ValueError: a case alone takes longer than the limit.
    """
    longest = max(durations, default=0.0)
    if not fits(longest, limit):
        raise ValueError(f"a case of {longest:g} s does not fit into {limit:g} s")
    if not durations or longest == 0:
        return pack(durations, 1)
    total = math.fsum(durations)
    alone = sum(2 * duration > limit * (1 + _ROUNDING) for duration in durations)
    # Fewer than `low` machines cannot do it; `high` machines can, one case each.
    low, high = max(1, alone, math.ceil(total / limit * (1 - _ROUNDING))), len(durations)
    best = None
    while low < high or best is None:
        middle = (low + high) // 2
        tried = pack(durations, middle)
        if fits(tried.makespan, limit):
            high, best = middle, tried
        else:
            low = middle + 1
    return best


def fits(seconds: float, limit: float) -> bool:
    """Whether a sum of durations is within a limit, but for rounding."""
    return seconds <= limit * (1 + _ROUNDING)
