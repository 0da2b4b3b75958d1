"""Operations: the three counters of a case, with a census of what no rule counted."""

from torch import nn

from harness.case import Job
from harness.measure.counters import OperatorCounter
from harness.measure.subject import Subject
from harness.measure.values import on_fake_or_real


def measure_operations(job: Job) -> dict[str, object]:
    """Count the operations of one pass of a case.

    Counted on fake tensors: no memory, milliseconds, the same answer on every machine. A module
    that needs values is counted on real tensors instead, and a warning says so.

    Returns:
        `conv_macs` (`transposed_conv_macs` of them), `matmul_macs` (multiply-accumulates),
        `module_output_bytes` and `functional_output_bytes` (sum of outputs, as torchstat has it),
        `elementwise_ops` (elements by kind),
        `elementwise_ops_once` (the same, a parameterless module's last call only), `uncounted_ops`
        (calls by operator without a rule), `coverage` (0 to 1), `flops` (2 per MAC), `bytes_moved`
        (read and written by every operator that is no view, allocation or fill), and
        `algorithmic_macs` and `affinity_elements` where the module declares a closed form.
    """
    figures, warning = on_fake_or_real(job.case, job.seed, job.search_path, _count)
    return figures | {"warnings": [warning]} if warning else figures


def _count(subject: Subject) -> dict[str, object]:
    counter = OperatorCounter()
    with counter, counter.attribute(subject.module):
        subject.forward()
    total, once = counter.total(), counter.once(subject.module)
    figures: dict[str, object] = {
        "conv_macs": total.conv_macs,
        "transposed_conv_macs": total.transposed_conv_macs,
        "matmul_macs": total.matmul_macs,
        "module_output_bytes": once.module_output_bytes,
        "functional_output_bytes": total.functional_output_bytes,
        "elementwise_ops": dict(sorted(total.elementwise.items())),
        "elementwise_ops_once": dict(sorted(once.elementwise.items())),
        "uncounted_ops": dict(sorted(total.uncounted.items())),
        "coverage": total.coverage,
        "bytes_moved": total.bytes_moved,
        "flops": 2 * (total.conv_macs + total.matmul_macs),
    }
    algorithmic = algorithmic_macs(subject.module, subject.case.inputs[0])
    if algorithmic is not None and subject.case.pass_ == "inference":
        figures["algorithmic_macs"] = algorithmic
    affinity = affinity_elements(subject.module, subject.case.inputs[0])
    if affinity is not None:
        figures["affinity_elements"] = affinity
    return figures


def algorithmic_macs(module: nn.Module, shape: tuple[int, ...]) -> int | None:
    """The closed form that a module declares as `algorithmic_macs(input_shape)`, if it does."""
    return _declared(module, "algorithmic_macs", shape)


def affinity_elements(module: nn.Module, shape: tuple[int, ...]) -> int | None:
    """What a module declares as `affinity_elements(input_shape)`, if it does.

    Elements of the relations (between positions, channels, nodes) that one forward holds, batch 1:
    what papers call affinity memory.
    """
    return _declared(module, "affinity_elements", shape)


def _declared(module: nn.Module, name: str, shape: tuple[int, ...]) -> int | None:
    declared = getattr(module, name, None)
    return int(declared(shape)) if callable(declared) else None
