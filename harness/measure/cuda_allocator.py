"""What PyTorch's caching allocator held on the GPU during one pass."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class AllocatorPeak:
    """Figures of one pass.

    Attributes:
        allocated: bytes of tensors and workspaces held at most, over what was held before.
        reserved: bytes that the allocator had taken from the driver at most, all of the process.
    """

    allocated: int
    reserved: int


def allocator_peak(run: Callable[[], object], cuda: Any = torch.cuda) -> AllocatorPeak:
    """Run a pass and read the allocator's own peaks.

    Run it once before: the first pass allocates what the process keeps (cuBLAS workspaces, for
    example), which no later pass pays for.

    Args:
        run: the pass; what it returns is kept until the peak is read.
        cuda: `torch.cuda`, or what stands for it in a test.
    """
    cuda.synchronize()
    cuda.empty_cache()  # what earlier passes reserved is not this one's
    cuda.reset_peak_memory_stats()
    before = cuda.memory_allocated()
    out = run()
    cuda.synchronize()
    peak = AllocatorPeak(
        allocated=max(0, cuda.max_memory_allocated() - before),
        reserved=cuda.max_memory_reserved(),
    )
    del out
    return peak
