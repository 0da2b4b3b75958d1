"""Slurm as a command line: options of the engine, and what the scheduler says of its tasks."""

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from harness.engines.engine import number_of, require_known, truth_of, wrong_option

SLURM_FOLDER = Path("results/slurm")
DEFAULT_POLL = 10.0
"""Seconds between two questions to the scheduler, which many users share."""

_TEXTS = ("partition", "account", "qos", "constraint", "nodelist", "exclude", "mem", "gres")
_COUNTED = {"cpus": "cpus_per_task", "gpus": "gpus_per_node", "parallel": "array_parallelism"}
_OWN = ("time", "setup", "exclusive", "mix_machines", "per_task", "folder", "poll", "python")
KNOWN = (*_TEXTS, *_COUNTED, *_OWN)

_RAW = "sbatch."
"""`sbatch.reservation=x` becomes `--reservation=x`, for whatever has no name of its own here."""

_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", re.ASCII)


@dataclass(frozen=True)
class SlurmOptions:
    """How cases are given to Slurm."""

    # of every submission, by submitit's names
    parameters: Mapping[str, Any] = field(default_factory=dict)
    minutes: int | None = None  # time limit of every task; `None`: from the timeouts of its cases
    exclusive: bool = True  # whether timed cases ask for whole nodes
    # whether timed cases of one table may run on machines of different kinds
    mix_machines: bool = False
    per_task: int | None = None  # cases of one task; `None`: one, and more where they are static
    # for what nodes and this machine tell each other; all of them see it
    folder: Path = SLURM_FOLDER
    poll: float = DEFAULT_POLL  # seconds between two questions to the scheduler
    # command that starts Python on a node; the interpreter of this process if absent
    python: str | None = None


def parse_options(options: Mapping[str, str]) -> SlurmOptions:
    """Options as the command line gives them.

    Raises:
        EngineError: an option that there is not, or a value that it cannot have.
    """
    # With underscores, as submitit has the names that it knows, so that these are replaced.
    raw = {
        name.removeprefix(_RAW).replace("-", "_"): value
        for name, value in options.items()
        if name.startswith(_RAW)
    }
    given = {name: value for name, value in options.items() if not name.startswith(_RAW)}
    require_known("slurm", given, (*KNOWN, f"{_RAW}NAME"))
    parameters: dict[str, Any] = {name: given[name] for name in _TEXTS if name in given}
    parameters |= {to: _whole(n, given[n]) for n, to in _COUNTED.items() if n in given}
    if "setup" in given:
        parameters["setup"] = [part.strip() for part in given["setup"].split(";") if part.strip()]
    if raw:
        parameters["additional_parameters"] = raw
    return SlurmOptions(
        parameters=parameters,
        minutes=_minutes(given["time"]) if "time" in given else None,
        exclusive=truth_of("exclusive", given.get("exclusive", "yes")),
        mix_machines=truth_of("mix_machines", given.get("mix_machines", "no")),
        per_task=_whole("per_task", given["per_task"]) if "per_task" in given else None,
        folder=Path(given.get("folder", SLURM_FOLDER)),
        poll=number_of(
            "poll", given.get("poll", str(DEFAULT_POLL)), 1e-3, float, "seconds, more than 0"
        ),
        python=given.get("python"),
    )


