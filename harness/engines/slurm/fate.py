"""What becomes of the jobs of a task that ended without telling: the scheduler's word on it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.case import Job
from harness.engines.engine import Event, Started
from harness.engines.slurm.options import SlurmOptions
from harness.engines.slurm.task import Task
from harness.outcome import Status


@dataclass
class Verdict:
    """The ends of jobs, and those that are placed again.

    Attributes:
        ended: events, in the order of the jobs.
        again: jobs to be placed again.
        cause: why, in words.
        lost: whether the node was at fault, so that only so many attempts are made.
    """

    cause: str
    lost: bool = False
    ended: list[Event] = field(default_factory=list)
    again: Sequence[Job] = ()


def end_task(task: Task, options: SlurmOptions, log: Path | None) -> Verdict:
    """Judge a task.

    A job that was under way ends with the status that fits: `timeout`, `oom`, `killed` or `error`.
    One that had not begun is placed again, unless somebody cancelled the task, or the task failed
    before any of its jobs began: then it would fail again. After a loss of the node all are.

    Args:
        task: over, its journal read to the end.
        options: whose limits are named in causes.
        log: where the task's own output lies.
    """
    state = task.state
    fate = state.fate if state is not None and state.is_over else "failed"
    where = f" on node {task.node}" if task.node else ""
    if fate == "lost":
        assert state is not None, "a fate has a state"
        return Verdict(f"{_words(state.code)}{where}", lost=True, again=task.left)
    if fate == "timeout":
        return _timed_out(task, options, where)
    if fate == "oom":
        limit = options.parameters.get("mem")
        limit = f" (mem={limit})" if limit else ""
        return _under_way(
            task, "oom", f"ended by Slurm at the memory limit{limit}{where}{_when(task)}"
        )
    if fate == "cancelled":
        return _all(task, "killed", f"cancelled in Slurm{where}")
    return _failed(task, where, log)


def _timed_out(task: Task, options: SlurmOptions, where: str) -> Verdict:
    """The first job of a task had all the time that there was; a later one gets it now."""
    limit = f" of {options.minutes} min" if options.minutes else ""
    cause = f"ended by Slurm at the time limit{limit}{where}{_when(task)}"
    verdict = Verdict(cause)
    again = list(task.waiting)
    for number in task.under_way:
        job = task.jobs[number]
        if number == task.first_begun:
            verdict.ended.append(task.end(number, "timeout", cause))
        elif job is not None:
            again.insert(0, job)
    if not verdict.ended and not task.under_way and task.first_begun is None:
        return _all(task, "timeout", cause)
    verdict.again = again
    return verdict


def _under_way(task: Task, status: Status, cause: str, rest: str = "") -> Verdict:
    """Jobs that had begun end; the others are placed again, if any had begun at all."""
    if task.first_begun is None:
        return _all(task, status, cause, rest)
    ended: list[Event] = [task.end(number, status, cause, rest) for number in task.under_way]
    return Verdict(cause, ended=ended, again=task.waiting)


def _failed(task: Task, where: str, log: Path | None) -> Verdict:
    if _tells_of_memory(log):  # killed for it where Slurm has no control groups
        return _under_way(task, "oom", f"ended by Slurm at the memory limit{where}{_when(task)}")
    state = task.state
    code, _, number = state.reason.partition(":") if state is not None else ("", "", "")
    if number.isdigit() and int(number):
        return _under_way(
            task, "killed", f"the task was killed by signal {number}{where}{_when(task)}"
        )
    said = f" with exit code {code}" if code.isdigit() else ""
    if state is None or not state.is_over:
        said = ", and Slurm no longer knows how"
    cause = f"the task ended{said}{where}{_when(task)}"
    return _under_way(task, "error", cause, _last_line(log))


def _all(task: Task, status: Status, cause: str, rest: str = "") -> Verdict:
    events: list[Event] = []
    under_way = task.under_way_jobs
    for job in task.left:
        if job not in under_way:
            events.append(Started(job))
        events.append(task.end_job(job, status, cause, rest))
    return Verdict(cause, ended=events)


def _when(task: Task) -> str:
    return " before a case began" if task.first_begun is None else ""


def _words(code: str) -> str:
    known = {"PREEMPTED": "preempted by Slurm", "NODE_FAIL": "node failure"}
    return known.get(code, code.lower().replace("_", " "))


def _tells_of_memory(log: Path | None) -> bool:
    """Whether slurmstepd wrote so at the end of a task's output."""
    if log is None:
        return False
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
    except OSError:
        return False
    return any(
        "slurmstepd" in line
        and ("memory limit" in line or "oom-kill" in line or "oom_kill" in line)
        for line in lines
    )


def _last_line(log: Path | None) -> str:
    from harness.printable import last_lines

    if log is None:
        return ""
    try:
        lines = last_lines(log.read_text(encoding="utf-8", errors="replace"), 1)
    except OSError:
        return f"; its output would be {log}"
    return f": {lines[-1]}; see {log}" if lines else f"; see {log}"
