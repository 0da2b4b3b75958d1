"""Launches of the host beside a device that works off its queue, both on one fake clock."""

from dataclasses import replace

import pytest
import torch
from fake_cuda import LAUNCH, Clock, Queue
from made_jobs import made_job
from torch import nn

from harness.case import Case
from harness.measure.blocked_stream import MOST_MISSES, SHORTEST, BlockedStream
from harness.measure.latency import summary_of, with_launches
from harness.measure.passes import CudaPass, timed_pass
from harness.measure.sampling import FixedCount, sample_until
from harness.measure.subject import Subject

KERNEL, KERNELS = 2e-6, 100  # seconds, of one pass


class Kernels(nn.Module):
    """Many short kernels, and in the middle what asks the device for a value."""

    def __init__(self, device, waits):
        super().__init__()
        self.device, self.waits = device, waits

    def forward(self, x):
        for number in range(KERNELS):
            self.device.launch(KERNEL)
            if self.waits and number == KERNELS // 2:
                self.device.synchronize()
        return x


def made(waits=False, blocked=True):
    clock = Clock()
    device = Queue(clock)
    case = Case("made", {}, ((1, 2),), device="cuda")
    subject = Subject(case, Kernels(device, waits), (torch.ones(1, 2),))
    job = replace(made_job("SharedReLU"), case=case)
    return timed_pass(subject, job, clock, blocked=blocked, cuda=device), device, clock


def sampled(take, clock, count=20):
    return sample_until(take, FixedCount(count), clock)


def test_a_pass_of_short_kernels_takes_what_the_device_takes():
    take, _, clock = made()
    found = sampled(take, clock)
    assert found.samples == pytest.approx([KERNELS * KERNEL] * 20)
    assert all(take.hidden[len(found.warmup) :])
    figures = summary_of(take, found)
    assert figures["latency_seconds"] == pytest.approx(KERNELS * KERNEL)
    assert "launches" not in figures["latency_flags"]


def test_the_time_with_launches_has_a_name_of_its_own():
    take, device, clock = made()
    figures = summary_of(take, sampled(take, clock))
    assert figures["latency_with_launches_seconds"] == pytest.approx(KERNELS * LAUNCH, rel=0.01)
    before = len(device.slept)
    assert with_launches(take) == figures["latency_with_launches_seconds"]
    assert len(device.slept) == before  # nothing was blocked
    assert isinstance(take.block, BlockedStream)


def test_without_a_block_the_host_is_part_of_the_time():
    take, device, clock = made(blocked=False)
    assert sampled(take, clock).samples == pytest.approx([KERNELS * LAUNCH] * 20, rel=0.01)
    assert isinstance(take, CudaPass)
    assert (take.hidden, device.slept) == ([], [])


def test_a_pass_that_waits_for_the_device_is_flagged_and_soon_no_longer_blocked():
    take, device, clock = made(waits=True)
    found = sampled(take, clock)
    calibration = 2
    assert len(device.slept) == calibration + MOST_MISSES
    assert max(device.slept[calibration:]) < 1.0  # seconds, though each waits for the one before
    figures = summary_of(take, found)
    assert "launches" in figures["latency_flags"]
    assert "launches of the host are part of 20 of 20 samples" in figures["warnings"][-1]
    assert figures["latency_seconds"] > KERNELS * KERNEL


def test_the_block_is_as_long_as_the_host_needs():
    clock = Clock()
    device = Queue(clock)
    block = BlockedStream(device)
    del device.slept[:]
    for host, hidden in ((1e-3, False), (2e-3, True), (1e-9, True), (9.0, True)):
        block.begin()
        block.heard(host, hidden=hidden)
    block.begin()
    assert device.slept == pytest.approx([SHORTEST, 2e-3, 4e-3, SHORTEST, 0.1], rel=1e-4)