def _minutes(text: str) -> int:
    """Slurm's forms: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes]."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise wrong_option("time", text, "minutes, e.g. 90, or as Slurm writes it, e.g. 1-12:00")
    days, *parts = (int(part or 0) for part in found.groups())
    if found[1] is None and found[4] is None:
        parts = [0, *parts[:2]]  # no hours
    total = days * 86400 + parts[0] * 3600 + parts[1] * 60 + parts[2]
    if total <= 0:
        raise wrong_option("time", text, "more than 0")
    return -(-total // 60)


def _whole(name: str, text: str) -> int:
    return int(number_of(name, text, 1, int, "a whole number of 1 or more"))


Fate = Literal["waits", "runs", "done", "lost", "timeout", "oom", "cancelled", "failed"]

_CODES: dict[Fate, str] = {
    "waits": "PENDING REQUEUED REQUEUE_HOLD SPECIAL_EXIT",
    "runs": "CONFIGURING RUNNING COMPLETING SUSPENDED STOPPED RESIZING SIGNALING STAGE_OUT",
    "done": "COMPLETED",
    "lost": "NODE_FAIL BOOT_FAIL PREEMPTED REVOKED",
    "timeout": "TIMEOUT DEADLINE",
    "oom": "OUT_OF_MEMORY",
    "cancelled": "CANCELLED",
    "failed": "FAILED",
}
_FATES = {code: fate for fate, codes in _CODES.items() for code in codes.split()}
"""Job state codes of squeue(1) and sacct(1). One that is new to us counts as running."""

FORGOTTEN = "FORGOTTEN"
"""Our code for a task that Slurm once knew and knows no more."""

_ANSWER_PATIENCE = 60.0  # seconds for an answer of a busy scheduler
_MOST_IDS = 200  # in one question; an id is that of a whole array


@dataclass(frozen=True)
class TaskState:
    """The state of one array task."""

    code: str  # as Slurm writes it: `RUNNING`
    node: str = ""  # where it runs or ran; empty before
    reason: str = ""  # why it waits, or how it ended where Slurm says so: exit code and signal

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
    """States by task id (`123_4`, or `123` for a task that is no array), where they are known.

    Raises:
        SchedulerError: the controller cannot be asked.
    """
    wanted = set(ids)
    arrays = sorted({_array_id(each) for each in wanted}, key=int)
    found: dict[str, TaskState] = {}
    for start in range(0, len(arrays), _MOST_IDS):
        part = arrays[start : start + _MOST_IDS]
        states = _queued(part)
        forgotten = {array for each in wanted - states.keys() if (array := _array_id(each)) in part}
        if forgotten:  # in the queue; the accounting knows, where the site keeps one
            done = _command(
                "sacct", "--noheader", "--parsable2", "--allocations", "--duplicates",
                "--format=JobID,State,NodeList,ExitCode",
                f"--jobs={','.join(sorted(forgotten, key=int))}",
            )  # fmt: skip
            states |= _table_of_states(done.stdout) if done.returncode == 0 else {}
        found |= {each: state for each, state in states.items() if each in wanted}
    return found


def _array_id(task: str) -> str:
    return task.partition("_")[0]


def cancel_tasks(ids: Sequence[str]) -> None:
    """End tasks, or take them out of the queue; what has ended already is no mistake."""
    for start in range(0, len(ids), _MOST_IDS):
        _command("scancel", "--quiet", *ids[start : start + _MOST_IDS])


def most_tasks(default: int = 1000) -> int:
    """How many tasks an array of this cluster may have."""
    try:
        answer = _command("scontrol", "show", "config").stdout
    except SchedulerError:
        return default
    for line in answer.splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "MaxArraySize" and value.strip().isdigit():
            return max(1, min(default, int(value) - 1))
    return default


def _queued(arrays: Sequence[str]) -> dict[str, TaskState]:
    done = _command(
        "squeue", "--noheader", "--array", "--states=all", "--format=%i|%T|%N|%r",
        f"--jobs={','.join(arrays)}",
    )  # fmt: skip
    if done.returncode != 0:
        if "Invalid job id" in done.stderr:  # it has forgotten all of them
            return {}
        lines = done.stderr.strip().splitlines()
        raise SchedulerError(f"squeue: {lines[-1] if lines else f'exit code {done.returncode}'}")
    found = _table_of_states(done.stdout)
    if any(state.code == "FAILED" for state in found.values()):
        ends = _exit_codes(arrays)
        for each, state in found.items():
            if state.code == "FAILED" and each in ends:
                found[each] = replace(state, reason=ends[each])
    return found


def _exit_codes(arrays: Sequence[str]) -> dict[str, str]:
    """Exit code and signal of tasks, as `7:0`; this form of squeue gives wait(2)'s status."""
    done = _command(
        "squeue", "--noheader", "--array", "--states=failed",
        "--Format=JobArrayID:40,exit_code:12", f"--jobs={','.join(arrays)}",
    )  # fmt: skip
    found = {}
    for line in done.stdout.splitlines() if done.returncode == 0 else ():
        each, _, status = line.strip().partition(" ")
        if status.strip().isdigit():
            found[each] = f"{int(status) >> 8}:{int(status) & 0x7F}"
    return found


def _table_of_states(text: str) -> dict[str, TaskState]:
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 4 and cells[1] and "[" not in cells[0]:
            # `CANCELLED by 1000`; a node list is `None assigned` before there is one.
            node = "" if " " in cells[2] else cells[2]
            found[cells[0]] = TaskState(cells[1].split()[0].rstrip("+"), node, cells[3])
    return found


def _command(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_ANSWER_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SchedulerError(f"{command[0]}: {error}") from error
