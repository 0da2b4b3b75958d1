"""Benches: kernels of known work on a device, timed as that device asks for."""

import time
from collections.abc import Callable
from typing import Any, Protocol

import psutil
import torch
from torch import Tensor

from harness.environment.machine import last_level_bytes
from harness.measure.blocked_stream import BlockedStream, time_on_stream

Take = Callable[[], float]
"""Runs a kernel once; its duration in seconds."""

# An array must exceed the last-level cache for a bandwidth to be the memory's. STREAM (McCalpin):
# each array at least four times the sum of all last-level caches.
ARRAY_OVER_CACHE = 4
SMALLEST_ARRAY = 1 << 28
LARGEST_MEMORY_SHARE = 8  # two arrays then take a quarter of the memory at most


class Bench(Protocol):
    """Kernels on one device."""

    dtypes: tuple[str, ...]  # data types whose peak is wanted, in the order of measuring
    sides: tuple[int, ...]  # of square matrices, smallest first
    array_bytes: int  # of each array of the copy

    def matmul(self, dtype: str, side: int) -> Take:
        """A product of two square matrices: 2 side^3 operations."""

    def copy(self) -> Take:
        """A copy of an array: twice its bytes, read and written."""

    def clock(self) -> float:
        """Seconds that have passed."""


class CpuBench:
    """Kernels on the CPU, with as many threads as PyTorch is set to."""

    dtypes: tuple[str, ...] = ("float32", "float64", "bfloat16", "float16")
    sides: tuple[int, ...] = (256, 512, 1024, 2048)

    def __init__(self) -> None:
        self.array_bytes = array_bytes(last_level_bytes(), psutil.virtual_memory().available)

    def matmul(self, dtype: str, side: int) -> Take:
        """Into a result that exists, so that no allocation is timed."""
        a, b, out = _matrices("cpu", getattr(torch, dtype), side)
        return self._timed(lambda: torch.mm(a, b, out=out))

    def copy(self) -> Take:
        """Between two arrays well beyond the last-level cache."""
        source, target = _arrays("cpu", self.array_bytes)
        return self._timed(lambda: target.copy_(source))

    def clock(self) -> float:
        """Wall clock."""
        return time.perf_counter()

    def _timed(self, run: Callable[[], Tensor]) -> Take:
        def take() -> float:
            start = time.perf_counter()
            run()
            return time.perf_counter() - start

        return take


class CudaBench:
    """Kernels on the current CUDA device, timed by its events, their launches left out.

    `tf32` is float32 with products in TensorFloat-32, which PyTorch allows in convolutions unless
    told otherwise; `float32` is without.

    Args:
        cuda: `torch.cuda`, or what stands for it in a test.
    """

    dtypes: tuple[str, ...] = ("float32", "tf32", "float64", "bfloat16", "float16")
    sides: tuple[int, ...] = (1024, 2048, 4096, 8192)

    def __init__(self, cuda: Any = torch.cuda) -> None:
        self._cuda = cuda
        cache = getattr(cuda.get_device_properties(0), "L2_cache_size", None)
        self.array_bytes = array_bytes(cache, cuda.mem_get_info()[0])

    def matmul(self, dtype: str, side: int) -> Take:
        """Into a result that exists."""
        fast = dtype == "tf32"
        a, b, out = _matrices("cuda", torch.float32 if fast else getattr(torch, dtype), side)
        take = self._timed(lambda: torch.mm(a, b, out=out))

        def take_so() -> float:
            # Set at each run: the kernels of several data types may be built before they run.
            torch.backends.cuda.matmul.allow_tf32 = fast
            return take()

        return take_so

    def copy(self) -> Take:
        """Between two arrays well beyond the L2 cache."""
        source, target = _arrays("cuda", self.array_bytes)
        return self._timed(lambda: target.copy_(source))

    def clock(self) -> float:
        """Wall clock; samples themselves are timed by events."""
        return time.perf_counter()

    def _timed(self, run: Callable[[], object]) -> Take:
        block = BlockedStream(self._cuda)
        return lambda: time_on_stream(run, self.clock, block, self._cuda).seconds


def array_bytes(cache: int | None, memory: int) -> int:
    """Bytes of each array of a bandwidth measurement, as far as the memory allows."""
    wanted = max(SMALLEST_ARRAY, ARRAY_OVER_CACHE * (cache or 0))
    return min(wanted, memory // LARGEST_MEMORY_SHARE)


def _matrices(device: str, dtype: torch.dtype, side: int) -> list[Tensor]:
    # Random, not zeros: multipliers of zeros draw less power, and the clock rises with it.
    made = [torch.randn(side, side, device=device).to(dtype) for _ in range(2)]
    return [*made, torch.empty(side, side, device=device, dtype=dtype)]


def _arrays(device: str, size: int) -> tuple[Tensor, Tensor]:
    # Written once, so that every page exists before it is timed.
    source = torch.ones(size // 4, device=device)
    return source, torch.zeros_like(source)
