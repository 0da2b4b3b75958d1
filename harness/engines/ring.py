"""Rings: processes of one case that run together and sample in turns."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.case import Job, Turn
from harness.measure import STATIC

_TURNED = {*STATIC, "latency"}
"""Static metrics come first in a worker; anything else would run while another process samples."""


def next_ring(queue: deque[Job]) -> list[Job]:
    """Take the next job from a queue, and with it the others of its ring."""
    first = queue.popleft()
    if not _takes_turns(first):
        return [first]
    ring = [first, *(job for job in queue if _same_case(job, first))]
    kept = [job for job in queue if not _same_case(job, first)]
    queue.clear()
    queue.extend(kept)
    return ring


def with_turns(ring: Sequence[Job], folder: Path) -> list[Job]:
    """The jobs of a ring with their places in it; one alone has none to take turns with."""
    if len(ring) < 2:
        return list(ring)
    folder.mkdir()
    turns = [Turn(str(folder), n, len(ring), ring[0].threads == 1) for n in range(len(ring))]
    return [replace(job, turn=turn) for job, turn in zip(ring, turns, strict=True)]


def _takes_turns(job: Job) -> bool:
    return job.timing.turns and job.case.device == "cpu" and _TURNED.issuperset(job.metrics)


def _same_case(job: Job, other: Job) -> bool:
    return replace(job, replicate=other.replicate) == other
