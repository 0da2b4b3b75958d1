"""Predicted memory against what the allocator was asked for."""

import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from harness.case import Case, Device, DType, Job
from harness.measure.memory import allocator_peak, live_peak
from harness.measure.memory_model import measure_memory_model
from harness.measure.subject import on_fake_or_real, real_subject
from harness.messages import first_line
from harness.selfcheck.finding import Finding, judged, left_out, ratio_within
from harness.selfcheck.sections.scaled import scaled
from harness.selfcheck.setting import Setting
from harness.suite.loader import load

_SUITE = "ocnet_table4"
_SIDES: dict[Device, int] = {"cuda": 128, "cpu": 32}
_LEAST = 3.0  # seconds for a case

LIMIT = 0.05
"""How far the prediction may be from the peak that was asked for."""

WIDTHS = ((64, 256), (256, 256), (64, 512))
"""Channels of keys and values whose attention kernel PyTorch chooses differently."""

_TYPES: tuple[DType, ...] = ("float32", "bfloat16")


def check(setting: Setting) -> Iterator[Finding]:
    """A finding a case of the table, and one for each width of fused attention."""
    jobs = list(_jobs(setting.device))
    for number, job in enumerate(jobs):
        if setting.left() < _LEAST:
            yield left_out(len(jobs) - number)
            return
        try:
            yield _modelled(job) if setting.device == "cpu" else _allocated(job)
        except Exception as error:  # of one case: the others are measured all the same
            yield judged(job.label, False, first_line(error))
        gc.collect()
        if setting.device == "cuda":
            torch.cuda.empty_cache()


def _jobs(device: Device) -> Iterator[Job]:
    for job in load(Path(_SUITE)).all_jobs():
        case = replace(job.case, device=device, inputs=scaled(job.case.inputs, _SIDES[device]))
        yield replace(job, label=f"{_SUITE}: {job.label}", case=case)
    for keys, values in WIDTHS if device == "cuda" else ():
        for dtype in _TYPES:
            arguments = {"key_channels": keys, "value_channels": values, "kernel": "fused"}
            case = Case("non_local", arguments, ((1, 512, 96, 96),), device=device, dtype=dtype)
            label = f"fused attention {keys}/{values} {dtype}"
            yield Job("selfcheck", label, case, ("allocator",), timeout=60.0)


def _modelled(job: Job) -> Finding:
    """On the CPU: what operators take of it is measured one by one, then the whole pass."""
    found: dict[str, Any] = measure_memory_model(job)
    return _held(job.label, found["predicted_peak_bytes"], found["measured_peak_bytes"])


def _allocated(job: Job) -> Finding:
    """On CUDA: the live peak, of fake tensors, against what the caching allocator was asked for."""
    predicted, _ = on_fake_or_real(job.case, job.seed, job.search_path, live_peak)
    subject = real_subject(job.case, job.seed, job.search_path)
    subject.forward()
    peak = allocator_peak(subject.forward)
    found = _held(job.label, predicted, peak.requested)
    return replace(found, figures={**found.figures, "allocated_bytes": peak.allocated})


def _held(label: str, predicted: int, measured: int) -> Finding:
    said = f"predicted {predicted / 2**20:.1f} MiB, asked for {measured / 2**20:.1f} MiB"
    ratio = predicted / max(measured, 1)
    figures = {"predicted_bytes": predicted, "requested_bytes": measured, "ratio": ratio}
    return replace(ratio_within(label, ratio, 1 - LIMIT, 1 + LIMIT, said), figures=figures)
