"""A suite file as pytest sees it: a collector of cases, each a benchmark."""

import functools
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from math import ceil
from typing import Any

import pytest
import torch

from harness.case import Device, Job, Outcome, Timing
from harness.engines.engine import Finished
from harness.engines.local import LocalEngine
from harness.engines.process.worker import classify
from harness.environment.machine import describe_machine, machine_key
from harness.environment.searching import with_folders
from harness.measure import STATIC
from harness.measure.forecast import require_room
from harness.measure.passes import (
    CudaPass,
    Flush,
    GraphPass,
    TimedPass,
    compiled,
    cpu_flush,
    cuda_flush,
)
from harness.measure.sampling import (
    FixedCount,
    RelativeStdev,
    TimeBudget,
    criterion_of,
    sample_until,
    wall_budget,
)
from harness.measure.subject import Subject, real_subject
from harness.messages import HarnessError, last_lines
from harness.records.record import finite
from harness.suite.loader import load
from harness.suite.suite import Suite

# The failure of a case as a test.


class CaseFailedError(HarnessError):
    """A case has no timing.

    Args:
        status: as in a record: `oom`, `timeout`, `killed`, `error`, `invalid`, `unsupported`.
        cause: one line.
        tail: last lines of output and traceback.
    """

    def __init__(self, status: str, cause: str | None, tail: Sequence[str] = ()) -> None:
        super().__init__("\n".join((f"{status}: {cause or 'no cause is known'}", *tail)))


# How many rounds pytest-benchmark runs for what a suite says under `latency`.

_SHORTEST = 1e-9
"""Seconds; what a clock of the host can tell."""


def rounds(timing: Timing, device: Device, pass_seconds: float, turn_seconds: float) -> int:
    """Rounds of one pass each, fixed beforehand as pytest-benchmark's pedantic mode needs them.

    The criteria of spread become their least number of samples and least time: whether the spread
    is small is not known beforehand, and pytest-benchmark prints it.

    Args:
        timing: what the suite says.
        device: where the case runs; it sets the longest time if the suite does not.
        pass_seconds: of one pass after the warm-up.
        turn_seconds: of one pass with what precedes it, as emptying the caches.
    """
    one = max(pass_seconds, _SHORTEST)
    criterion = criterion_of(timing, device)
    if isinstance(criterion, TimeBudget):
        wanted = ceil(criterion.seconds / one)
    elif isinstance(criterion, RelativeStdev):
        wanted = max(criterion.min_samples, ceil(criterion.min_time / one))
    else:
        assert isinstance(criterion, FixedCount)
        wanted = criterion.samples
    most = int(wall_budget(timing, device) / max(turn_seconds, one))
    return max(1, min(wanted, most))


# One case as a benchmark: static metrics in a process of its own, the time in this one.

_TRACE_LINES = 12


def measure(job: Job, benchmark: Any) -> None:
    """Run a case through pytest-benchmark's fixture.

    Group is the suite's name; `extra_info` has the static metrics of the suite under their stored
    names, and what was measured where. On CUDA a round ends when the device has finished.

    Args:
        job: what to measure.
        benchmark: the fixture.

    Raises:
        CaseFailedError: the case failed in either process.
    """
    benchmark.group = job.suite
    outcome = _static(job)
    if outcome.status != "ok":
        raise CaseFailedError(outcome.status, outcome.cause, outcome.tail)
    benchmark.extra_info.update(_extra_info(job, outcome))
    failure = None
    try:
        with _conditions(job):
            benchmark.extra_info["threads"] = torch.get_num_threads()
            require_room(job, outcome.values)
            _time(job, benchmark)
    except (Exception, SystemExit) as error:  # whatever a user's module raises
        trace = last_lines("".join(traceback.format_exception(error)), _TRACE_LINES)
        failure = CaseFailedError(*classify(error), trace)
    if job.case.device == "cuda" and torch.cuda.is_available():
        torch.cuda.empty_cache()  # the next case may need it all
    if failure is not None:
        raise failure


def _static(job: Job) -> Outcome:
    """Static metrics in a fresh process, which also meets what would end this one."""
    names = tuple(name for name in job.metrics if name in STATIC)
    if not names:
        return Outcome("ok")
    engine = LocalEngine()
    engine.submit(replace(job, metrics=names))
    finished = [event for event in engine.events() if isinstance(event, Finished)]
    return finished[0].outcome


def _extra_info(job: Job, outcome: Outcome) -> dict[str, Any]:
    case = job.case
    info = {
        "suite": job.suite,
        "label": job.label,
        "module": case.module,
        "arguments": dict(case.arguments),
        "input": [list(shape) for shape in case.inputs],
        "device": case.device,
        "dtype": case.dtype,
        "pass": case.pass_,
        "channels_last": case.channels_last,
        "compile": case.compile,
        "cache": job.timing.cache,
        "seed": job.seed,
        "case_key": case.key,
        "machine_key": _machine_key(),
        "warnings": list(outcome.warnings),
    }
    found: dict[str, Any] = finite(info | outcome.values)
    return found


@functools.cache
def _machine_key() -> str:
    return machine_key(describe_machine())


@contextmanager
def _conditions(job: Job) -> Iterator[None]:
    """Threads, random numbers and import path of the case; other tests find theirs again."""
    path, threads = list(sys.path), torch.get_num_threads()
    sys.path[:] = with_folders(job.search_path)
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)
        sys.path[:] = path


