"""One case as a benchmark: static metrics in a process of its own, the time in this one."""

import functools
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch

from harness.case import Job
from harness.engines.engine import Finished
from harness.engines.local import LocalEngine
from harness.environment.machine import describe_machine, machine_key
from harness.measure import STATIC
from harness.measure.cache_flush import Flush, cpu_flush, cuda_flush
from harness.measure.compiled import compiled
from harness.measure.criterion import wall_budget
from harness.measure.cuda_pass import CudaPass, GraphPass
from harness.measure.forecast import require_room
from harness.measure.sampling import sample_until
from harness.measure.stopping import FixedCount
from harness.measure.subject import Subject, real_subject
from harness.measure.timed_pass import TimedPass
from harness.outcome import Outcome
from harness.printable import last_lines
from harness.pytest_plugin.failure import CaseFailedError
from harness.pytest_plugin.rounds import rounds
from harness.records.record import finite
from harness.searching import with_folders
from harness.worker import classify

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
