"""A suite file as pytest sees it: a collector of cases, each a benchmark.

Static metrics of a case are counted in a process of its own, its time is taken in this one.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import replace
from math import ceil
from typing import Any

import pytest
import torch

from harness.case import Device, Job, Outcome, Timing
from harness.engines.devices import alone_on
from harness.engines.engine import Finished
from harness.engines.local import LocalEngine
from harness.engines.process.imports import probe
from harness.engines.process.worker import classify, trace_of
from harness.environment.machine import describe_machine, machine_key
from harness.environment.searching import with_folders
from harness.measure import STATIC
from harness.measure.forecast import require_room
from harness.measure.passes import Flush, TimedPass, compiled, flush_of, timed_pass
from harness.measure.precision import float32_in_effect, float32_products
from harness.measure.sampling import (
    FixedCount,
    RelativeStdev,
    TimeBudget,
    criterion_of,
    sample_until,
    wall_budget,
)
from harness.measure.subject import real_subject
from harness.messages import HarnessError, last_lines
from harness.records.record import finite
from harness.suite.loader import load
from harness.suite.suite import Suite

_TRACE_LINES = 12
_SHORTEST = 1e-9
"""Seconds; what a clock of the host can tell."""


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
        from harness.present.check import check

        try:
            suite = load(self.path, probe=probe, check=check)
        except HarnessError as error:
            raise self.CollectError(str(error)) from None
        for part in suite.parts():
            if part is suite:
                yield from _cases(self, part)
            else:
                yield SuitePart.from_parent(self, name=part.name, suite=part)


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


class CaseItem(pytest.Function):
    """One case of a suite.

    A `pytest.Function`, so that fixtures are filled and pytest-benchmark's options (only, skip,
    disable, compare) find it as they find any other benchmark.
    """

    @classmethod
    def of(cls, parent: pytest.Collector, job: Job) -> "CaseItem":
        """The item of a job of a file, or of a part of it."""

        def case(benchmark: Any) -> None:
            text = None
            try:
                benchmark_case(job, benchmark)
            except CaseFailedError as error:
                text = str(error)
            if text is not None:  # outside of the handler: its traceback would keep the tensors
                with suppress(Exception):
                    benchmark.pedantic(_fail)  # so that pytest-benchmark knows of the failure
                pytest.fail(text, pytrace=False)

        # On the command line `::` separates names.
        name = job.label.replace("::", ":")
        item: CaseItem = cls.from_parent(parent, name=name, callobj=case)
        if item.config.pluginmanager.hasplugin("timeout"):
            item.add_marker(pytest.mark.timeout(job.timeout))
        return item

    def reportinfo(self) -> tuple[str, int | None, str]:
        """The suite's file and the label, not the function above; pytest wants a line, too."""
        return str(self.path), 0, self.name


def _fail() -> None:
    raise CaseFailedError("error", "the case failed before it was timed")


class CaseFailedError(HarnessError):
    """A case has no timing.

    Args:
        status: as in a record: `oom`, `timeout`, `killed`, `error`, `invalid`, `unsupported`.
        cause: one line.
        tail: last lines of output and traceback.
    """

    def __init__(self, status: str, cause: str | None, tail: Sequence[str] = ()) -> None:
        super().__init__("\n".join((f"{status}: {cause or 'no cause is known'}", *tail)))


def benchmark_case(job: Job, benchmark: Any) -> None:
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
        with _circumstances(job):
            benchmark.extra_info["threads"] = torch.get_num_threads()
            if job.case.device == "cuda":
                benchmark.extra_info["float32"] = float32_in_effect()
            require_room(job, outcome.values)
            with _alone(job, benchmark):
                _timed(job, benchmark)
    except (Exception, SystemExit) as error:  # whatever a user's module raises
        trace = last_lines(trace_of(error), _TRACE_LINES)
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
    finished = [event.outcome for event in engine.events() if isinstance(event, Finished)]
    return finished[0]


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
        "autocast": case.autocast,
        "call": case.call,
        "prepare": list(case.prepare),
        "cache": job.timing.cache,
        "seed": job.seed,
        "case_key": case.key,
        "machine_key": machine_key(describe_machine()),
        "warnings": list(outcome.warnings),
    }
    found: dict[str, Any] = finite(info | outcome.values)
    return found


@contextmanager
def _circumstances(job: Job) -> Iterator[None]:
    """Threads, random numbers and import path of the case; other tests find theirs again."""
    path, threads = list(sys.path), torch.get_num_threads()
    sys.path[:] = with_folders(job.search_path)
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    try:
        with torch.random.fork_rng(devices=[]), float32_products(job.case):
            yield
    finally:
        torch.set_num_threads(threads)
        sys.path[:] = path


def _alone(job: Job, benchmark: Any) -> AbstractContextManager[None]:
    """The device of what is timed, which another measurement may have for now."""
    if not benchmark.enabled:
        return nullcontext()
    holder, warnings = f"{job.suite}: {job.label}", benchmark.extra_info["warnings"]
    return alone_on(
        job.case.device, holder, lambda said: warnings.append(f"waited before it began: {said}")
    )


def _timed(job: Job, benchmark: Any) -> None:
    clock = time.perf_counter
    subject = real_subject(job.case, job.seed, job.search_path)
    if job.case.compile:
        subject, benchmark.extra_info["compile_seconds"] = compiled(subject, clock)
    # It returns when its work is done, on either device; its output is checked once.
    one = timed_pass(subject, job, clock)
    flush = flush_of(job)
    count = 1
    if benchmark.enabled:
        count = _warmed_up(job, one, flush, benchmark.extra_info)
    else:
        one()  # checks the output

    def prepare() -> None:
        subject.clear_gradients()
        _empty_caches(job, flush)

    def run() -> None:
        one.timed()  # its output is dropped, so that no round holds that of the one before

    benchmark.pedantic(run, setup=prepare, rounds=count)


def _warmed_up(job: Job, one: TimedPass, flush: Flush | None, info: dict[str, Any]) -> int:
    """Passes until they are steady, as the `latency` metric does; the rounds that follow."""
    timing, device, clock = job.timing, job.case.device, time.perf_counter
    sampled = sample_until(one, FixedCount(1), clock, wall_budget(timing, device))
    info["warnings"] += sampled.flags
    start = clock()
    _empty_caches(job, flush)
    seconds = sampled.samples[0]
    return rounds(timing, device, seconds, seconds + clock() - start)


def _empty_caches(job: Job, flush: Flush | None) -> None:
    if flush is not None:
        flush()
        if job.case.device == "cuda":
            torch.cuda.synchronize()


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
