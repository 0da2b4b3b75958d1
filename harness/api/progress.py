"""Progress of a run: what is live on a terminal or in a notebook, plain lines elsewhere."""

import time
from collections import Counter
from contextlib import suppress
from types import TracebackType

from rich.console import Console

from harness.api.live import Bars, NotebookLine
from harness.case import Job
from harness.engines.engine import Finished, Measuring, Started, Waiting
from harness.measure.sampling import wall_budget
from harness.present.console import PrintableConsole
from harness.runner import Progress, Resumed
from harness.suite.suite import Suite


def stderr() -> Console:
    """Where progress goes: a terminal, a notebook, or plain lines of any length."""
    return PrintableConsole(stderr=True)


def _of_single_processes(suite: Suite) -> str | None:
    """Said before rows are timed that invite a comparison which their intervals do not bear."""
    jobs = [job for part in suite.parts() if _compares(part) for job in part.jobs]
    if not jobs:
        return None
    limits = [wall_budget(job.timing, job.case.device) for job in jobs if "latency" in job.metrics]
    shortest, longest = (f"{each(limits):g}" for each in (min, max))
    limit = shortest if shortest == longest else f"{shortest} to {longest}"
    return (
        f"latency: one process per case and {limit} s for its samples, of which a slow pass gets "
        "one or two; the interval does not cover how far the next process of the same code would "
        "be off; --repeats 5 takes five of each, in rounds, and their median"
    )


def _compares(part: Suite) -> bool:
    timed = Counter(job.label for job in part.jobs if "latency" in job.metrics)
    return len(timed) > 1 and 1 in timed.values()


_QUIET_SECONDS = 60.0
"""After so long without a line a log says how far the run is."""


class Reporter:
    """A listener that shows how far a run is: a line a table that is filled in as it goes.

    On a terminal all tables that have begun stand below one another with their bars; elsewhere a
    line says that a table is complete. Cases that fail are said at once.

    Args:
        console: where it goes (stderr).
        suite: what runs.
        expected: seconds that it will take, as far as that is known before.
        verbose: a line for every case.
        quiet: of cases that fail alone.
    """

    def __init__(
        self,
        console: Console,
        suite: Suite,
        *,
        expected: float | None = None,
        verbose: bool = False,
        quiet: bool = False,
    ) -> None:
        self._console, self._suite = console, suite
        self._expected, self._verbose, self._quiet = expected, verbose, quiet
        self._start = self._said = time.monotonic()
        self._replicated = any(job.replicate > 1 for job in suite.all_jobs())
        self._tables = {part.name: _Table(part) for part in suite.parts()}
        self._begun = False
        self._causes: dict[str, str] = {}  # the first case that failed for each
        self._live: NotebookLine | Bars | None = None
        if console.is_jupyter:
            self._live = NotebookLine()
        elif console.is_terminal and not quiet:
            self._live = Bars(console)

    def __enter__(self) -> "Reporter":
        return self

    def _begin(self) -> None:
        """Say what runs, once it does: a mistake that is found before remains one line."""
        if self._begun:
            return
        self._begun = True
        if not self._quiet:
            self._say(_heading(self._suite, self._expected))
            if (said := _of_single_processes(self._suite)) is not None:
                self._say(said)
        if self._live is not None:
            self._live.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            if self._live is not None and self._begun:
                self._live.stop()

    def resumed(self, what: Resumed) -> None:
        """Say what a run that goes on keeps, and why it measures the rest."""
        for name, kept in what.kept_of.items():
            self._tables[name].ok += kept
        with suppress(OSError):
            if not self._quiet:
                self._say(what.text)

    def __call__(self, progress: Progress) -> None:
        """Show one event; a terminal that is gone, or a full disk, is no reason to end a run."""
        with suppress(OSError):
            self._show(progress)

    def _show(self, progress: Progress) -> None:
        event, table = progress.event, self._tables[progress.event.job.suite]
        self._begin()
        table.begin()
        name, what = event.job.label, ""
        if progress.training:
            name, what = f"{name}, {_seeds(event.job)}", "training "
            self._begin_round(event.job, table, progress.total)
        elif self._replicated:
            name += f" #{event.job.replicate}"
        place = f"[{what}{progress.done}/{progress.total}] "
        whole = name if len(self._tables) == 1 else f"{table.title}: {name}"
        if isinstance(event, Finished):
            self._finished(event, place, whole)
            if not progress.training:
                table.count(event)
        elif isinstance(event, Waiting) and not self._quiet:
            self._say(f"{place}{whole}: waiting: {event.cause}")
        now = whole if isinstance(self._live, NotebookLine) else name
        if isinstance(event, Measuring):
            now += f": {event.metric}"
        elif isinstance(event, Started):
            now += ": starting"
        times = self._times(progress)
        if isinstance(self._live, Bars):
            over = table.complete and not progress.training
            said = table.took if over else f"{what}{now}, {times}"
            self._live.update(event.job.suite, table.title, table.done, table.total, said)
            return
        if self._live is not None:
            self._live.update(f"{place}{now}, {times}")
        if self._quiet:
            return
        if table.complete and isinstance(event, Finished) and not progress.training:
            self._say(f"{place}{table.text}")
        elif time.monotonic() - self._said > _QUIET_SECONDS:
            self._say(f"{place}{whole}, {times}")

    def _begin_round(self, job: Job, table: "_Table", rows: int) -> None:
        """Say once what a round of seeds is for."""
        number = _number_of_seeds(job)
        if number > max(1, table.seeds) and table.complete and not self._quiet:
            table.seeds = number
            self._say(f"{table.title}: not told apart yet: {rows} with {number} seeds each")

    def _finished(self, event: Finished, place: str, name: str) -> None:
        """Say what failed: in full for the first case; of those that fail alike, as which one."""
        outcome = event.outcome
        failed = outcome.status != "ok"
        if not (failed or self._verbose):
            return
        line = f"{place}{name}: {outcome.status}, {outcome.elapsed:.1f} s"
        if outcome.cause:
            first = self._causes.setdefault(outcome.cause, name)
            line += f": {outcome.cause}" if first == name else f": as {first}"
        self._say(line, style="red" if failed else "")

    def _say(self, text: str, style: str = "") -> None:
        self._said = time.monotonic()
        self._console.print(text, markup=False, soft_wrap=True, style=style)

    def _times(self, progress: Progress) -> str:
        elapsed = f"{_duration(time.monotonic() - self._start)} elapsed"
        if progress.remaining_seconds is None:
            return elapsed
        return f"{elapsed}, about {_duration(progress.remaining_seconds)} left"


