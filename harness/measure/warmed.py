"""A subject that has run: what one metric has built and warmed up, another need not."""

from dataclasses import dataclass

from harness.case import Job
from harness.measure.subject import Subject, real_subject


@dataclass(frozen=True)
class Warmed:
    """A subject and the passes that it has behind it."""

    subject: Subject  # its output was found finite, and its gradients are gone
    passes: tuple[float, ...] = ()  # seconds of each


_kept: dict[tuple[str, int, tuple[str, ...]], Warmed] = {}


def keep(job: Job, warmed: Warmed) -> None:
    """Leave a subject to the next metric of its job that asks for one; of a compiled case, none.

    How long a module takes to compile is itself measured.
    """
    _kept.clear()
    if not job.case.compile:
        _kept[_key(job)] = warmed


def warmed_or_new(job: Job) -> Warmed:
    """What another metric of this job has left, once; else a subject that has not run."""
    known = _kept.pop(_key(job), None)
    _kept.clear()  # before anything is built beside it
    return known or Warmed(real_subject(job.case, job.seed, job.search_path))


def _key(job: Job) -> tuple[str, int, tuple[str, ...]]:
    return job.case.key, job.seed, job.search_path
