"""Emptying the caches before a sample, for cold timings."""

from collections.abc import Callable

import torch

from harness.roofline.caches import last_level_bytes

Flush = Callable[[], None]

# Twice the cache, since a processor's replacement is not strictly by age; where the cache is
# unknown, more than one socket of 2026 has (768 MiB).
CPU_BUFFER_OVER_CACHE = 2
CPU_BUFFER_IF_UNKNOWN = 1 << 30


def cpu_flush(cache_bytes: int | None = None) -> Flush:
    """Streams a buffer larger than the last-level cache, reading and writing all of it.

    Args:
        cache_bytes: of the last-level caches; as the kernel says if absent.
    """
    known = cache_bytes if cache_bytes is not None else last_level_bytes()
    size = CPU_BUFFER_OVER_CACHE * known if known else CPU_BUFFER_IF_UNKNOWN
    buffer = torch.zeros(max(1, size), dtype=torch.uint8)

    def flush() -> None:
        buffer.add_(1)

    return flush


def cuda_flush(l2_bytes: int | None = None, device: str = "cuda") -> Flush:
    """Overwrites a buffer of exactly the size of the L2 cache, on the stream of the passes.

    As NVBench does before each cold sample (its `l2flush`). The writes lie before the start event,
    so they are no part of the sample.

    Args:
        l2_bytes: of the L2 cache; as the device says if absent.
        device: of the buffer.
    """
    if l2_bytes is None:
        l2_bytes = int(torch.cuda.get_device_properties(device).L2_cache_size)
    buffer = torch.empty(max(1, l2_bytes), dtype=torch.uint8, device=device)

    def flush() -> None:
        buffer.zero_()

    return flush
