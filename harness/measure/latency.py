"""Latency: the median time of one pass, with its interval and all raw samples."""

import time

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
    cuda = job.case.device == "cuda"
    take = _CudaPass(subject) if cuda else _Pass(subject)
    budget = MAX_TIME if cuda else CPU_BUDGET
    sampled = sample_until(take, SettledNoise(), time.perf_counter, budget)
    return summarise(sampled)


class _Pass:
    """One timed pass of a subject; the output of the first is checked, outside of its time.

    The first pass is a warm-up in any case, so the check costs no pass of its own.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._checked = False

    def __call__(self) -> float:
        """Run one pass; its duration in seconds.

        Raises:
            NonFiniteOutputError: the first output is NaN or infinite somewhere.
        """
        seconds, out = self._timed()
        if not self._checked:
            require_finite(out)
            self._checked = True
        self._subject.clear_gradients()
        return seconds

    def _timed(self) -> tuple[float, object]:
        start = time.perf_counter()
        out = _forward(self._subject)
        return time.perf_counter() - start, out


class _CudaPass(_Pass):
    """Timed by events on the device, since its work is asynchronous."""

    def _timed(self) -> tuple[float, object]:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        out = _forward(self._subject)
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) / 1e3, out


def _forward(subject: Subject) -> object:
    if subject.case.pass_ == "training":
        return subject.forward()
    with torch.inference_mode():
        return subject.module(*subject.inputs)


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
