"""The caching allocator's peaks, by a stand-in for `torch.cuda`."""

import weakref
from dataclasses import replace

from made_jobs import made_job

from harness.measure.memory import AllocatorPeak, allocator_peak, measure_allocator

ROUNDED = 8  # bytes that each block is larger than what was asked for


class FakeCuda:
    """An allocator that rounds up, and keeps what it once reserved until it is emptied."""

    def __init__(self, allocated, reserved):
        self.allocated = self.requested = allocated
        self.reserved = reserved
        self.most_allocated = self.most_requested = self.most_reserved = 10**9  # of earlier passes
        self.pending = 0

    def take(self, size):
        self.requested += size
        self.allocated += size + ROUNDED
        self.reserved = max(self.reserved, self.allocated)
        self._note()
        self.pending += 1

    def _note(self):
        for kind in ("allocated", "requested", "reserved"):
            most = max(getattr(self, f"most_{kind}"), getattr(self, kind))
            setattr(self, f"most_{kind}", most)

    def give(self, size):
        self.requested -= size
        self.allocated -= size + ROUNDED

    def synchronize(self):
        self.pending = 0

    def empty_cache(self):
        self.reserved = self.allocated

    def reset_peak_memory_stats(self):
        self.most_allocated, self.most_requested = self.allocated, self.requested
        self.most_reserved = self.reserved

    def memory_stats(self):
        assert not self.pending, "read before the device had ended"
        kinds = ("allocated", "requested", "reserved")
        current = {f"{kind}_bytes.all.current": getattr(self, kind) for kind in kinds}
        return current | {f"{kind}_bytes.all.peak": getattr(self, f"most_{kind}") for kind in kinds}


def test_only_the_pass_counts():
    cuda = FakeCuda(allocated=1000, reserved=5000)

    def run():
        cuda.take(300)
        cuda.take(200)
        cuda.give(300)
        cuda.take(50)

    peak = AllocatorPeak(allocated=500 + 2 * ROUNDED, requested=500, reserved=1500 + 2 * ROUNDED)
    assert allocator_peak(run, cuda) == peak


class InCycle:
    """Held by itself alone, as tensors in a closure that refers to itself are."""

    def __init__(self, cuda, size):
        self.itself = self
        weakref.finalize(self, cuda.give, size).atexit = False
        cuda.take(size)


def test_what_lies_in_cycles_is_freed_before_the_pass():
    cuda = FakeCuda(allocated=1000, reserved=1000)
    InCycle(cuda, 400)
    assert allocator_peak(lambda: cuda.take(300), cuda).requested == 300
    assert cuda.requested == 1300


def test_a_pass_that_takes_nothing():
    peak = allocator_peak(lambda: None, FakeCuda(allocated=1000, reserved=5000))
    assert peak == AllocatorPeak(allocated=0, requested=0, reserved=1000)


def test_the_cpu_has_no_caching_allocator():
    assert measure_allocator(replace(made_job("SharedReLU"))) == {
        "allocator_peak_bytes": None,
        "allocator_requested_bytes": None,
        "allocator_reserved_bytes": None,
    }
