"""A workload of known length in a process of its own: this machine tries the gate, too."""

import os
import signal
import statistics
import struct
import time
from contextlib import suppress

from harness.judge.regression.interleaved import Timed
from harness.messages import HarnessError

WORK_UNITS = 200
"""Units of work of one sample: a slow-down of 5 % is 10 of them."""

SAMPLES, _WARMUP = 15, 2

_BLOCK = bytes(1 << 14)
_DOUBLE = struct.Struct("d")


class WorkloadError(HarnessError):
    """A process of the self-test has died."""


def measure_workload(units: int) -> Timed:
    """Time a loop of so many units in a forked process; the median of its samples.

    The fork is the same as that of a fork server: a process of its own address space and moment,
    ready within a millisecond or two.

    Raises:
        WorkloadError: the process ended without an answer.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(writing, units)
    os.close(writing)
    try:
        data = b""
        while chunk := os.read(reading, 1 << 16):
            data += chunk
    except BaseException:
        with suppress(OSError):
            os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(reading)
        os.waitpid(child, 0)
    if len(data) != SAMPLES * _DOUBLE.size:
        raise WorkloadError(
            "a process of the self-test ended without an answer; see that the machine has memory "
            "and processes left"
        )
    samples = tuple(value for (value,) in _DOUBLE.iter_unpack(data))
    return Timed(statistics.median(samples), samples=samples)


def _answer(writing: int, units: int) -> None:
    """The child's side, arithmetic and copying in proportion to `units`: does not return."""
    try:
        samples = []
        for _ in range(_WARMUP + SAMPLES):
            start = time.perf_counter()
            total = 0
            for _ in range(units):
                total += len(bytearray(_BLOCK))
                for number in range(24):
                    total = (total * 1103515245 + number) & 0xFFFFFFFF
            samples.append(time.perf_counter() - start)
        # Once, so that nobody wakes up between two samples; shorter than a pipe's buffer.
        os.write(writing, b"".join(map(_DOUBLE.pack, samples[_WARMUP:])))
    finally:
        os._exit(0)
