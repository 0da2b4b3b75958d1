"""A node of a cluster: what an engine for several machines runs there, and what it says of itself.

The same fork server, supervisor and worker as on one machine; around them the locks on devices and
a look at the load, since on a cluster nobody sits beside the machine.
"""

import platform
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness.case import Identity, Job, Outcome, Place
from harness.engines.devices import Devices, Gpu, busy_cores, own_cores
from harness.engines.engine import Event, Finished, Started, is_static
from harness.engines.local import LocalEngine


def describe_node(name: str | None = None, folder: Path | None = None) -> Place:
    """This machine as a place; imports torch.

    Args:
        name: of the node in its cluster; that of the machine if absent.
        folder: where the git state is read.
    """
    from harness.environment.machine import describe_environment

    environment = describe_environment(folder)
    return Place(name or platform.node(), environment["machine_key"], environment)


def run_here(
    jobs: Sequence[Job],
    *,
    cores: tuple[int, ...] | None = None,
    gpus: Sequence[Gpu] | None = None,
    slots: int = 1,
) -> Iterator[tuple[int, Event]]:
    """Run a job, or the processes of a case that sample in turns, on this node.

    Args:
        jobs: what to run; see `harness.engines.engine.next_ring`.
        cores: those that this node owns, to which the cases are pinned; `None`: not pinned.
        gpus: those that the cases may use; `None`: those that PyTorch sees.
        slots: processes at once of jobs that neighbours do not disturb.

    Yields:
        Events, each after the number of its job in `jobs`; closing the generator ends what runs.
    """
    devices = Devices(cores=cores, gpus=gpus, load=busy_cores)
    engine = LocalEngine(slots, devices)
    numbers: dict[Identity, int] = {}
    threads = len(cores or own_cores())
    for number, job in enumerate(jobs):
        missing = [folder for folder in job.search_path if not Path(folder).is_dir()]
        if missing:
            cause = (
                f"{missing[0]}: no such folder on node {platform.node()}; keep suites and modules "
                "on a file system that all nodes share, or clone them to the same path"
            )
            yield number, Started(job)
            yield number, Finished(job, Outcome("error", cause))
            continue
        numbers[job.identity] = number
        # Left to PyTorch, the number would be that of the process that started the fork server.
        own = job.threads if job.threads is not None or is_static(job) else threads
        engine.submit(replace(job, threads=own))
    for event in engine.events():
        yield numbers[event.job.identity], event
