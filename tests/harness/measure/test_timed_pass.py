"""A timed pass on a fake clock: what is inside of its time, and what is not."""

import pytest
import torch
from fake_cuda import Clock, FakeCuda, subject
from torch import nn

from harness.measure.passes import (
    CPU_BUFFER_OVER_CACHE,
    PASSES_BEFORE_CAPTURE,
    CudaGraphError,
    CudaPass,
    GraphPass,
    TimedPass,
    compiled,
    cpu_flush,
    cuda_flush,
)
from harness.measure.subject import NonFiniteOutputError


def test_exactly_the_pass_is_timed():
    clock = Clock()
    take = TimedPass(subject(clock), clock, lambda: clock.work("flush", 7.0))
    assert [take(), take()] == [2.0, 2.0]
    assert clock.log == ["flush", "pass", "flush", "pass"]


def test_hot_passes_leave_the_caches_alone():
    clock = Clock()
    TimedPass(subject(clock), clock)()
    assert clock.log == ["pass"]


def test_gradients_are_gone_after_each_training_pass():
    clock = Clock()
    made = subject(clock, "training")
    TimedPass(made, clock)()
    assert made.module.weight.grad is None


def test_the_first_output_is_checked():
    clock = Clock()
    with pytest.raises(NonFiniteOutputError):
        TimedPass(subject(clock, value=float("nan")), clock)()


@pytest.mark.parametrize("writes", [True, False])
def test_a_module_that_writes_into_its_input_is_known(writes):
    clock = Clock()
    made = subject(clock)
    if writes:
        made.module.register_forward_pre_hook(lambda _module, given: (given[0].mul_(2),))
    take = TimedPass(made, clock)
    take()
    assert take.changes_input is writes


def test_compilation_is_timed_apart(monkeypatch):
    clock = Clock()

    def compile_(module):
        def first(*inputs):
            if "compile" not in clock.log:
                clock.work("compile", 30.0)
            return module(*inputs)

        made = nn.Module()
        made.forward = first
        return made

    monkeypatch.setattr(torch, "compile", compile_)
    ready, seconds = compiled(subject(clock), clock)
    assert seconds == 32.0  # the first pass is part of it
    assert TimedPass(ready, clock)() == 2.0
    assert clock.log == ["compile", "pass", "pass"]


def test_the_buffer_exceeds_the_cache_and_is_streamed_whole():
    flush = cpu_flush(1000)
    (buffer,) = [cell.cell_contents for cell in flush.__closure__]
    assert buffer.numel() == CPU_BUFFER_OVER_CACHE * 1000
    flush()
    assert int(buffer.min()) == int(buffer.max()) == 1


def test_l2_is_overwritten_at_its_exact_size():
    flush = cuda_flush(4096, "cpu")
    (buffer,) = [cell.cell_contents for cell in flush.__closure__]
    buffer.fill_(9)
    flush()
    assert (buffer.numel(), int(buffer.sum())) == (4096, 0)


def test_events_time_a_pass_on_cuda():
    clock = Clock()
    throttled = iter([True, None, False])
    take = CudaPass(
        subject(clock, device="cuda"),
        clock,
        lambda: clock.work("flush", 7.0),
        lambda: next(throttled),
        FakeCuda(clock),
    )
    assert [take(), take(), take()] == [2.0] * 3
    assert clock.log == ["flush", "pass", "synchronize"] * 3
    assert take.throttled == [True, None, False]


def test_a_graph_is_captured_after_a_warm_up_on_a_side_stream_and_replayed():
    clock = Clock()
    take = GraphPass(subject(clock, device="cuda"), clock, cuda=FakeCuda(clock))
    warm_up = ["wait", "side", *["pass"] * PASSES_BEFORE_CAPTURE, "side ends", "wait"]
    assert clock.log == [*warm_up, "capture", "pass", "capture ends"]
    clock.log.clear()
    assert [take(), take()] == [0.5, 0.5]
    assert clock.log == ["replay", "synchronize"] * 2


def test_a_failed_capture_is_named_with_its_cure():
    clock = Clock()
    failure = RuntimeError("operation not permitted when stream is capturing\nmore")
    with pytest.raises(CudaGraphError, match="stream is capturing; set cuda_graph: false"):
        GraphPass(subject(clock, device="cuda"), clock, cuda=FakeCuda(clock, failure))


def test_lack_of_memory_is_no_failure_of_the_capture():
    clock = Clock()
    cuda = FakeCuda(clock, torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(torch.OutOfMemoryError):
        GraphPass(subject(clock, device="cuda"), clock, cuda=cuda)
