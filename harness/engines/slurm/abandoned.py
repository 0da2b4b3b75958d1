"""Abandoned runs: tasks whose engine was killed and could not end them."""

import json
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.case import Job
from harness.engines.slurm.desk import LOCK, TASKS, Desk, fingerprint, hold
from harness.engines.slurm.journal import JournalReader
from harness.engines.slurm.task import Task


class Abandoned:
    """The folders of runs whose engine lives no more.

    Args:
        folder: of all runs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def adopt(self, queue: deque[Job], desk: Desk) -> list[Task]:
        """Take over the tasks that run, or have run, jobs of a queue; these leave the queue.

        Args:
            queue: jobs that have no record yet.
            desk: becomes responsible for the folders.
        """
        wanted: dict[str, list[Job]] = {}
        for job in queue:
            wanted.setdefault(fingerprint(job), []).append(job)
        adopted = []
        for run in sorted(self._folder.glob(f"*/{TASKS}"), reverse=True):
            try:
                lock = hold(run.parent / LOCK)
            except OSError:
                continue  # its engine lives, or it is somebody else's
            desk.take_up(run.parent.resolve(), lock)
            adopted += [task for entry in _entries(run) if (task := _task(entry, wanted))]
        left = {id(job) for jobs in wanted.values() for job in jobs}
        kept = [job for job in queue if id(job) in left]
        queue.clear()
        queue.extend(kept)
        return adopted


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # the engine died while it wrote
        yield entry


def _task(entry: dict[str, Any], wanted: dict[str, list[Job]]) -> Task | None:
    jobs = [wanted[key].pop(0) if wanted.get(key) else None for key in entry["jobs"]]
    if not any(jobs):
        return None
    comparison = entry["comparison"]
    return Task(
        jobs=jobs,
        reader=JournalReader(Path(entry["journal"])),
        comparison=tuple(comparison) if comparison else None,
        slurm_id=entry["slurm_id"],
    )
