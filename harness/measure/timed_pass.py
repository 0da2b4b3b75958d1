"""One timed pass of a subject on the CPU; its output is checked once, outside of its time."""

from collections.abc import Callable

import torch

from harness.measure.cache_flush import Flush
from harness.measure.finite import require_finite
from harness.measure.subject import Subject

Clock = Callable[[], float]


class TimedPass:
    """Runs one pass per call and gives its duration in seconds.

    The first pass is a warm-up in any case, so that the check of its output costs no pass.

    Args:
        subject: what is run.
        clock: in seconds.
        flush: empties the caches before each pass; `None` leaves them as the last pass did.
    """

    def __init__(self, subject: Subject, clock: Clock, flush: Flush | None = None) -> None:
        self._subject = subject
        self._clock = clock
        self._flush = flush
        self._checked = False

    def __call__(self) -> float:
        """Run one pass; its duration in seconds.

        Raises:
            NonFiniteOutputError: the first output is NaN or infinite somewhere.
        """
        if self._flush is not None:
            self._flush()
        seconds, out = self.timed()
        if not self._checked:
            require_finite(out)
            self._checked = True
        self._subject.clear_gradients()
        return seconds

    def timed(self) -> tuple[float, object]:
        """Duration of one pass, and what it returned."""
        start = self._clock()
        out = forward(self._subject)
        return self._clock() - start, out


def forward(subject: Subject) -> object:
    """One pass as users run it: inference mode, or forward and backward."""
    if subject.case.pass_ == "training":
        return subject.forward()
    with torch.inference_mode():
        return subject.module(*subject.inputs)
