"""The desk: jobs as orders, orders handed in as arrays, and what nobody followed taken up again."""

import fcntl
import hashlib
import json
import math
import os
import secrets
import shutil
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError

from harness.case import Job, as_plain, from_plain
from harness.engines.engine import EngineError, is_static, is_timed, next_ring
from harness.engines.slurm.scheduler import SlurmOptions, most_tasks
from harness.engines.slurm.task import JournalReader, Task, run_task

STATIC_TASK = 50
"""Static cases of one task: each takes a fraction of what starting Python on a node does."""

LOCK, TASKS = "lock", "tasks.jsonl"
"""Files of a run's folder: held while its engine lives; what was handed in."""

_START_UP = 300.0  # seconds of a task beside its cases: importing PyTorch from a cold disk


@dataclass
class Order:
    """Tasks alike enough to be one array."""

    # suite and device whose timed cases belong on one kind of machine
    comparison: tuple[str, str] | None
    machine: str | None = None  # key of that kind where it is known already
    tasks: list[list[Job]] = field(default_factory=list)  # jobs of each

    @property
    def jobs(self) -> list[Job]:
        """Of all tasks."""
        return [job for task in self.tasks for job in task]


def orders_of(queue: deque[Job], options: SlurmOptions, most_tasks: int) -> list[Order]:
    """Empty the queue into orders: tasks alike enough to be one array.

    Processes of a case that sample in turns go into one task, in the order of submission.
    """
    orders: list[Order] = []
    open_: dict[object, Order] = {}
    while queue:
        ring = next_ring(queue)
        job = ring[0]
        comparison = (job.suite, job.case.device) if is_timed(job) else None
        longest = max(job.timeout for job in ring)
        key = (job.case.device, comparison, is_static(job), job.machine, longest)
        order = open_.get(key)
        most = options.per_task or (STATIC_TASK if is_static(job) else 1)
        if order is not None and len(order.tasks[-1]) + len(ring) <= most:
            order.tasks[-1].extend(ring)
            continue
        if order is None or len(order.tasks) >= most_tasks:
            order = open_[key] = Order(comparison, job.machine)
            orders.append(order)
        order.tasks.append(list(ring))
    return orders


class Desk:
    """Hands tasks in.

    Args:
        options: partition, limits and the like.
    """

    def __init__(self, options: SlurmOptions) -> None:
        self._options = options
        self._folder: Path | None = None
        self._locks: list[int] = []
        self._logs: dict[str, Path] = {}
        self._avoided: dict[tuple[str, str], list[str]] = {}
        self._taken_up: list[Path] = []
        self._number = 0

    @cached_property
    def most(self) -> int:
        """Tasks of one array."""
        return most_tasks()

    def submit(self, order: Order) -> list[Task]:
        """Hand in an order as one array.

        Raises:
            EngineError: Slurm refuses it, or is not on this machine; nothing of it was handed in.
        """
        folder = self._own_folder()
        tasks = []
        for jobs in order.tasks:
            journal = folder / "journals" / f"{self._number}.jsonl"
            self._number += 1
            journal.touch()  # so that no node's file system remembers its absence
            tasks.append(Task(jobs, JournalReader(journal), order.comparison))
        held = order.comparison is not None and not self._options.mix_machines
        kind = str(_file_of_kind(folder, order)) if held else None
        try:
            executor = submitit.SlurmExecutor(folder / "submitit", python=self._options.python)
            executor.update_parameters(**self._parameters(order))
            handed = executor.map_array(
                run_task,
                [str(task.reader.path) for task in tasks],
                [tuple(job for job in task.jobs if job) for task in tasks],
                [kind] * len(tasks),
            )
        except (FailedJobError, FailedSubmissionError, RuntimeError, OSError) as error:
            raise EngineError(_refusal(error)) from error
        with (folder / TASKS).open("a", encoding="utf-8") as file:
            for task, job in zip(tasks, handed, strict=True):
                task.slurm_id = job.job_id
                self._logs[job.job_id] = job.paths.stdout
                file.write(json.dumps(as_plain(_Handed.of(task))) + "\n")
            file.flush()
            os.fsync(file.fileno())
        return tasks

    def avoid(self, comparison: tuple[str, str], node: str) -> None:
        """Keep the tasks of a comparison off a node from now on."""
        self._avoided.setdefault(comparison, []).append(node)

    def log_of(self, task: Task) -> Path | None:
        """Where the output of a task lies."""
        return self._logs.get(task.slurm_id)

    def take_up(self, folder: Path, lock: int) -> None:
        """Be responsible for the folder of an engine that died, whose lock we hold now."""
        self._taken_up.append(folder)
        self._locks.append(lock)

    def close(self, *, keep: bool) -> None:
        """Give the folders back: remove them, or leave what somebody may want to read."""
        folders = [*self._taken_up, *([self._folder] if self._folder is not None else [])]
        for folder in folders:
            with suppress(OSError):
                (folder / TASKS).unlink()  # nobody takes these tasks up again
            if not keep:
                shutil.rmtree(folder, ignore_errors=True)
        for lock in self._locks:
            os.close(lock)
        self._folder = None
        self._taken_up.clear()
        self._locks.clear()
        self.__dict__.pop("most", None)

    def _own_folder(self) -> Path:
        if self._folder is None:
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
            folder = (self._options.folder / name).resolve()
            try:
                for part in ("journals", "kinds", "submitit"):
                    (folder / part).mkdir(parents=True)
                self._locks.append(hold(folder / LOCK))
            except OSError as error:
                raise EngineError(
                    f"{folder}: cannot be written: {error.strerror}; name a folder that all nodes "
                    "share with --engine-option folder=DIR"
                ) from error
            self._folder = folder
        return self._folder

    def _parameters(self, order: Order) -> dict[str, Any]:
        """What sbatch is asked for, by submitit's names."""
        options, jobs = self._options, order.jobs
        cuda = jobs[0].case.device == "cuda"
        given = dict(options.parameters)
        if not cuda:
            given.pop("gpus_per_node", None)
            given.pop("gres", None)
        elif "gres" not in given:
            given.setdefault("gpus_per_node", 1)
        threads = [job.threads for job in jobs if job.threads is not None]
        if threads:
            given.setdefault("cpus_per_task", max(threads))
        avoided = self._avoided.get(order.comparison, []) if order.comparison is not None else []
        if avoided:
            given["exclude"] = ",".join(filter(None, (given.get("exclude"), *avoided)))
        longest = max(sum(job.timeout for job in task) for task in order.tasks)
        return {
            "job_name": "harness",
            "time": options.minutes or math.ceil((longest + _START_UP) / 60),
            "exclusive": True if options.exclusive and order.comparison is not None else None,
            # The task itself is all that runs on the node. A step of srun would get the cores that
            # srun asks for and not those of the task.
            "use_srun": False,
            "stderr_to_stdout": True,
            **given,
            # A task that Slurm itself began anew would measure its cases twice.
            "additional_parameters": {
                "no_requeue": True,
                **given.get("additional_parameters", {}),
            },
        }


