"""The memory model: a predicted peak with operators' temporaries beside the measured peak.

Predicted from two parts that never see the whole pass: the sequence of operators on fake tensors,
which says what is alive when each begins, and each distinct operator run alone at its own size,
which says what it holds while it runs. Measured in one real pass. Where the two agree, the live
peak is understood: what it lacks is exactly those temporaries.

In training the prediction may be too high where two gradients of one tensor meet: autograd adds
them in place if nobody else holds them, and the trace does.
"""

from harness.case import Job
from harness.measure.cuda_allocator import allocator_peak
from harness.measure.finite import require_finite
from harness.measure.memory_events import measured_peak
from harness.measure.operator_trace import OperatorTrace, Step
from harness.measure.subject import Subject, real_subject
from harness.measure.values import on_fake_or_real
from harness.measure.workspace import cpu_workspaces, cuda_workspaces, predict


def measure_memory_model(job: Job) -> dict[str, object]:
    """Predict the peak of one pass, then measure it.

    Inputs, parameters and buffers are left out of both. Of a case that is compiled, the module as
    written is predicted and measured: a compiler changes the operators.

    Returns:
        `predicted_peak_bytes`; `predicted_peak_operator`, which runs at that peak;
        `measured_peak_bytes`: the peak of what the CPU allocator was asked for, as the profiler
        records it; on CUDA the caching allocator's own peak.
    """
    cuda = job.case.device == "cuda"
    steps, _ = on_fake_or_real(job.case, job.seed, job.search_path, operator_steps)
    predicted = predict(steps, cuda_workspaces if cuda else cpu_workspaces)
    figures: dict[str, object] = {
        "predicted_peak_bytes": predicted.bytes,
        "predicted_peak_operator": predicted.operator,
        "measured_peak_bytes": _measured(real_subject(job.case, job.seed, job.search_path), cuda),
    }
    if predicted.unmeasured:
        names = ", ".join(f"{name} ({n}x)" for name, n in sorted(predicted.unmeasured.items()))
        figures["warnings"] = [f"temporaries unknown of {names}"]
    return figures


def operator_steps(subject: Subject) -> list[Step]:
    """The operators of one pass of a subject."""
    trace = OperatorTrace((*subject.inputs, *subject.state))
    with trace:
        subject.forward()
    return trace.steps


def _measured(subject: Subject, cuda: bool) -> int:
    require_finite(subject.forward())  # also fills what libraries keep for the process
    subject.clear_gradients()
    return allocator_peak(subject.forward).allocated if cuda else measured_peak(subject.forward)
