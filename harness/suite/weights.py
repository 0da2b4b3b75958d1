"""The option `weights`: published backbone weights for the cases of a suite."""

from dataclasses import replace
from pathlib import Path

from harness.case import Job
from harness.errors import HarnessError
from harness.suite.suite import Suite

ARGUMENTS = ("weights", "backbone_weights")  # of a backbone, of a network that holds one


class WeightsError(HarnessError):
    """A file of weights that is not there, or that nothing takes."""


def with_weights(suite: Suite, file: Path) -> Suite:
    """The suite with the file as an argument of every case whose module takes weights.

    Raises:
        WeightsError: there is no such file, or no case takes weights.
    """
    if not file.is_file():
        raise WeightsError(f"weights {file}: there is no such file; give a .safetensors or .pth")
    path = str(file.resolve())
    found = _with_weights(suite, path)
    if found == suite:
        raise WeightsError(
            f"weights {file}: no case takes weights; they belong to resnet, hrnet and segmentor"
        )
    return found


def _with_weights(suite: Suite, path: str) -> Suite:
    return replace(
        suite,
        jobs=tuple(_job(job, path) for job in suite.jobs),
        included=tuple(_with_weights(part, path) for part in suite.included),
    )


def _job(job: Job, path: str) -> Job:
    from harness.instantiate import parameters_of, resolve

    taken = parameters_of(resolve(job.case.module, job.search_path)).parameters
    for name in ARGUMENTS:
        if name in taken:
            return replace(
                job, case=replace(job.case, arguments={**job.case.arguments, name: path})
            )
    return job
