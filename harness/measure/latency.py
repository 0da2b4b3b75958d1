"""Latency: the median time of one pass, with its interval and all raw samples."""

import time
from collections.abc import Callable

import torch

from harness.case import Job
from harness.measure.finite import require_finite
from harness.measure.sampling import Sampled, sample_until
from harness.measure.stopping import MAX_TIME, SettledNoise
from harness.measure.subject import Subject, real_subject
from harness.statistics.median import median_interval, quartiles

# A forward of a 2048-channel head takes seconds on a CPU; NVBench's 15 s would make a table of
# twelve rows a matter of many minutes, and the interval says what the shorter budget costs.
CPU_BUDGET = 5.0
NOISY, VERY_NOISY = 0.10, 0.25  # IQR over median; Georges et al. 2007 advise against reading beyond


def measure_latency(job: Job) -> dict[str, object]:
    """Time one pass of a case: fixed threads on the CPU, events on CUDA.

    Returns:
        `latency_seconds` (median), `latency_low_seconds` and `latency_high_seconds` (interval of the
        median), `latency_confidence` (its probability: 0.95 or more from 6 samples on),
        `latency_q1_seconds`, `latency_q3_seconds`, `latency_samples_seconds` and
        `latency_warmup_seconds` (every sample), `warnings`.
    """
    subject = real_subject(job.case, job.seed, job.search_path)
    require_finite(subject.forward())
    subject.clear_gradients()
    cuda = job.case.device == "cuda"
    take = _cuda_pass(subject) if cuda else _cpu_pass(subject)
    budget = MAX_TIME if cuda else CPU_BUDGET
    sampled = sample_until(take, SettledNoise(), time.perf_counter, budget)
    return summarise(sampled)


def _cpu_pass(subject: Subject) -> Callable[[], float]:
    inference = subject.case.pass_ == "inference"

    def take() -> float:
        start = time.perf_counter()
        if inference:
            with torch.inference_mode():
                subject.module(*subject.inputs)
        else:
            subject.forward()
        seconds = time.perf_counter() - start
        subject.clear_gradients()
        return seconds

    return take


def _cuda_pass(subject: Subject) -> Callable[[], float]:
    def take() -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        subject.forward()
        end.record()
        end.synchronize()
        subject.clear_gradients()
        return float(start.elapsed_time(end)) / 1e3

    return take


def summarise(sampled: Sampled) -> dict[str, object]:
    """Median, interval, quartiles and the warnings that the samples call for."""
    interval = median_interval(sampled.samples)
    first, third = quartiles(sampled.samples)
    warnings = list(sampled.flags)
    spread = (third - first) / interval.median if interval.median else 0.0
    if spread >= VERY_NOISY:
        warnings.append(f"very noisy: IQR is {spread:.0%} of the median; do not compare this row")
    elif spread >= NOISY:
        warnings.append(f"noisy: IQR is {spread:.0%} of the median")
    if interval.confidence < 0.95:
        warnings.append(
            f"{len(sampled.samples)} samples: the interval is their range "
            f"(confidence {interval.confidence:.0%})"
        )
    return {
        "latency_seconds": interval.median,
        "latency_low_seconds": interval.low,
        "latency_high_seconds": interval.high,
        "latency_confidence": interval.confidence,
        "latency_q1_seconds": first,
        "latency_q3_seconds": third,
        "latency_samples_seconds": list(sampled.samples),
        "latency_warmup_seconds": list(sampled.warmup),
        "warnings": warnings,
    }