class _Table:
    """How far the cases of one table are."""

    def __init__(self, part: Suite) -> None:
        self.title = part.short_title
        self.total = len(part.jobs)
        self.ok = 0
        self.seeds = 0  # of the round that has been told of
        self._failed = Counter[str]()
        self._start: float | None = None

    def begin(self) -> None:
        """Something of it happens, perhaps for the first time."""
        self._start = time.monotonic() if self._start is None else self._start

    def count(self, event: Finished) -> None:
        """One more case has ended."""
        if event.outcome.status == "ok":
            self.ok += 1
        else:
            self._failed[event.outcome.status] += 1

    @property
    def done(self) -> int:
        """Cases that have ended."""
        return self.ok + self._failed.total()

    @property
    def complete(self) -> bool:
        """Whether all have."""
        return self.done >= self.total

    @property
    def took(self) -> str:
        """Since its first case."""
        return _duration(0.0 if self._start is None else time.monotonic() - self._start)

    @property
    def text(self) -> str:
        """`OCNet Table 4: 11 of 12 ok, 1 oom, 2 min 15 s`."""
        ended = [f"{self.ok} of {self.total} ok"]
        ended += [f"{number} {status}" for status, number in self._failed.items()]
        return f"{self.title}: {', '.join(ended)}, {self.took}"


def _seeds(job: Job) -> str:
    """`seed 3`, or of a round `5 seeds`."""
    number = _number_of_seeds(job)
    return f"seed {job.seed}" if number == 1 else f"{number} seeds"


def _number_of_seeds(job: Job) -> int:
    return int((job.accuracy or {}).get("evaluation", {}).get("seeds", 1))


def _heading(suite: Suite, expected: float | None) -> str:
    """`efficiency: 82 cases in 7 tables, cpu, float32; about 4 min (Ctrl-C keeps what is done)`."""
    jobs, parts = suite.all_jobs(), suite.parts()
    inside = f" in {len(parts)} tables" if len(parts) > 1 else ""
    threads = {job.threads for job in jobs} - {None}
    cases = len({(job.suite, job.label) for job in jobs})
    processes = f", {len(jobs)} processes" if len(jobs) > cases else ""
    words = [
        f"{cases} case{'s' * (cases != 1)}{inside}{processes}",
        " and ".join(dict.fromkeys(job.case.device for job in jobs)),
        *(f"{each} thread{'s' * (each != 1)}" for each in threads if len(threads) == 1),
        " and ".join(dict.fromkeys(job.case.dtype for job in jobs)),
    ]
    about = "" if expected is None else f"; about {_duration(expected)}"
    return f"{suite.name}: {', '.join(words)}{about} (Ctrl-C keeps what is done)"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