def _time(job: Job, benchmark: Any) -> None:
    clock = time.perf_counter
    subject = real_subject(job.case, job.seed, job.search_path)
    if job.case.compile:
        subject, benchmark.extra_info["compile_seconds"] = compiled(subject, clock)
    one = _pass(subject, job)
    flush = _flush(job)
    count = 1
    if benchmark.enabled:
        count = _warmed_up(job, one, flush, benchmark.extra_info)
    else:
        one()  # checks the output
    benchmark.pedantic(_target(one), setup=_setup(subject, flush), rounds=count)


def _pass(subject: Subject, job: Job) -> TimedPass:
    """A pass that returns when its work is done, on either device; its output is checked once."""
    if job.case.device == "cpu":
        return TimedPass(subject, time.perf_counter)
    kind = GraphPass if job.timing.cuda_graph else CudaPass
    return kind(subject, time.perf_counter)


def _flush(job: Job) -> Flush | None:
    if job.timing.cache == "hot":
        return None
    return cpu_flush() if job.case.device == "cpu" else cuda_flush()


def _warmed_up(job: Job, one: TimedPass, flush: Flush | None, info: dict[str, Any]) -> int:
    """Passes until they are steady, as the `latency` metric does; the rounds that follow."""
    timing, device = job.timing, job.case.device
    limit = wall_budget(timing, device)
    sampled = sample_until(one, FixedCount(1), time.perf_counter, limit)
    info["warnings"] += sampled.flags
    start = time.perf_counter()
    if flush is not None:
        flush()
        if device == "cuda":
            torch.cuda.synchronize()
    emptying = time.perf_counter() - start
    seconds = sampled.samples[0]
    return rounds(timing, device, seconds, seconds + emptying)


def _target(one: TimedPass) -> Any:
    def run() -> None:
        one.timed()  # its output is dropped, so that no round holds that of the one before

    return run


def _setup(subject: Subject, flush: Flush | None) -> Any:
    """What precedes a round, untimed: gradients of the pass before are freed, caches emptied."""

    def prepare() -> None:
        subject.clear_gradients()
        if flush is not None:
            flush()
            if subject.case.device == "cuda":
                torch.cuda.synchronize()

    return prepare


# A case as pytest sees it: a test with pytest-benchmark's own `benchmark` fixture.


class CaseItem(pytest.Function):
    """One case of a suite.

    A `pytest.Function`, so that fixtures are filled and pytest-benchmark's options (only, skip,
    disable, compare) find it as they find any other benchmark.
    """

    @classmethod
    def of(cls, parent: pytest.Collector, job: Job) -> "CaseItem":
        """The item of a job.

        Args:
            parent: the file, or the part of it, that has the job.
            job: a case with its limits.
        """

        def case(benchmark: Any) -> None:
            _run(job, benchmark)

        # On the command line `::` separates names.
        name = job.label.replace("::", ":")
        item: CaseItem = cls.from_parent(parent, name=name, callobj=case)
        if item.config.pluginmanager.hasplugin("timeout"):
            item.add_marker(pytest.mark.timeout(job.timeout))
        return item

    def reportinfo(self) -> tuple[str, int | None, str]:
        """The suite's file and the label, not the function above; pytest wants a line, too."""
        return str(self.path), 0, self.name


def _run(job: Job, benchmark: Any) -> None:

    text = None
    try:
        measure(job, benchmark)
    except CaseFailedError as error:
        text = str(error)
    if text is not None:  # outside of the handler: its traceback would keep the case's tensors
        with suppress(Exception):
            benchmark.pedantic(_fail)  # so that pytest-benchmark knows of the failure
        pytest.fail(text, pytrace=False)


def _fail() -> None:
    raise CaseFailedError("error", "the case failed before it was timed")


class SuiteFile(pytest.File):
    """A suite: its cases, then one `SuitePart` per suite that it includes."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        """The cases as `file::label`, those of an included suite as `file::suite::label`.

        Raises:
            CollectError: pytest-benchmark is missing, or the suite has mistakes: one line each.
        """
        if not self.config.pluginmanager.hasplugin("benchmark"):
            raise self.CollectError(
                f"{self.path.name}: the cases of a suite are timed by pytest-benchmark, which is "
                "not loaded; install it with: pip install pytest-benchmark"
            )
        suite = self._load()
        for part in suite.parts():
            if part is suite:
                yield from _cases(self, part)
            else:
                yield SuitePart.from_parent(self, name=part.name, suite=part)

    def _load(self) -> Suite:
        from harness.present.check import check

        try:
            suite = load(self.path)
            check(suite)
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        return suite


class SuitePart(pytest.Collector):
    """A suite that another one includes."""

    def __init__(self, *, suite: Suite, **options: Any) -> None:
        super().__init__(**options)
        self._suite = suite

    def collect(self) -> Iterator[pytest.Item]:
        """Its cases."""
        return _cases(self, self._suite)


def _cases(parent: pytest.Collector, suite: Suite) -> Iterator[pytest.Item]:
    for job in suite.jobs:
        if job.replicate == 1:  # pytest-benchmark's rounds all run in one process
            yield CaseItem.of(parent, job)
