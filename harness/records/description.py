"""What `run.json` says, as far as anybody reads it: each part of the kind that it is read as."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.case import Identity, from_plain
from harness.environment.git import COMMIT


@dataclass(frozen=True)
class _Checkout:
    commit: str | None = None
    dirty: bool | None = None

    def __post_init__(self) -> None:
        if self.commit is not None and COMMIT.fullmatch(self.commit) is None:
            raise ValueError("commit is wrong")


@dataclass(frozen=True)
class _Machine:
    cpu: str | None = None
    cores: int | None = None
    gpus: tuple[dict[str, Any], ...] | None = None


@dataclass(frozen=True)
class _Place:
    nodes: tuple[str, ...]
    environment: dict[str, Any]


_OF_RUN: Mapping[str, Any] = {
    "suite": dict[str, Any],
    "environment": dict[str, Any],
    "started_at": str,
    "resumed": tuple[dict[str, Any], ...],
    "machines": dict[str, _Place],
    "mix_machines": bool,
}
_OF_ENVIRONMENT: Mapping[str, Any] = {
    "machine": _Machine,
    "machine_key": str,
    "python": str,
    "libraries": dict[str, str | None],
    "threads": int,
    "thread_settings": dict[str, Any],
    "governor": str,
    "system_version": str,
    "git": _Checkout,
    "warnings": tuple[str, ...],
}


def sound(described: Mapping[str, Any]) -> dict[str, Any]:
    """A description without the parts that are of a wrong kind; they count as absent.

    What was left out is said among the warnings of its environment.
    """
    made, odd = _fitting(described, _OF_RUN)
    environment, of_environment = _fitting(made.get("environment") or {}, _OF_ENVIRONMENT)
    odd += [f"environment {name}" for name in of_environment]
    if odd:
        said = f"run.json: left out, since they are of a wrong kind: {', '.join(odd)}"
        environment["warnings"] = [*(environment.get("warnings") or ()), said]
    if environment:
        made["environment"] = environment
    if machines := made.get("machines"):
        made["machines"] = {
            key: {**place, "environment": _fitting(place["environment"], _OF_ENVIRONMENT)[0]}
            for key, place in machines.items()
        }
    return made


def _fitting(data: Mapping[str, Any], kinds: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The parts that are of their kind, or of none; the names of the others."""
    kept, odd = dict(data), []
    for name, kind in kinds.items():
        if kept.get(name) is not None:
            try:
                from_plain(kind, kept[name])
            except ValueError:
                odd.append(name)
                del kept[name]
    return kept, odd


@dataclass(frozen=True)
class _Listed:
    label: str
    key: str
    replicate: int | None = None


@dataclass(frozen=True)
class _Suite:
    suite: str
    jobs: tuple[_Listed, ...] | None = None
    included: "tuple[_Suite, ...] | None" = field(default=None)

    def processes(self) -> list[Identity]:
        own = [(self.suite, job.label, job.key, job.replicate or 1) for job in self.jobs or ()]
        return own + [each for part in self.included or () for each in part.processes()]


def listed_by(suite: Mapping[str, Any]) -> list[Identity]:
    """The processes of the cases of a described suite.

    Raises:
        ValueError: it is no description of a suite.
    """
    return from_plain(_Suite, suite).processes()
