"""Operations: the three counters of a case, with a census of what no rule counted."""

from torch import nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedFakeTensorException,
)

from harness.case import Job
from harness.measure.counters import OperatorCounter
from harness.measure.subject import Subject, fake_subject, real_subject

# Raised where a module's control flow or shapes depend on values, which fake tensors do not have.
NEEDS_VALUES = (
    DataDependentOutputException,
    DynamicOutputShapeException,
    UnsupportedFakeTensorException,
)


def measure_operations(job: Job) -> dict[str, object]:
    """Count the operations of one pass of a case.

    Counted on fake tensors: no memory, milliseconds, the same answer on every machine. A module whose
    control flow depends on values is counted on real tensors instead, and a warning says so.

    Returns:
        `conv_macs`, `matmul_macs` (multiply-accumulates), `elementwise_ops` (elements by kind),
        `elementwise_ops_once` (the same, a parameterless module's last call only), `uncounted_ops`
        (calls by operator without a rule), `coverage` (0 to 1), `flops` (2 per MAC), and
        `algorithmic_macs` where the module declares a closed form.
    """
    try:
        with fake_subject(job.case, job.search_path) as subject:
            return _count(subject)
    except NEEDS_VALUES as error:
        figures = _count(real_subject(job.case, job.seed, job.search_path))
        return figures | {"warnings": [f"counted on real tensors: {type(error).__name__}"]}


def _count(subject: Subject) -> dict[str, object]:
    counter = OperatorCounter()
    with counter, counter.attribute(subject.module):
        subject.forward()
    total = counter.total()
    figures: dict[str, object] = {
        "conv_macs": total.conv_macs,
        "matmul_macs": total.matmul_macs,
        "elementwise_ops": dict(sorted(total.elementwise.items())),
        "elementwise_ops_once": dict(sorted(counter.elementwise_once(subject.module).items())),
        "uncounted_ops": dict(sorted(total.uncounted.items())),
        "coverage": total.coverage,
        "flops": 2 * (total.conv_macs + total.matmul_macs),
    }
    algorithmic = algorithmic_macs(subject.module, subject.case.inputs[0])
    if algorithmic is not None and subject.case.pass_ == "inference":
        figures["algorithmic_macs"] = algorithmic
    return figures


def algorithmic_macs(module: nn.Module, shape: tuple[int, ...]) -> int | None:
    """The closed form that a module declares through `algorithmic_macs(input_shape)`, if it does."""
    declared = getattr(module, "algorithmic_macs", None)
    return int(declared(shape)) if callable(declared) else None

