"""What a job needs of a machine: the device alone, or a share of it."""

from harness.case import Job
from harness.measure import STATIC

SHARING = frozenset({*STATIC, "accuracy"})
"""Metrics that neighbours do not change: counts, and trainings, whose result is no time."""


def is_timed(job: Job) -> bool:
    """Whether a neighbour on the device would change what is measured: times, memory, energy."""
    return not SHARING.issuperset(job.metrics)


def is_static(job: Job) -> bool:
    """Whether the answer is the same on every machine."""
    return set(job.metrics) <= set(STATIC)
