"""Parameters: how many, how many bytes."""

from torch import nn

from harness.case import Job
from harness.measure.subject import Subject
from harness.measure.values import on_fake_or_real


def measure_params(job: Job) -> dict[str, object]:
    """Count learnable parameters, each shared tensor once; buffers (batch-norm statistics) apart.

    Returns:
        `params` (count), `param_bytes` and `buffer_bytes` (bytes in the case's dtype).
    """

    def count(subject: Subject) -> dict[str, object]:
        return count_params(subject.module)

    return on_fake_or_real(job.case, job.seed, job.search_path, count, untouched=True)[0]


def count_params(module: nn.Module) -> dict[str, object]:
    """The three figures of one module."""
    parameters, buffers = list(module.parameters()), list(module.buffers())
    return {
        "params": sum(p.numel() for p in parameters),
        "param_bytes": sum(p.numel() * p.element_size() for p in parameters),
        "buffer_bytes": sum(b.numel() * b.element_size() for b in buffers),
    }
