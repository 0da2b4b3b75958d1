"""Options of the Slurm engine: what `--engine-option NAME=VALUE` may say."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.engines.engine import EngineError
from harness.engines.registry import require_known

DEFAULT_FOLDER = Path("results/slurm")
DEFAULT_POLL = 10.0
"""Seconds between two questions to the scheduler, which many users share."""

_TEXTS = {
    "partition": "partition",
    "account": "account",
    "qos": "qos",
    "constraint": "constraint",
    "nodelist": "nodelist",
    "exclude": "exclude",
    "mem": "mem",
    "gres": "gres",
}
_COUNTS = {"cpus": "cpus_per_task", "gpus": "gpus_per_node", "parallel": "array_parallelism"}
_OWN = ("time", "setup", "exclusive", "mix_machines", "per_task", "folder", "poll", "python")
KNOWN = (*_TEXTS, *_COUNTS, *_OWN)

_RAW = "sbatch."
"""`sbatch.reservation=x` becomes `--reservation=x`, for whatever has no name of its own here."""

_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", re.ASCII)


@dataclass(frozen=True)
class SlurmOptions:
    """How cases are given to Slurm.

    Attributes:
        parameters: of every submission, by submitit's names.
        minutes: time limit of every task; `None`: from the timeouts of its cases.
        exclusive: whether timed cases ask for whole nodes.
        mix_machines: whether timed cases of one table may run on machines of different kinds.
        per_task: cases of one task; `None`: one, and more where they are static.
        folder: for what nodes and this machine tell each other; all of them see it.
        poll: seconds between two questions to the scheduler.
        python: command that starts Python on a node; the interpreter of this process if absent.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    minutes: int | None = None
    exclusive: bool = True
    mix_machines: bool = False
    per_task: int | None = None
    folder: Path = DEFAULT_FOLDER
    poll: float = DEFAULT_POLL
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
    parameters: dict[str, Any] = {to: given[name] for name, to in _TEXTS.items() if name in given}
    for name, to in _COUNTS.items():
        if name in given:
            parameters[to] = _count(name, given[name])
    if "setup" in given:
        parameters["setup"] = [part.strip() for part in given["setup"].split(";") if part.strip()]
    if raw:
        parameters["additional_parameters"] = raw
    return SlurmOptions(
        parameters=parameters,
        minutes=_minutes(given["time"]) if "time" in given else None,
        exclusive=_yes("exclusive", given.get("exclusive", "yes")),
        mix_machines=_yes("mix_machines", given.get("mix_machines", "no")),
        per_task=_count("per_task", given["per_task"]) if "per_task" in given else None,
        folder=Path(given.get("folder", DEFAULT_FOLDER)),
        poll=_seconds("poll", given["poll"]) if "poll" in given else DEFAULT_POLL,
        python=given.get("python"),
    )


def _minutes(text: str) -> int:
    """Slurm's forms: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes]."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise _wrong("time", text, "minutes, e.g. 90, or as Slurm writes it, e.g. 1-12:00")
    days, *rest = (int(part) if part else None for part in found.groups())
    parts = [part for part in rest if part is not None]
    if days is not None:
        hours, minutes, seconds = (*parts, 0, 0)[:3]
        total = days * 86400 + hours * 3600 + minutes * 60 + seconds
    elif len(parts) == 3:
        total = parts[0] * 3600 + parts[1] * 60 + parts[2]
    else:
        total = parts[0] * 60 + (parts[1] if len(parts) > 1 else 0)
    if total <= 0:
        raise _wrong("time", text, "more than 0")
    return -(-total // 60)


def _count(name: str, text: str) -> int:
    return int(_number(name, text, int, "a whole number of 1 or more", 1))


def _seconds(name: str, text: str) -> float:
    return float(_number(name, text, float, "seconds, more than 0", 1e-3))


def _number(name: str, text: str, kind: Callable[[str], float], cure: str, least: float) -> float:
    try:
        value = kind(text)
    except ValueError as error:
        raise _wrong(name, text, cure) from error
    if not least <= value < float("inf"):
        raise _wrong(name, text, cure)
    return value


def _yes(name: str, text: str) -> bool:
    if text not in ("yes", "no", "true", "false"):
        raise _wrong(name, text, "yes or no")
    return text in ("yes", "true")


def _wrong(name: str, text: str, cure: str) -> EngineError:
    return EngineError(f"--engine-option {name}={text}: write {cure}")
