"""What an allocator was asked for, in order, as PyTorch's profiler records it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

_MEMORY = "[memory]"  # the profiler's name of an allocation or a release


@dataclass(frozen=True)
class MemoryEvent:
    """One allocation or release.

    Attributes:
        time: nanoseconds, on the profiler's clock.
        bytes: positive for an allocation, negative for a release.
    """

    time: int
    bytes: int


@dataclass
class Recording:
    """What was recorded while it lasted; filled at its end.

    Attributes:
        events: every allocation and release of CPU memory, in order.
        spans: name of a marked span: its start and end in nanoseconds.
    """

    events: list[MemoryEvent] = field(default_factory=list)
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)

    def within(self, span: str) -> list[MemoryEvent]:
        """The events of a marked span."""
        start, end = self.spans[span]
        return [event for event in self.events if start <= event.time <= end]


@contextmanager
def recorded(marks: str | None = None) -> Iterator[Recording]:
    """Record every allocation of CPU memory by PyTorch, libraries that use its allocator included.

    oneDNN's reordered copies and scratchpads are among them; MKL's packing buffers are not, they
    come from MKL's own allocator.

    Args:
        marks: prefix of the `torch.profiler.record_function` spans that are kept.
    """
    recording = Recording()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        yield recording
    # `key_averages` has sums per operator only; the events themselves are here.
    results: Any = profiler.profiler
    for event in results.kineto_results.events():
        name = event.name()
        if name == _MEMORY and event.device_type() == DeviceType.CPU:
            recording.events.append(MemoryEvent(event.start_ns(), event.nbytes()))
        elif marks is not None and name.startswith(marks):
            start = event.start_ns()
            recording.spans[name] = (start, start + event.duration_ns())
    recording.events.sort(key=lambda event: event.time)


def peak_bytes(events: Iterable[MemoryEvent]) -> int:
    """The largest sum of what is allocated, over what was there before the first event."""
    live = peak = 0
    for event in events:
        live += event.bytes
        peak = max(peak, live)
    return peak


def measured_peak(run: Callable[[], object]) -> int:
    """Bytes that the CPU allocator held at most during a call, over what it held before."""
    with recorded() as recording:
        out = run()
    del out
    return peak_bytes(recording.events)
