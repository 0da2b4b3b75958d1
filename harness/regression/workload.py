"""A workload of adjustable length in fresh processes, for trying out the gate."""

import os
import signal
import statistics
import struct
import time
from contextlib import suppress

from harness.errors import HarnessError
from harness.regression.interleave import Measured

UNITS = 200
"""Units of work of one sample: a slow-down of 5 % is 10 of them."""

SAMPLES, WARMUP = 15, 2

_BLOCK = bytes(1 << 14)
_NUMBER = struct.Struct("d")


class WorkloadError(HarnessError):
    """A process of the self-test has died."""


def measure_workload(units: int) -> Measured:
    """Time a loop of so many units in a forked process; the median of its samples.

    The fork is the same as that of a fork server: a process of its own address space and moment,
    ready within a millisecond or two.

    Args:
        units: of work in each sample.

    Raises:
        WorkloadError: the process ended without an answer.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(writing, units)
    os.close(writing)
    try:
        data = _read(reading)
    except BaseException:
        with suppress(OSError):
            os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(reading)
        os.waitpid(child, 0)
    if len(data) != SAMPLES * _NUMBER.size:
        raise WorkloadError(
            "a process of the self-test ended without an answer; see that the machine has memory "
            "and processes left"
        )
    samples = tuple(value for (value,) in _NUMBER.iter_unpack(data))
    return Measured(statistics.median(samples), samples=samples)


def _answer(writing: int, units: int) -> None:
    """The child's side: does not return."""
    try:
        samples = [_timed(units) for _ in range(WARMUP + SAMPLES)][WARMUP:]
        os.write(writing, b"".join(map(_NUMBER.pack, samples)))  # shorter than a pipe's buffer
    finally:
        os._exit(0)


def _timed(units: int) -> float:
    start = time.perf_counter()
    work(units)
    return time.perf_counter() - start


def work(units: int) -> int:
    """Arithmetic and copying, proportional to `units`."""
    total = 0
    for _ in range(units):
        total += len(bytearray(_BLOCK))
        for number in range(24):
            total = (total * 1103515245 + number) & 0xFFFFFFFF
    return total


def _read(descriptor: int) -> bytes:
    chunks = []
    while chunk := os.read(descriptor, 1 << 16):
        chunks.append(chunk)
    return b"".join(chunks)
