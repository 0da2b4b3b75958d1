"""Which record is of which job of a suite."""

from harness.case import Job
from harness.records.record import Record

Identity = tuple[str, str, str, int]
"""Suite, label, key of the case, number of the process."""


def identity(job: Job) -> Identity:
    """Of a job."""
    return (job.suite, job.label, job.case.key, job.replicate)


def identity_of(record: Record) -> Identity:
    """Of the job that a record is of."""
    return (record.suite, record.label, record.case_key, record.replicate)