def _file_of_kind(folder: Path, order: Order) -> Path:
    """The file that names the kind of machine of a comparison."""
    digest = hashlib.sha256(repr(order.comparison).encode()).hexdigest()[:16]
    path = folder / "kinds" / digest
    if order.machine is not None and not path.exists():
        path.write_text(order.machine, encoding="utf-8")
    return path


def hold(path: Path) -> int:
    """Lock a file for as long as this process lives.

    Raises:
        BlockingIOError: another process holds it.
        OSError: it cannot be opened.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise
    except OSError:
        pass  # a file system without locks
    return file


def job_fingerprint(job: Job) -> str:
    """Hash of what a job asks for; where it has to run is left out."""
    what: Mapping[str, Any] = {
        name: value for name, value in as_plain(job).items() if name not in ("machine", "turn")
    }
    text = json.dumps(what, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class _Handed:
    """A task as a line of `tasks.jsonl`: who goes on with the run finds it by that."""

    slurm_id: str
    journal: str  # path
    comparison: tuple[str, str] | None
    jobs: tuple[str, ...]  # fingerprints

    @classmethod
    def of(cls, task: Task) -> "_Handed":
        """A task that was handed in."""
        jobs = tuple(job_fingerprint(job) for job in task.jobs if job)
        return cls(task.slurm_id, str(task.reader.path), task.comparison, jobs)


def _refusal(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "srun" in text and "detect" in text:
        return "no Slurm on this machine: srun is not found; run on a login node of the cluster"
    said = [line for line in str(error).splitlines() if line.startswith("sbatch: error:")]
    if said:
        return "Slurm refuses: " + "; ".join(line.removeprefix("sbatch: error: ") for line in said)
    return f"Slurm refuses: {text[:300]}"


# Abandoned runs: tasks whose engine was killed and could not end them.


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
            wanted.setdefault(job_fingerprint(job), []).append(job)
        adopted = []
        for run in sorted(self._folder.glob(f"*/{TASKS}"), reverse=True):
            try:
                lock = hold(run.parent / LOCK)
            except OSError:
                continue  # its engine lives, or it is somebody else's
            desk.take_up(run.parent.resolve(), lock)
            for line in run.read_text(encoding="utf-8").splitlines():
                with suppress(ValueError):  # half a line: the engine died while it wrote
                    handed = from_plain(_Handed, json.loads(line))
                    jobs = [wanted[e].pop(0) if wanted.get(e) else None for e in handed.jobs]
                    reader = JournalReader(Path(handed.journal))
                    if any(jobs):
                        adopted.append(Task(jobs, reader, handed.comparison, handed.slurm_id))
        left = {id(job) for jobs in wanted.values() for job in jobs}
        kept = [job for job in queue if id(job) in left]
        queue.clear()
        queue.extend(kept)
        return adopted
