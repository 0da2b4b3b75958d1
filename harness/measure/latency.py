"""Latency: the median time of one pass, with its interval and all raw samples."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import torch

from harness.case import Job
from harness.environment.gpu import uuid_of
from harness.judge.statistics.intervals import median_interval, outliers, quartiles
from harness.measure.passes import (
    THROTTLED,
    CudaPass,
    TimedPass,
    compiled,
    flush_of,
    throttling,
    timed_pass,
)
from harness.measure.sampling import Clock, Sampled, criterion_of, sample_until, wall_budget
from harness.measure.subject import Subject
from harness.measure.turns import InTurns, Turns
from harness.measure.warmed import warmed_or_new

LAUNCHED_PASSES = 10  # NVBench: --min-samples 10
NOISY, VERY_NOISY = 0.10, 0.25  # IQR over median; Georges et al. 2007 advise against reading beyond


def measure_latency(job: Job, clock: Clock = time.perf_counter) -> dict[str, Any]:
    """Time one pass of a case as `job.timing` says: fixed threads on the CPU, events on CUDA.

    Args:
        job: what to time, and how.
        clock: in seconds; a fake one in tests.

    Returns:
        What `summarise` says of the samples; `latency_cache`, `threads`, and `compile_seconds` of a
        compiled case. Warnings about the circumstances are no `latency_warnings`.
    """
    warmed = warmed_or_new(job)
    return time_subject(warmed.subject, job, clock, warmed.passes)


def time_subject(
    subject: Subject, job: Job, clock: Clock = time.perf_counter, before: Sequence[float] = ()
) -> dict[str, Any]:
    """Time one pass of a subject; see `measure_latency`.

    Args:
        subject: what is timed.
        job: how.
        clock: in seconds.
        before: seconds of the passes that it has behind it; the warm-up goes on from them.
    """
    figures: dict[str, Any] = {
        "latency_cache": job.timing.cache,
        "threads": torch.get_num_threads(),
    }
    if job.case.compile:
        subject, figures["compile_seconds"] = compiled(subject, clock)
    take = pass_of(subject, job, clock)
    sampled = _sampled(take, job, clock, before)
    summary = summary_of(take, sampled)
    if job.timing.cuda_graph and job.case.device != "cuda":
        summary["warnings"].append("no CUDA graph: the case runs on the CPU")
    if job.timing.turns and job.turn is None:
        summary["warnings"].append("no turns: the case ran in one process, or on another device")
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    if niceness > 0:
        summary["warnings"].append(
            f"low priority: niceness {niceness}, so whatever else runs on the machine went first; "
            "start what runs the cases at niceness 0 (nodes of Ray with RAY_worker_niceness=0)"
        )
    return summary | figures


def pass_of(subject: Subject, job: Job, clock: Clock) -> TimedPass:
    """The passes of a job on its device, with what stands beside them: caches, clocks."""
    uuid = uuid_of() if job.case.device == "cuda" else None
    throttled = throttling(uuid) if uuid else None
    return timed_pass(subject, job, clock, flush_of(job), throttled=throttled, blocked=True)


def summary_of(take: TimedPass, sampled: Sampled) -> dict[str, Any]:
    """What `summarise` says of the samples of a pass, and what the pass itself did."""
    if isinstance(take, CudaPass):
        first = len(sampled.warmup)
        summary = summarise(sampled, take.throttled[first:], take.hidden[first:])
        summary["latency_with_launches_seconds"] = with_launches(take)
    else:
        summary = summarise(sampled)
    if take.changes_input:
        summary["warnings"].append(
            "the module writes into its input, so that each pass began with what the one before "
            "left there; only the first output was checked: let it work on a copy"
        )
    return summary


def with_launches(take: CudaPass) -> float:
    """Median seconds of a few passes whose launches the device waits for, as users start them."""
    block, take.block = take.block, None
    try:
        return median([take() for _ in range(LAUNCHED_PASSES)])
    finally:
        take.block = block


def _sampled(take: Callable[[], float], job: Job, clock: Clock, before: Sequence[float]) -> Sampled:
    timing, device = job.timing, job.case.device
    criterion, budget = criterion_of(timing, device), wall_budget(timing, device)
    if job.turn is None:
        return sample_until(take, criterion, clock, budget, before)
    with Turns(job.turn, clock) as turns:
        sliced = InTurns(take, turns, clock)
        sampled = sample_until(sliced, criterion, sliced.own_time, budget)
    return replace(sampled, warmup=(*sampled.warmup, *sliced.settling))


def summarise(
    sampled: Sampled, throttled: Sequence[bool | None] = (), hidden: Sequence[bool] = ()
) -> dict[str, Any]:
    """The stored values of a latency: all samples, what they come to, flags and warnings.

    The interval is that of the median, its confidence 0.95 or more from 6 samples on; outliers and
    throttled samples are kept, and told by their indices.

    Args:
        sampled: what sampling gave.
        throttled: whether the GPU was throttled at each sample, where it is known.
        hidden: whether the launches of each sample were hidden from the GPU.
    """
    samples = sampled.samples
    interval = median_interval(samples)
    first, third = quartiles(samples)
    spread = (third - first) / interval.median if interval.median else 0.0
    strange = outliers(samples)
    slow = [number for number, said in enumerate(throttled) if said]
    few = interval.confidence < 0.95
    flags = {"noisy": spread >= NOISY, "throttled": slow, "outlier": strange, "too few": few}
    flags |= {"launches": hidden.count(False)} if hidden else {}
    flags |= {"unmet": sampled.unmet, "unsteady": not sampled.steady}
    warnings = [*sampled.flags, *_warnings(flags, len(samples), spread, interval.confidence)]
    return {
        "latency_seconds": interval.median,
        "latency_low_seconds": interval.low,
        "latency_high_seconds": interval.high,
        "latency_confidence": interval.confidence,
        "latency_q1_seconds": first,
        "latency_q3_seconds": third,
        "latency_samples_seconds": list(samples),
        "latency_warmup_seconds": list(sampled.warmup),
        "latency_flags": [name for name, raised in flags.items() if raised],
        "latency_outlier_samples": strange,
        "latency_throttled_samples": slow,
        "latency_unmet": sampled.unmet,
        "latency_warnings": list(warnings),
        "warnings": warnings,
    }


def _warnings(
    flags: Mapping[str, Any], count: int, spread: float, confidence: float
) -> Iterator[str]:
    if spread >= VERY_NOISY:
        yield f"very noisy: IQR is {spread:.0%} of the median; do not compare this row"
    elif flags["noisy"]:
        yield f"noisy: IQR is {spread:.0%} of the median"
    if flags["too few"]:
        samples = f"{count} sample{'s' if count > 1 else ''}"
        yield f"{samples}: the interval is their range (confidence {confidence:.0%})"
    if flags["outlier"]:
        yield "outliers among the samples: something else ran, or a clock changed"
    if flags.get("launches"):
        yield (
            f"launches of the host are part of {flags['launches']} of {count} samples: the pass "
            "waits for the GPU, or has more launches than its queue holds (cuda_graph: true)"
        )
    if flags["throttled"]:
        yield (
            f"throttled by heat or power: SM clock below {THROTTLED:.0%} of its largest at "
            f"{len(flags['throttled'])} of {count} samples"
        )
