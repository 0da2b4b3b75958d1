"""Predicted memory: the live-storage peak of inference and of forward + backward."""

from dataclasses import replace

from harness.case import Case, Job
from harness.measure.live_peak import LivePeak
from harness.measure.subject import Subject
from harness.measure.values import on_fake_or_real


def measure_memory(job: Job) -> dict[str, object]:
    """Predict the live peak on fake tensors, without taking the memory (real ones where needed).

    Inputs, parameters and buffers are left out; the gradients of parameters and inputs are part of
    the training peak.

    Returns:
        `live_peak_bytes` (forward without gradients), `live_peak_training_bytes` (forward and
        backward), `input_bytes`. The training peak is `None` with a warning where a module has no
        backward.
    """
    inference = replace(job.case, pass_="inference")
    training = replace(job.case, pass_="training")
    figures: dict[str, object] = {"live_peak_bytes": _peak(inference, job)}
    figures["input_bytes"] = _input_bytes(job.case)
    try:
        figures["live_peak_training_bytes"] = _peak(training, job)
    except (RuntimeError, TypeError, ValueError) as error:
        if job.case.pass_ == "training":
            raise
        first_line = str(error).partition("\n")[0]
        figures["live_peak_training_bytes"] = None
        figures["warnings"] = [f"no live peak of forward + backward: {first_line}"]
    return figures


def _peak(case: Case, job: Job) -> int:
    return on_fake_or_real(case, job.seed, job.search_path, live_peak)[0]


def live_peak(subject: Subject) -> int:
    """Bytes of the largest sum of storages alive during one pass of a subject."""
    mode = LivePeak((*subject.inputs, *subject.state))
    with mode:
        subject.forward()
    return mode.peak_bytes


def _input_bytes(case: Case) -> int:
    item = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}[case.dtype]
    total = 0
    for shape in case.inputs:
        elements = 1
        for size in shape:
            elements *= size
        total += elements * item
    return total
