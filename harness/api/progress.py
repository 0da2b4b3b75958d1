"""Progress of a run: a live line in a terminal or notebook, plain lines elsewhere."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from harness.engines.engine import Finished, Measuring, Started, Waiting
from harness.messages import printable
from harness.present.console import PrintableConsole
from harness.runner import Progress, Resumed
from harness.suite.suite import Suite


def stderr() -> Console:
    """Where progress goes: a terminal, a notebook, or plain lines of any length."""
    return PrintableConsole(stderr=True)


class NotebookLine:
    """A line under a notebook's cell that is written over, and gone in the end."""

    def start(self) -> None:
        """Take the place under the cell."""
        from IPython.display import display

        show: Callable[..., Any] = display  # IPython's has no types
        self._place = show(_plain("starting"), raw=True, display_id=True)

    def update(self, text: str) -> None:
        """Write another text there."""
        self._place.update(_plain(text), raw=True)

    def stop(self) -> None:
        """Leave nothing there."""
        self.update("")


def _plain(text: str) -> dict[str, str]:
    return {"text/plain": printable(text)}


SINGLE_PROCESSES = (
    "latency: one process per case, and its interval does not cover how far the next process of "
    "the same code would be off; --repeats 5 takes five of each, in rounds, and their median"
)
"""Said before rows are timed that invite a comparison which their intervals do not bear."""


def _compares_single_processes(part: Suite) -> bool:
    timed = Counter(job.label for job in part.jobs if "latency" in job.metrics)
    return len(timed) > 1 and 1 in timed.values()


class Reporter:
    """A listener that shows the current case, elapsed and expected time.

    Args:
        console: where it goes (stderr).
        suite: what runs.
    """

    def __init__(self, console: Console, suite: Suite) -> None:
        self._console = console
        self._start = time.monotonic()
        self._suite = suite
        self._several = len(suite.parts()) > 1
        self._replicated = any(job.replicate > 1 for job in suite.all_jobs())
        self._causes: dict[str, str] = {}  # the first case that failed for each
        self._status: Status | NotebookLine | None = None
        if console.is_jupyter:
            self._status = NotebookLine()
        elif console.is_terminal:
            self._status = console.status("starting")

    def __enter__(self) -> "Reporter":
        with suppress(OSError):
            if any(map(_compares_single_processes, self._suite.parts())):
                self._console.print(SINGLE_PROCESSES, markup=False, soft_wrap=True)
            if self._status is not None:
                self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            if self._status is not None:
                self._status.stop()

    def resumed(self, what: Resumed) -> None:
        """Say what a run that goes on keeps, and why it measures the rest."""
        self._console.print(what.text, markup=False, soft_wrap=True)

    def __call__(self, progress: Progress) -> None:
        """Show one event; a terminal that is gone, or a full disk, is no reason to end a run."""
        with suppress(OSError):
            self._show(progress)

    def _show(self, progress: Progress) -> None:
        event = progress.event
        name = f"{event.job.suite}: {event.job.label}" if self._several else event.job.label
        if progress.training:
            name += f", seed {event.job.seed}"
        elif self._replicated:
            name += f" #{event.job.replicate}"
        what = "training " if progress.training else ""
        place = f"[{what}{progress.done}/{progress.total}]"
        if isinstance(event, Finished):
            outcome = event.outcome
            line = f"{place} {name}: {outcome.status}, {outcome.elapsed:.1f} s"
            if outcome.cause:
                # In full for the first case; of the next ones that fail alike, whom they follow.
                first = self._causes.setdefault(outcome.cause, name)
                line += f": {outcome.cause}" if first == name else f": as {first}"
            style = "" if outcome.status == "ok" else "red"
            self._console.print(line, markup=False, soft_wrap=True, style=style)
        elif isinstance(event, Waiting):
            line = f"{place} {name}: waiting: {event.cause}"
            self._console.print(line, markup=False, soft_wrap=True)
        if self._status is None:
            return
        now = f"{place} {name}"
        if isinstance(event, Measuring):
            now += f": {event.metric}"
        elif isinstance(event, Started):
            now += ": starting"
        line = f"{now}, {self._times(progress)}"
        self._status.update(line if isinstance(self._status, NotebookLine) else escape(line))

    def _times(self, progress: Progress) -> str:
        elapsed = f"{_duration(time.monotonic() - self._start)} elapsed"
        if progress.remaining_seconds is None:
            return elapsed
        return f"{elapsed}, about {_duration(progress.remaining_seconds)} left"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
