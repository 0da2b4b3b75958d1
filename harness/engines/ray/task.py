"""What runs on the nodes of a Ray cluster, in Ray's worker processes.

A worker process of Ray only holds the fork server and passes on what it says: cases run in
processes of their own, as on one machine, and Ray's process never sees a stranger's module.
"""

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.case import Job
from harness.engines.devices import Gpu, own_cores, visible_gpus
from harness.engines.engine import Event, Finished, Measuring, Started, Waiting
from harness.engines.node import describe_node, run_here
from harness.outcome import Place

Message = tuple[int, str, Any]
"""Number of the job in its unit, kind of event, and what it says."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class Description:
    """A node as it describes itself.

    Attributes:
        place: name of the machine, its key and environment.
        host: the same for all nodes on one machine, until it is booted again.
        cores: that the node's processes may run on.
        gpus: of the machine.
        torch: version, and that of this package: what a time depends on besides the machine.
    """

    place: Place
    host: str
    cores: tuple[int, ...]
    gpus: tuple[Gpu, ...]
    versions: tuple[str | None, ...]


def describe() -> Description:
    """Describe the node that this runs on."""
    if not os.environ.get("CUDA_VISIBLE_DEVICES", "unset"):
        del os.environ["CUDA_VISIBLE_DEVICES"]  # Ray hides the GPUs from a task that asks for none
    place = describe_node()
    host = platform.node()
    with suppress(OSError):
        host += "-" + _BOOT.read_text(encoding="ascii").strip()
    libraries = place.environment["libraries"]
    versions = tuple(libraries.get(name) for name in ("torch", "context-harness"))
    return Description(place, host, own_cores(), visible_gpus(), versions)


def run_unit(
    jobs: Sequence[Job], cores: tuple[int, ...] | None, gpus: Sequence[Gpu]
) -> Iterator[Message]:
    """Run a job, or the processes of a case that sample in turns.

    Args:
        jobs: what to run.
        cores: those that the node owns; `None`: not pinned.
        gpus: of the machine, in the driver's order; Ray says which of them this task has.
    """
    mine = _granted(gpus) if jobs[0].case.device == "cuda" else ()
    for number, event in run_here(jobs, cores=cores, gpus=mine):
        yield number, *_told(event)


def _granted(gpus: Sequence[Gpu]) -> tuple[Gpu, ...]:
    """The GPU that Ray gave to this task."""
    found = []
    for visible in filter(None, os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")):
        known = gpus[int(visible)] if visible.isdigit() and int(visible) < len(gpus) else None
        identity = known.identity if known else visible.removeprefix("GPU-")
        found.append(Gpu(visible, identity, known.name if known else ""))
    return tuple(found)


def _told(event: Event) -> tuple[str, Any]:
    """An event without its job, which the driver has."""
    match event:
        case Waiting(_, cause):
            return "waiting", cause
        case Started():
            return "started", None
        case Measuring(_, metric):
            return "measuring", metric
        case Finished(_, outcome):
            return "finished", outcome


def as_event(job: Job, kind: str, content: Any) -> Event:
    """What a message says of a job."""
    if kind == "waiting":
        return Waiting(job, content)
    if kind == "started":
        return Started(job)
    if kind == "measuring":
        return Measuring(job, content)
    return Finished(job, content)
