"""Passes on a fake clock, and a stand-in for `torch.cuda` whose events read it."""

from types import SimpleNamespace

import torch
from torch import nn

from harness.case import Case
from harness.measure.subject import Subject

LAUNCH = 10e-6  # seconds of the host for one kernel
RATE = 1.5e9  # cycles a second


class Clock:
    """Stands still unless somebody works."""

    def __init__(self):
        self.now = 50.0
        self.log = []

    def __call__(self):
        return self.now

    def work(self, name, seconds):
        self.log.append(name)
        self.now += seconds


class Worker(nn.Module):
    def __init__(self, clock, seconds=2.0, value=1.0):
        super().__init__()
        self.clock, self.seconds, self.value = clock, seconds, value
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x):
        self.clock.work("pass", self.seconds)
        return self.weight * x * self.value


def subject(clock, pass_="inference", device="cpu", **options):
    case = Case("made", {}, ((1, 2),), pass_=pass_, device=device)
    return Subject(case, Worker(clock, **options), (torch.ones(1, 2),))


class FakeCuda:
    """Events read the clock; a graph remembers what ran while it was captured."""

    def __init__(self, clock, failure=None):
        self.clock, self.failure = clock, failure

    def Event(self, enable_timing):
        assert enable_timing
        event = SimpleNamespace(at=None)
        event.record = lambda: setattr(event, "at", self.clock.now)
        event.synchronize = lambda: self.clock.log.append("synchronize")
        event.elapsed_time = lambda end: 1e3 * (end.at - event.at)
        return event

    def CUDAGraph(self):
        return SimpleNamespace(replay=lambda: self.clock.work("replay", 0.5))

    def Stream(self):
        return SimpleNamespace(wait_stream=lambda other: self.clock.log.append("wait"))

    def current_stream(self):
        return self.Stream()

    def stream(self, side):
        return Scope(self.clock, "side")

    def graph(self, graph):
        if self.failure:
            raise self.failure
        return Scope(self.clock, "capture")


class Queue:
    """A device that works off a queue: what was launched begins when all before it has ended."""

    def __init__(self, clock):
        self.clock, self.free, self.slept = clock, clock.now, []

    def launch(self, seconds, host=LAUNCH):
        self.clock.now += host
        self.free = max(self.free, self.clock.now) + seconds

    def synchronize(self):
        self.clock.now = max(self.clock.now, self.free)

    def _sleep(self, cycles):
        self.slept.append(cycles / RATE)
        self.launch(cycles / RATE, host=0.0)

    def Event(self, enable_timing):
        event = SimpleNamespace(at=None)

        def record():
            event.at = max(self.free, self.clock.now)

        def wait():
            self.clock.now = max(self.clock.now, event.at)

        event.record, event.synchronize = record, wait
        event.query = lambda: self.clock.now >= event.at
        event.elapsed_time = lambda end: 1e3 * (end.at - event.at)
        return event


class Scope:
    def __init__(self, clock, name):
        self.clock, self.name = clock, name

    def __enter__(self):
        self.clock.log.append(self.name)

    def __exit__(self, *error):
        self.clock.log.append(f"{self.name} ends")
