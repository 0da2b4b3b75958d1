"""A stream of CUDA that is blocked while the host enqueues a pass, so that it finds all its work.

Without it the device waits for the launches of a pass of short kernels, and events around the pass
time the host. NVBench blocks its stream in the same way (`nvbench::blocking_kernel`) and ends the
block by a flag; this one ends by itself, so that a pass which waits for the device cannot hang.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from harness.measure.sampling import Clock

_CYCLES = 1_000_000  # spun once to learn how many go into a second: about half a millisecond
MARGIN = 2.0  # blocked for so many times what the host took, since its time varies
SHORTEST = 20e-6  # seconds; below, the block itself is not enqueued before it ends
LONGEST = 0.1  # seconds: a pass that takes the host longer is not hidden
MOST_MISSES = 5  # in a row, after which no more is blocked: launches cannot be hidden


class BlockedStream:
    """Blocks the current stream for as long as the host is expected to take.

    Args:
        cuda: `torch.cuda`, or what stands for it in a test.
    """

    def __init__(self, cuda: Any = torch.cuda) -> None:
        self._cuda = cuda
        self._seconds = SHORTEST
        self._misses = 0
        start, end = (cuda.Event(enable_timing=True) for _ in range(2))
        cuda._sleep(_CYCLES)  # the first launch of a kernel loads it
        start.record()
        cuda._sleep(_CYCLES)
        end.record()
        end.synchronize()
        self._cycles_per_second = _CYCLES / max(float(start.elapsed_time(end)) / 1e3, 1e-6)

    def begin(self) -> None:
        """Block the stream; what is enqueued now waits."""
        if self._misses < MOST_MISSES:
            self._cuda._sleep(int(self._seconds * self._cycles_per_second))

    def heard(self, host_seconds: float, *, hidden: bool) -> None:
        """Learn from a pass how long the next has to be blocked.

        Args:
            host_seconds: from the first launch of the pass to its last.
            hidden: whether the device had not begun when the last was enqueued.
        """
        self._misses = 0 if hidden else self._misses + 1
        self._seconds = min(LONGEST, max(SHORTEST, MARGIN * host_seconds))


class OnStream(NamedTuple):
    """What a run on the current stream took."""

    seconds: float  # between two events around it
    out: object  # what it returned
    hidden: bool | None  # whether no launch is part of the time; `None`: the stream was not blocked


def time_on_stream(
    run: Callable[[], object], clock: Clock, block: BlockedStream | None, cuda: Any = torch.cuda
) -> OnStream:
    """Time a run by events of the device, since its work is asynchronous to the host.

    Args:
        run: enqueues the work.
        clock: of the host, for what its launches take.
        block: holds the stream while the work is enqueued; `None`: launches are part of its time.
        cuda: `torch.cuda`, or what stands for it in a test.
    """
    start, end = (cuda.Event(enable_timing=True) for _ in range(2))
    if block is not None:
        block.begin()
    start.record()
    began = clock()
    out = run()
    end.record()
    hidden = None
    if block is not None:
        hidden = not start.query()
        block.heard(clock() - began, hidden=hidden)
    end.synchronize()
    return OnStream(float(start.elapsed_time(end)) / 1e3, out, hidden)
