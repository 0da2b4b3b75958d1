"""A run as a comparison sees it: one number per process, by case and metric."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.records.record import Record
from harness.records.run_directory import RunDirectory
from harness.regression.metrics import METRICS
from harness.regression.replicates import CaseId, CaseMetric

Conditions = Mapping[str, Any]
"""What has to be alike before two measured values are two of the same thing."""


class EmptyRunError(HarnessError):
    """A run has no records to compare."""


@dataclass(frozen=True)
class Observed:
    """One side of a comparison.

    Attributes:
        path: of the run directory.
        suite: name of the suite that was run.
        machine_key: of the machine that measured it.
        environment: as `run.json` has it.
        replicates: a number per process.
        failures: why a case, or one of its processes, failed.
        conditions: of each case: threads, cache, CUDA graph.
        flags: of each case's latency, such as `throttled`.
        expected: cases that the suite has, each process counted.
        found: records of them.
    """

    path: Path
    suite: str
    machine_key: str
    environment: Mapping[str, Any]
    replicates: Mapping[CaseMetric, tuple[float, ...]]
    failures: Mapping[CaseId, str] = field(default_factory=dict)
    conditions: Mapping[CaseId, Conditions] = field(default_factory=dict)
    flags: Mapping[CaseId, tuple[str, ...]] = field(default_factory=dict)
    expected: int = 0
    found: int = 0

    @property
    def cases(self) -> tuple[CaseId, ...]:
        """In the order of the records."""
        return tuple(self.conditions)

    @cached_property
    def labels(self) -> frozenset[tuple[str, str]]:
        """Suite and label of every case."""
        return frozenset((case.suite, case.label) for case in self.cases)

    @property
    def commit(self) -> str | None:
        """First twelve digits of the commit, marked where files differed from it."""
        git = _mapping(self.environment.get("git"))
        if not git.get("commit"):
            return None
        return str(git["commit"])[:12] + (" (dirty)" if git.get("dirty") else "")


def observe(path: Path) -> Observed:
    """Read a run directory, or the latest run of a suite's folder.

    A case measured again (`--resume`) counts as it was last; records of another machine than that
    of the last record, on which a run was begun, are left out.

    Raises:
        RunDirectoryError: there is no run, or it cannot be read.
        EmptyRunError: it holds no record.
    """
    directory = RunDirectory.open(path)
    description = directory.description()
    records = directory.records()
    if not records:
        raise EmptyRunError(f"{directory.path}: no case of this run has ended; go on with --resume")
    machine = records[-1].machine_key
    by_case = _last([record for record in records if record.machine_key == machine])
    environment = _mapping(description.get("environment"))
    suite = _mapping(description.get("suite"))
    return Observed(
        path=directory.path,
        suite=str(suite.get("suite") or records[-1].suite),
        machine_key=machine,
        environment=environment,
        replicates=_replicates(by_case),
        failures={case: cause for case, each in by_case.items() if (cause := _failure(each))},
        conditions={case: _conditions(each[0], environment) for case, each in by_case.items()},
        flags={case: flags for case, each in by_case.items() if (flags := _flags(each))},
        expected=_cases(suite),
        found=sum(map(len, by_case.values())),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _last(records: Sequence[Record]) -> dict[CaseId, list[Record]]:
    last = {(r.suite, r.label, r.case_key, r.replicate): r for r in records}
    by_case: dict[CaseId, list[Record]] = {}
    for record in last.values():
        case = CaseId(record.suite, record.label, record.case_key)
        by_case.setdefault(case, []).append(record)
    return by_case


def _replicates(by_case: Mapping[CaseId, Sequence[Record]]) -> dict[CaseMetric, tuple[float, ...]]:
    found = {}
    for case, records in by_case.items():
        for metric in METRICS.values():
            values = [metric.read(record.values) for record in records]
            # A time or energy of 0 is a clock that was too coarse.
            usable = [v for v in values if _is_number(v) and (v > 0 or not metric.is_measured)]
            if metric.is_measured and usable and records[0].timing.get("turns"):
                # Processes that sampled in turns met the same moods of the machine: they say how
                # much processes differ, and count once where two runs are compared.
                usable = [statistics.median(usable)]
            if usable:
                found[CaseMetric(*case, metric.name)] = tuple(usable)
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _failure(records: Sequence[Record]) -> str | None:
    for number, record in enumerate(records, 1):
        if record.status != "ok":
            process = f"process {number} of {len(records)}: " if len(records) > 1 else ""
            return process + (f"{record.status}: {record.cause}" if record.cause else record.status)
    return None


def _conditions(record: Record, environment: Mapping[str, Any]) -> Conditions:
    threads = record.values.get("threads") or record.threads or environment.get("threads")
    return {
        "threads": threads,
        "cache": record.timing.get("cache"),
        "CUDA graph": record.timing.get("cuda_graph"),
    }


def _flags(records: Sequence[Record]) -> tuple[str, ...]:
    flags = [flag for record in records for flag in record.values.get("latency_flags") or ()]
    return tuple(dict.fromkeys(flags))


def _cases(suite: Mapping[str, Any]) -> int:
    return len(suite.get("jobs") or ()) + sum(map(_cases, suite.get("included") or ()))
