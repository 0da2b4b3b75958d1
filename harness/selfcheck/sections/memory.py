"""Predicted memory against the peak of the pass."""

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
from harness.selfcheck.finding import Finding, left_out, of_error, ratio_within
from harness.selfcheck.sections.scaled import scaled
from harness.selfcheck.setting import Setting
from harness.suite.loader import load

_SUITE = "ocnet_table4"
_SIDES: dict[Device, int] = {"cuda": 128, "cpu": 32}
_LEAST = 3.0  # seconds for a case

LIMIT = 0.05
"""How far the prediction may be from the peak that is measured."""

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
            yield _compared(job)
        except Exception as error:  # of one case: the others are measured all the same
            yield of_error(job.label, error)
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


def _compared(job: Job) -> Finding:
    """The predicted peak of a pass, with what each operator takes alone, against the whole pass.

    What libraries take within an operator is no tensor of the module; on CUDA the live peak, which
    is tensors alone, stands beside both.
    """
    found: dict[str, Any] = measure_memory_model(job)
    predicted, measured = found["predicted_peak_bytes"], found["measured_peak_bytes"]
    said = f"predicted {predicted / 2**20:.1f} MiB, measured {measured / 2**20:.1f} MiB"
    figures = {"predicted_bytes": predicted, "measured_bytes": measured}
    if job.case.device == "cuda":
        figures |= _requested(job)
        said += f", asked for {figures['requested_bytes'] / 2**20:.1f} MiB"
        said += f" (tensors alone {figures['live_peak_bytes'] / 2**20:.1f} MiB)"
    ratio = predicted / max(measured, 1)
    judged_ = ratio_within(job.label, ratio, 1 - LIMIT, 1 + LIMIT, said)
    return replace(judged_, figures={**figures, "ratio": ratio})


def _requested(job: Job) -> dict[str, int]:
    live, _ = on_fake_or_real(job.case, job.seed, job.search_path, live_peak)
    subject = real_subject(job.case, job.seed, job.search_path)
    subject.forward()
    return {
        "live_peak_bytes": live,
        "requested_bytes": allocator_peak(subject.forward).requested,
    }
