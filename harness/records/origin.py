"""Where a number comes from: code, commit, versions, settings; and whether they are the same now.

A record keeps its `Origin`. A run that goes on asks `Origins.reason_to_measure` of each record:
what was measured of other code, or under other versions, is no answer any more.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.case import DEFAULT_TIMING, Job, Outcome, Place, Used, as_plain
from harness.environment.source import Named, digest_of
from harness.environment.used_files import changed
from harness.instantiate import is_of_session
from harness.measure import METRICS

if TYPE_CHECKING:
    from harness.records.record import Record

DECIDING = ("context-harness", "torch", "cuda", "cudnn", "numpy", "fvcore")
"""Distributions whose version decides numbers; those that draw and print do not."""


@dataclass(frozen=True)
class Origin:
    """What a record is a measurement of, beside its case."""

    # what the module is made of; `None` where its process ended before that was known
    used: Used | None = None
    code: str | None = None  # hash of this project's definitions that took part
    commit: str | None = None  # of the suite's checkout; `None` outside one
    dirty: bool | None = None  # whether files differed from it; `None`: unknown
    versions: Mapping[str, str] = field(default_factory=dict)  # by distribution, and of Python
    settings: Mapping[str, str] = field(default_factory=dict)  # environment variables


class Origins:
    """The origins of what is measured from now on.

    Args:
        environment: of this process, as `describe_environment` gives it.
        remote: whether cases run on other machines, whose builds of one version may differ.
    """

    def __init__(self, environment: Mapping[str, Any], *, remote: bool = False) -> None:
        git = environment.get("git") or {}
        self._commit, self._dirty = git.get("commit"), git.get("dirty")
        self._here = environment
        self._remote = remote
        self._hashes: dict[str, str] = {}  # hashes of files as they are now
        self._nodes: dict[str, Mapping[str, Any]] = {}  # environments by machine

    def of(self, job: Job, outcome: Outcome) -> Origin:
        """The origin of a case that has ended just now."""
        environment = self._environment_of(outcome.place)
        return Origin(
            used=outcome.used,
            code=None if outcome.used is None else code_of(job, outcome.used),
            commit=self._commit,
            dirty=self._dirty,
            versions=versions_of(environment),
            settings=environment.get("thread_settings") or {},
        )

    def _environment_of(self, place: Place | None) -> Mapping[str, Any]:
        if place is None:
            return self._here
        if place.environment:  # told once
            self._nodes[place.machine_key] = place.environment
        return self._nodes.get(place.machine_key, self._here)

    def reason_to_measure(self, record: "Record", job: Job, machine: str | None) -> str | None:
        """Why a record is no answer to a job that it is of; `None` where it is one.

        Args:
            machine: key of the machine that would measure; `None`: any.
        """
        timing = {**as_plain(DEFAULT_TIMING), **record.timing}  # of a time with fewer options
        accuracy, asked_accuracy = record.accuracy, job.accuracy
        if _by_rounds(asked_accuracy):  # they go on from whatever seeds there are
            accuracy, asked_accuracy = map(_without_seeds, (accuracy, asked_accuracy))
        rules = {"timing": timing, "accuracy": accuracy, "counting": record.counting}
        asked_rules = as_plain(
            {"timing": job.timing, "accuracy": asked_accuracy, "counting": job.counting}
        )
        measured = (record.threads, record.seed, rules)
        asked = (job.threads, job.seed, asked_rules)
        origin = record.origin
        reason = None
        # What was measured beyond that is no harm: a look at the counts alone loses no time.
        if measured != asked or not set(record.metrics).issuperset(job.metrics):
            reason = "asked otherwise"
        elif machine is not None and record.machine_key != machine:
            reason = "other machine"
        elif origin is None or is_of_session(job.case.module):
            reason = "code unknown"
        elif not self._same_versions(origin.versions):
            reason = "versions changed"
        elif not self._remote and origin.settings != (self._here.get("thread_settings") or {}):
            reason = "settings changed"
        # Without `used` it ended too early for a number.
        elif origin.used is not None and not self._same_code(
            origin.used, origin.code, replace(job, metrics=record.metrics)
        ):
            reason = "code changed"
        return reason

    def _same_code(self, used: Used, code: str | None, job: Job) -> bool:
        base = job.search_path[0] if job.search_path else ""
        return (
            code == code_of(job, used)
            and {str(Path(base, shown)) for shown in used.files}.issuperset(job.depends_on)
            and not changed(used.files, job.search_path, self._hashes)
        )

    def _same_versions(self, versions: Mapping[str, str]) -> bool:
        here = versions_of(self._here)
        if not self._remote:
            return versions == here
        # Nodes may have other builds (CUDA, none) of the version that this machine has.
        return all(
            versions.get(name, "").partition("+")[0] == here.get(name, "").partition("+")[0]
            for name in ("context-harness", "torch", "numpy")
        )


def _by_rounds(accuracy: Mapping[str, Any] | None) -> bool:
    return bool(accuracy) and (accuracy or {})["evaluation"].get("until_separated") is not None


def _without_seeds(accuracy: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Without what says how many seeds there are to be."""
    if accuracy is None:
        return None
    evaluation = accuracy.get("evaluation")
    said = evaluation.items() if isinstance(evaluation, Mapping) else ()
    kept = {name: v for name, v in said if name not in ("seeds", "until_separated", "max_seeds")}
    return {**accuracy, "evaluation": kept}


def versions_of(environment: Mapping[str, Any]) -> dict[str, str]:
    """Versions that decide numbers, as far as an environment tells them."""
    libraries = environment.get("libraries") or {}
    found = {"python": environment.get("python"), **{n: libraries.get(n) for n in DECIDING}}
    return {name: str(version) for name, version in found.items() if version is not None}


def code_of(job: Job, used: Used) -> str:
    """Hash of this project's definitions that a case's module and metrics are made of."""
    return _digest(tuple(sorted(used.roots)), tuple(sorted(job.metrics)))


@cache  # many cases of a grid are of one module
def _digest(roots: tuple[str, ...], metrics: tuple[str, ...]) -> str:
    own = {METRICS[name].function if name in METRICS else _OWN for name in metrics}
    return digest_of(_named(each) for each in (*roots, *own))


_OWN = "harness.measure.own:measure_own"


def _named(target: str) -> Named:
    module, _, name = target.partition(":")
    return module, name.partition(".")[0]


def main_versions(rows: Iterable[Mapping[str, Any]]) -> Mapping[str, str]:
    """What most of the rows that tell it were measured under."""
    told = [row["versions"] for row in rows if row.get("versions")]
    counts = Counter(json.dumps(each, sort_keys=True) for each in told)
    found: Mapping[str, str] = json.loads(counts.most_common(1)[0][0]) if counts else {}
    return found


def commits_of(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Commits as tables show them, in twelve digits, with the labels of their rows."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.get("commit"):
            shown = str(row["commit"])[:12] + (" (dirty)" if row.get("dirty") else "")
            found.setdefault(shown, []).append(str(row.get("label")))
    return found
