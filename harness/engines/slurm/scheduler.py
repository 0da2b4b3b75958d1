"""What Slurm says of its tasks: `squeue` while it remembers them, `sacct` afterwards."""

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Fate = Literal["waits", "runs", "done", "lost", "timeout", "oom", "cancelled", "failed"]

_FATES: dict[str, Fate] = {
    "PENDING": "waits",
    "REQUEUED": "waits",
    "REQUEUE_HOLD": "waits",
    "SPECIAL_EXIT": "waits",
    "CONFIGURING": "runs",
    "RUNNING": "runs",
    "COMPLETING": "runs",
    "SUSPENDED": "runs",
    "STOPPED": "runs",
    "RESIZING": "runs",
    "SIGNALING": "runs",
    "STAGE_OUT": "runs",
    "COMPLETED": "done",
    "NODE_FAIL": "lost",
    "BOOT_FAIL": "lost",
    "PREEMPTED": "lost",
    "REVOKED": "lost",
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "OUT_OF_MEMORY": "oom",
    "CANCELLED": "cancelled",
    "FAILED": "failed",
}
"""Job state codes of squeue(1) and sacct(1). One that is new to us counts as running."""

FORGOTTEN = "FORGOTTEN"
"""Our code for a task that Slurm once knew and knows no more."""

_PATIENCE = 60.0  # seconds for an answer of a busy scheduler
_MOST_IDS = 200  # in one question; an id is that of a whole array


@dataclass(frozen=True)
class TaskState:
    """The state of one array task.

    Attributes:
        code: as Slurm writes it: `RUNNING`.
        node: where it runs or ran; empty before.
        reason: why it waits, or how it ended where Slurm says so: exit code and signal.
    """

    code: str
    node: str = ""
    reason: str = ""

    @property
    def fate(self) -> Fate:
        """What the code means for the cases of the task."""
        return _FATES.get(self.code, "runs")

    @property
    def is_over(self) -> bool:
        """Whether nothing of the task runs, or will run, any more."""
        return self.fate not in ("waits", "runs")


class SchedulerError(Exception):
    """The scheduler does not answer just now."""


def read_states(ids: Iterable[str]) -> dict[str, TaskState]:
    """States by task id (`123_4`, or `123` for a task that is no array).

    Args:
        ids: of tasks. What neither command knows is missing in the answer.

    Raises:
        SchedulerError: the controller cannot be asked.
    """
    wanted = set(ids)
    arrays = sorted({each.partition("_")[0] for each in wanted}, key=int)
    found: dict[str, TaskState] = {}
    for start in range(0, len(arrays), _MOST_IDS):
        part = arrays[start : start + _MOST_IDS]
        states = _queued(part)
        forgotten = {each for each in wanted - states.keys() if each.partition("_")[0] in part}
        if forgotten:
            states |= _accounted(sorted({each.partition("_")[0] for each in forgotten}, key=int))
        found |= {each: state for each, state in states.items() if each in wanted}
    return found


def cancel_tasks(ids: Sequence[str]) -> None:
    """End tasks, or take them out of the queue; what has ended already is no mistake."""
    for start in range(0, len(ids), _MOST_IDS):
        _run("scancel", "--quiet", *ids[start : start + _MOST_IDS])


def most_tasks(default: int = 1000) -> int:
    """How many tasks an array of this cluster may have."""
    try:
        answer = _run("scontrol", "show", "config").stdout
    except SchedulerError:
        return default
    for line in answer.splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "MaxArraySize" and value.strip().isdigit():
            return max(1, min(default, int(value) - 1))
    return default


def _queued(arrays: Sequence[str]) -> dict[str, TaskState]:
    done = _run(
        "squeue", "--noheader", "--array", "--states=all", "--format=%i|%T|%N|%r",
        f"--jobs={','.join(arrays)}",
    )  # fmt: skip
    if done.returncode != 0:
        if "Invalid job id" in done.stderr:  # it has forgotten all of them
            return {}
        raise SchedulerError(_said("squeue", done))
    found = _table(done.stdout)
    if any(state.code == "FAILED" for state in found.values()):
        ends = _exit_codes(arrays)
        for each, state in found.items():
            if state.code == "FAILED" and each in ends:
                found[each] = replace(state, reason=ends[each])
    return found


def _exit_codes(arrays: Sequence[str]) -> dict[str, str]:
    """Exit code and signal of tasks, as `7:0`; this form of squeue gives wait(2)'s status."""
    done = _run(
        "squeue", "--noheader", "--array", "--states=failed",
        "--Format=JobArrayID:40,exit_code:12", f"--jobs={','.join(arrays)}",
    )  # fmt: skip
    found = {}
    for line in done.stdout.splitlines() if done.returncode == 0 else ():
        each, _, status = line.strip().partition(" ")
        if status.strip().isdigit():
            found[each] = f"{int(status) >> 8}:{int(status) & 0x7F}"
    return found


def _accounted(arrays: Sequence[str]) -> dict[str, TaskState]:
    """From the accounting; nothing where the site keeps none."""
    done = _run(
        "sacct", "--noheader", "--parsable2", "--allocations", "--duplicates",
        "--format=JobID,State,NodeList,ExitCode", f"--jobs={','.join(arrays)}",
    )  # fmt: skip
    return _table(done.stdout) if done.returncode == 0 else {}


def _table(text: str) -> dict[str, TaskState]:
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 4 and cells[1] and "[" not in cells[0]:
            # `CANCELLED by 1000`; a node list is `None assigned` before there is one.
            node = "" if " " in cells[2] else cells[2]
            found[cells[0]] = TaskState(cells[1].split()[0].rstrip("+"), node, cells[3])
    return found


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SchedulerError(f"{command[0]}: {error}") from error


def _said(name: str, done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.strip().splitlines()
    return f"{name}: {lines[-1] if lines else f'exit code {done.returncode}'}"
