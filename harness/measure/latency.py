"""Latency: the median time of one pass, with its interval and all raw samples."""

import os
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from harness.case import Job
from harness.judge.statistics.intervals import median_interval, outliers, quartiles
from harness.measure.passes import (
    THROTTLED,
    Clock,
    CudaPass,
    GraphPass,
    TimedPass,
    clock_share,
    compiled,
    cpu_flush,
    cuda_flush,
)
from harness.measure.sampling import Sampled, criterion_of, sample_until, wall_budget
from harness.measure.subject import Subject, real_subject
from harness.measure.turns import InTurns, Turns

NOISY, VERY_NOISY = 0.10, 0.25  # IQR over median; Georges et al. 2007 advise against reading beyond


def measure_latency(job: Job, clock: Clock = time.perf_counter) -> dict[str, object]:
    """Time one pass of a case as `job.timing` says: fixed threads on the CPU, events on CUDA.

    Args:
        job: what to time, and how.
        clock: in seconds; a fake one in tests.

    Returns:
        `latency_seconds` (median), `latency_low_seconds` and `latency_high_seconds` (interval of
        the median), `latency_confidence` (its probability: 0.95 or more from 6 samples on),
        `latency_q1_seconds`, `latency_q3_seconds`, `latency_samples_seconds` and
        `latency_warmup_seconds` (every sample), `latency_flags` (of noisy, throttled, outlier,
        too few, unmet, unsteady), `latency_outlier_samples` and `latency_throttled_samples`
        (indices), `latency_unmet` (what the criterion lacked), `latency_cache`, `threads`,
        `compile_seconds` of a compiled case, and `warnings` (those of the latency also as
        `latency_warnings`).
    """
    subject = real_subject(job.case, job.seed, job.search_path)
    figures: dict[str, object] = {
        "latency_cache": job.timing.cache,
        "threads": torch.get_num_threads(),
    }
    if job.case.compile:
        subject, figures["compile_seconds"] = compiled(subject, clock)
    take = _pass(subject, job, clock)
    sampled = _sampled(take, job, clock)
    shares = take.clock_shares[len(sampled.warmup) :] if isinstance(take, CudaPass) else []
    summary = summarise(sampled, shares)
    if job.timing.cuda_graph and job.case.device == "cpu":
        _warnings(summary).append("no CUDA graph: the case runs on the CPU")
    if job.timing.turns and job.turn is None:
        _warnings(summary).append("no turns: the case ran in one process, or on another device")
    _warnings(summary).extend(_priority())
    return summary | figures


def _sampled(take: Callable[[], float], job: Job, clock: Clock) -> Sampled:
    timing, device = job.timing, job.case.device
    criterion, budget = criterion_of(timing, device), wall_budget(timing, device)
    if job.turn is None:
        return sample_until(take, criterion, clock, budget)
    with Turns(job.turn, clock) as turns:
        sliced = InTurns(take, turns, clock)
        sampled = sample_until(sliced, criterion, sliced.own_time, budget)
    return replace(sampled, warmup=(*sampled.warmup, *sliced.settling))


def _pass(subject: Subject, job: Job, clock: Clock) -> TimedPass:
    cold = job.timing.cache == "cold"
    if job.case.device == "cpu":
        return TimedPass(subject, clock, cpu_flush() if cold else None)
    kind: Callable[..., CudaPass] = GraphPass if job.timing.cuda_graph else CudaPass
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    share = clock_share(str(getattr(properties, "uuid", "")))
    return kind(subject, clock, cuda_flush() if cold else None, share)


def summarise(
    sampled: Sampled, clock_shares: list[float | None] | None = None
) -> dict[str, object]:
    """Median, interval, quartiles, flags and the warnings that the samples call for.

    Args:
        sampled: what sampling gave.
        clock_shares: SM clock over its default at each sample, where it is known.
    """
    samples = sampled.samples
    interval = median_interval(samples)
    first, third = quartiles(samples)
    strange = outliers(samples)
    throttled = [
        i for i, share in enumerate(clock_shares or ()) if share is not None and share < THROTTLED
    ]
    few = interval.confidence < 0.95
    spread = (third - first) / interval.median if interval.median else 0.0
    warnings = list(sampled.flags) + _noise(spread)
    if few:
        warnings.append(
            f"{len(samples)} sample{'s' if len(samples) > 1 else ''}: the interval is their range "
            f"(confidence {interval.confidence:.0%})"
        )
    if strange:
        warnings.append("outliers among the samples: something else ran, or a clock changed")
    if throttled:
        warnings.append(
            f"throttled: SM clock below {THROTTLED:.0%} of its default at {len(throttled)} of "
            f"{len(samples)} samples"
        )
    flags = {
        "noisy": spread >= NOISY,
        "throttled": throttled,
        "outlier": strange,
        "too few": few,
        "unmet": sampled.unmet,
        "unsteady": not sampled.steady,
    }
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
        "latency_throttled_samples": throttled,
        "latency_unmet": sampled.unmet,
        "latency_warnings": list(warnings),
        "warnings": warnings,
    }


def _priority() -> list[str]:
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    if niceness <= 0:
        return []
    return [
        f"low priority: niceness {niceness}, so whatever else runs on the machine went first; "
        "start what runs the cases at niceness 0 (nodes of Ray with RAY_worker_niceness=0)"
    ]


def _noise(spread: float) -> list[str]:
    if spread >= VERY_NOISY:
        return [f"very noisy: IQR is {spread:.0%} of the median; do not compare this row"]
    return [f"noisy: IQR is {spread:.0%} of the median"] if spread >= NOISY else []


def _warnings(summary: dict[str, object]) -> list[str]:
    warnings = summary["warnings"]
    assert isinstance(warnings, list)
    return warnings
