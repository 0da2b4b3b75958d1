"""The caching allocator's peaks, by a stand-in for `torch.cuda`."""

import weakref
from dataclasses import replace

from made_jobs import made_job

from harness.measure.memory import AllocatorPeak, allocator_peak, measure_allocator


class FakeCuda:
    """An allocator that keeps what it once reserved until it is emptied."""

    def __init__(self, allocated, reserved):
        self.allocated, self.reserved = allocated, reserved
        self.most_allocated = self.most_reserved = 10**9  # of earlier passes
        self.pending = 0

    def take(self, size):
        self.allocated += size
        self.reserved = max(self.reserved, self.allocated)
        self.most_allocated = max(self.most_allocated, self.allocated)
        self.most_reserved = max(self.most_reserved, self.reserved)
        self.pending += 1

    def give(self, size):
        self.allocated -= size

    def synchronize(self):
        self.pending = 0

    def empty_cache(self):
        self.reserved = self.allocated

    def reset_peak_memory_stats(self):
        self.most_allocated, self.most_reserved = self.allocated, self.reserved

    def memory_allocated(self):
        return self.allocated

    def max_memory_allocated(self):
        assert not self.pending, "read before the device had ended"
        return self.most_allocated

    def max_memory_reserved(self):
        return self.most_reserved


def test_only_the_pass_counts():
    cuda = FakeCuda(allocated=1000, reserved=5000)

    def run():
        cuda.take(300)
        cuda.take(200)
        cuda.allocated -= 300
        cuda.take(50)

    assert allocator_peak(run, cuda) == AllocatorPeak(allocated=500, reserved=1500)


class InCycle:
    """Held by itself alone, as tensors in a closure that refers to itself are."""

    def __init__(self, cuda, size):
        self.itself = self
        weakref.finalize(self, cuda.give, size).atexit = False
        cuda.take(size)


def test_what_lies_in_cycles_is_freed_before_the_pass():
    cuda = FakeCuda(allocated=1000, reserved=1000)
    InCycle(cuda, 400)
    assert allocator_peak(lambda: cuda.take(300), cuda).allocated == 300
    assert cuda.memory_allocated() == 1300


def test_a_pass_that_takes_nothing():
    peak = allocator_peak(lambda: None, FakeCuda(allocated=1000, reserved=5000))
    assert peak == AllocatorPeak(allocated=0, reserved=1000)


def test_the_cpu_has_no_caching_allocator():
    assert measure_allocator(replace(made_job("SharedReLU"))) == {
        "allocator_peak_bytes": None,
        "allocator_reserved_bytes": None,
    }
