"""Timed passes on CUDA: by events, or as replays of a captured graph."""

from collections.abc import Callable
from typing import Any

import torch

from harness.errors import HarnessError
from harness.measure.cache_flush import Flush
from harness.measure.subject import Subject
from harness.measure.timed_pass import Clock, TimedPass, forward

# PyTorch, "CUDA semantics", section "Whole-network capture": warm up on a side stream before the
# capture; its example takes three passes.
PASSES_BEFORE_CAPTURE = 3


class CudaGraphError(HarnessError):
    """A pass cannot be captured in a CUDA graph."""


class CudaPass(TimedPass):
    """Timed by events on the device, since its work is asynchronous to the host.

    Args:
        subject: what is run.
        clock: unused here, of the contract.
        flush: empties the L2 cache before each pass.
        clock_share: reads the SM clock over its default after each pass; `None` if unknown.
        cuda: `torch.cuda`, or what stands for it in a test.

    Attributes:
        clock_shares: one reading per pass, warm-up included.
    """

    def __init__(
        self,
        subject: Subject,
        clock: Clock,
        flush: Flush | None = None,
        clock_share: Callable[[], float | None] | None = None,
        cuda: Any = torch.cuda,
    ) -> None:
        super().__init__(subject, clock, flush)
        self._cuda = cuda
        self._clock_share = clock_share
        self.clock_shares: list[float | None] = []

    def timed(self) -> tuple[float, object]:
        """Seconds between two events around the pass, and what it returned."""
        start, end = (self._cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        out = self._launch()
        end.record()
        end.synchronize()
        if self._clock_share is not None:
            self.clock_shares.append(self._clock_share())
        return float(start.elapsed_time(end)) / 1e3, out

    def _launch(self) -> object:
        return forward(self._subject)


class GraphPass(CudaPass):
    """A pass captured once and replayed, so that the host's launches are no part of its time.

    Gradients are captured too in training; inputs, outputs and gradients keep their places.

    Raises:
        CudaGraphError: the capture failed; the sentence has PyTorch's reason.
    """

    def __init__(
        self,
        subject: Subject,
        clock: Clock,
        flush: Flush | None = None,
        clock_share: Callable[[], float | None] | None = None,
        cuda: Any = torch.cuda,
    ) -> None:
        super().__init__(subject, clock, flush, clock_share, cuda)
        self._graph = cuda.CUDAGraph()
        try:
            self._out = self._capture()
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = next((line for line in str(error).splitlines() if line.strip()), "no reason")
            raise CudaGraphError(
                f"CUDA graph: the capture failed: {reason.strip()}; set cuda_graph: false"
            ) from error

    def _capture(self) -> object:
        cuda, subject = self._cuda, self._subject
        side = cuda.Stream()
        side.wait_stream(cuda.current_stream())
        with cuda.stream(side):
            for _ in range(PASSES_BEFORE_CAPTURE):
                subject.clear_gradients()  # so that the capture allocates them from its own pool
                forward(subject)
        cuda.current_stream().wait_stream(side)
        subject.clear_gradients()
        with cuda.graph(self._graph):
            return forward(subject)

    def _launch(self) -> object:
        self._graph.replay()
        return self._out
