"""The desk: jobs as orders, orders handed in as arrays, and what nobody followed taken up again."""

import hashlib
import json
import math
import os
import shutil
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError

from harness.case import Job, as_plain, from_plain
from harness.engines.engine import EngineError, is_static, is_timed, next_ring
from harness.engines.slurm.scheduler import SlurmOptions, most_tasks
from harness.engines.slurm.task import JournalReader, Task, agreed, run_task
from harness.environment.files import locked
from harness.records.run_directory import is_run_name, run_name

STATIC_TASK = 50
"""Static cases of one task: each takes a fraction of what starting Python on a node does."""

# Files of a run's folder: held while its engine lives; what was handed in.
LOCK, TASKS = "lock", "tasks.jsonl"

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
    """Hands tasks in, by options such as partition and limits."""

    def __init__(self, options: SlurmOptions) -> None:
        self._options = options
        self._folder: Path | None = None
        self._locks = ExitStack()
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
        kind = None  # the file that names the kind of machine of a comparison
        if order.comparison is not None and not self._options.mix_machines:
            digest = hashlib.sha256(repr(order.comparison).encode()).hexdigest()[:16]
            kind = str(folder / "kinds" / digest)
            if order.machine is not None:
                agreed(Path(kind), order.machine)
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
                marks = tuple(job_fingerprint(job) for job in task.jobs if job)
                said = _Handed(job.job_id, str(task.reader.path), task.comparison, marks)
                file.write(json.dumps(as_plain(said)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        return tasks

    def avoid(self, comparison: tuple[str, str], node: str) -> None:
        """Keep the tasks of a comparison off a node from now on."""
        self._avoided.setdefault(comparison, []).append(node)

    def log_of(self, task: Task) -> Path | None:
        """Where the output of a task lies."""
        return self._logs.get(task.slurm_id)

    def adopt(self, queue: deque[Job]) -> list[Task]:
        """Take over tasks whose engine was killed and could not end them, with their folders.

        Jobs of the queue that a task runs, or has run, leave it.
        """
        wanted: dict[str, list[Job]] = {}
        for job in queue:
            wanted.setdefault(job_fingerprint(job), []).append(job)
        adopted = []
        for run in sorted(self._options.folder.glob(f"*/{TASKS}"), reverse=True):
            if not is_run_name(run.parent.name) or run.parent.is_symlink():
                continue  # no desk made it, and `close` must not remove it
            try:
                self._locks.enter_context(locked(run.parent / LOCK, wait=False))
            except OSError:
                continue  # its engine lives, or it is somebody else's
            self._taken_up.append(run.parent.resolve())
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

    def close(self, *, keep: bool) -> None:
        """Give the folders back: remove them, or leave what somebody may want to read."""
        folders = [*self._taken_up, *([self._folder] if self._folder is not None else [])]
        for folder in folders:
            with suppress(OSError):
                (folder / TASKS).unlink()  # nobody takes these tasks up again
            if not keep:
                shutil.rmtree(folder, ignore_errors=True)
        self._locks.close()
        self._folder = None
        self._taken_up.clear()
        self.__dict__.pop("most", None)

    def _own_folder(self) -> Path:
        if self._folder is None:
            folder = (self._options.folder / run_name()).resolve()
            try:
                for part in ("journals", "kinds", "submitit"):
                    (folder / part).mkdir(parents=True)
                self._locks.enter_context(locked(folder / LOCK, wait=False))
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
            "additional_parameters": {"no_requeue": True, **given.get("additional_parameters", {})},
        }


def job_fingerprint(job: Job) -> str:
    """Hash of what a job asks for; where it has to run is left out."""
    what = {name: v for name, v in as_plain(job).items() if name not in ("machine", "turn")}
    text = json.dumps(what, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True)
class _Handed:
    """A task as a line of `tasks.jsonl`: who goes on with the run finds it by that."""

    slurm_id: str
    journal: str  # path
    comparison: tuple[str, str] | None
    jobs: tuple[str, ...]  # fingerprints


def _refusal(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "srun" in text and "detect" in text:
        return "no Slurm on this machine: srun is not found; run on a login node of the cluster"
    said = [line for line in str(error).splitlines() if line.startswith("sbatch: error:")]
    if said:
        return "Slurm refuses: " + "; ".join(line.removeprefix("sbatch: error: ") for line in said)
    return f"Slurm refuses: {text[:300]}"
