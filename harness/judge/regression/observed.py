"""A run as a comparison sees it: one number per process, paired by case and metric."""

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import fsum, log
from pathlib import Path
from typing import Any, NamedTuple

from harness.messages import HarnessError, one_line
from harness.records.kept_run import KeptRun
from harness.records.origin import commits_of, main_versions
from harness.records.quantities.quantity import Quantity
from harness.records.quantities.registry import COMPARED, own_quantities
from harness.records.record import Record
from harness.records.setting import changed, decides, machine_of, setting_of

Replicates = Sequence[float]
"""One value per process: for latencies the median of its samples.

Samples within one process share its memory layout and its moment of the machine's mood. They say
how steady that process was, not what another process of the same code will give; testing them as if
they were independent calls equal code different far too often (Kalibera and Jones 2013, section 6).
"""


class CaseId(NamedTuple):
    """A case as a suite lists it."""

    suite: str  # name of the suite
    label: str  # of the case there
    key: str  # hash of what is measured


@dataclass(frozen=True, order=True)
class CaseMetric:
    """One thing that is compared."""

    suite: str  # name of the suite that lists the case
    label: str  # of the case there
    case_key: str  # hash of what is measured
    metric: str = "latency_seconds"  # stored name
    # the quantity of that name where it is a user's; `None`: one of `registry.COMPARED`
    own: Quantity | None = field(default=None, compare=False, repr=False)

    @property
    def quantity(self) -> Quantity:
        """What is compared."""
        return self.own or COMPARED[self.metric]

    def as_json(self) -> dict[str, str]:
        """What a reader of JSON knows it by."""
        return {name: value for name, value in vars(self).items() if name != "own"}

    @property
    def case(self) -> CaseId:
        """The case without the metric."""
        return CaseId(self.suite, self.label, self.case_key)


class EmptyRunError(HarnessError):
    """A run has no records to compare."""


@dataclass(frozen=True)
class Observed:
    """One side of a comparison."""

    path: Path  # of the run directory
    suite: str  # name of the suite that was run
    machine_key: str  # of the machine that measured it
    environment: Mapping[str, Any]  # as `run.json` has it
    replicates: Mapping[CaseMetric, tuple[float, ...]]  # a number per process
    # why a case, or one of its processes, failed
    failures: Mapping[CaseId, str] = field(default_factory=dict)
    # of each case: threads, cache, CUDA graph; alike before two values are two of the same thing
    conditions: Mapping[CaseId, Mapping[str, Any]] = field(default_factory=dict)
    # of each case: module, arguments, inputs and how it runs, as plain data
    measured: Mapping[CaseId, Mapping[str, Any]] = field(default_factory=dict)
    # of each case's latency, such as `throttled`
    flags: Mapping[CaseId, tuple[str, ...]] = field(default_factory=dict)
    # commits of its cases as tables show them, with their labels; empty outside a checkout
    commits: Mapping[str, Sequence[str]] = field(default_factory=dict)
    expected: int = 0  # cases that the suite has, each process counted
    found: int = 0  # records of them

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
        """First twelve digits of the commit, marked where files differed from it; or several."""
        return ", ".join(self.commits) or None

    @property
    def machine(self) -> str:
        """Processor, accelerators and key."""
        return machine_of({**self.environment, "machine_key": self.machine_key})

    @property
    def setting(self) -> Mapping[str, str]:
        """What its times depend on besides code and machine: versions, driver, settings."""
        return setting_of(self.environment)

    def as_json(self) -> dict[str, Any]:
        """What was observed, in a few words."""
        return {
            "path": str(self.path),
            "suite": self.suite,
            "machine_key": self.machine_key,
            "machine": self.machine,
            "setting": dict(self.setting),
            "commit": self.commit,
            "processes": self.found,
        }


def observe(path: Path) -> Observed:
    """Read a run directory, or the latest run of a suite's folder.

    A case measured again (`--resume`) counts as it was last; records of another machine than that
    of the last record, on which a run was begun, are left out.

    Raises:
        RunDirectoryError: there is no run, or it cannot be read.
        EmptyRunError: it holds no record.
    """
    run = KeptRun.open(path)
    machine = run.machine_key
    if machine is None:
        raise EmptyRunError(f"{run.path}: no case of this run has ended; go on with --resume")
    by_case: dict[CaseId, list[Record]] = {}
    for record in run.records:
        if record.machine_key == machine:
            case = CaseId(record.suite, record.label, record.case_key)
            by_case.setdefault(case, []).append(record)
    of_cases = [record.provenance for each in by_case.values() for record in each]
    environment = _of_records(run.environment, of_cases)
    run_threads = environment.get("threads")
    flags = {
        case: tuple(dict.fromkeys(f for r in each for f in r.values.get("latency_flags") or ()))
        for case, each in by_case.items()
    }
    return Observed(
        path=run.path,
        suite=run.suite_name,
        machine_key=machine,
        environment=environment,
        replicates=_replicates(by_case),
        failures={case: cause for case, each in by_case.items() if (cause := _why_failed(each))},
        conditions={
            case: {
                "threads": first.values.get("threads") or first.threads or run_threads,
                "cache": first.timing.get("cache"),
                "CUDA graph": first.timing.get("cuda_graph"),
            }
            for case, (first, *_) in by_case.items()
        },
        measured={case: first.case for case, (first, *_) in by_case.items()},
        flags={case: names for case, names in flags.items() if names},
        commits=commits_of(of_cases) or commits_of([run.environment.get("git") or {}]),
        expected=len(run.listed),
        found=sum(map(len, by_case.values())),
    )


def _of_records(
    environment: Mapping[str, Any], records: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any]:
    """The environment under which most records were measured: a run may go on under another."""
    versions = dict(main_versions(records))
    python = versions.pop("python", environment.get("python"))
    return {
        **environment,
        "python": python,
        "libraries": {**(environment.get("libraries") or {}), **versions},
    }


def _replicates(by_case: Mapping[CaseId, Sequence[Record]]) -> dict[CaseMetric, tuple[float, ...]]:
    found = {}
    for case, records in by_case.items():
        own = own_quantities(record.values for record in records)
        for metric in (*COMPARED.values(), *own.values()):
            values = [metric.compared_number(record.values) for record in records]
            # A time or energy of 0 is a clock that was too coarse.
            least = 0.0 if metric.is_measured else -math.inf
            usable = [v for v in values if v is not None and least < v < math.inf]
            if metric.is_measured and usable and records[0].timing.get("turns"):
                # Processes that sampled in turns met the same moods of the machine: they say how
                # much processes differ, and count once where two runs are compared.
                usable = [statistics.median(usable)]
            if usable:
                found[CaseMetric(*case, metric.name, own.get(metric.name))] = tuple(usable)
    return found


def _why_failed(records: Sequence[Record]) -> str | None:
    for number, record in enumerate(records, 1):
        if record.status != "ok":
            process = f"process {number} of {len(records)}: " if len(records) > 1 else ""
            return process + (f"{record.status}: {record.cause}" if record.cause else record.status)
    return None


QUANTILE = 0.95
"""Share of pairs of equal code that lie below the floor; with fewer than 20 pairs, all do."""


class NoiseError(HarnessError):
    """A run says nothing about the noise of another."""


def noise_floor(
    pairs: Iterable[tuple[Mapping[CaseMetric, Replicates], Mapping[CaseMetric, Replicates]]],
) -> dict[str, float]:
    """Floor of each measured metric: what 95 % of the pairs of equal code differ by at most.

    The larger geometric mean over the smaller, less 1; the quantile is an order statistic, rounded
    up.
    """
    effects: dict[str, list[float]] = {}
    for a, b in pairs:
        for key in a:
            if key.quantity.is_measured and a[key] and b.get(key):
                before, after = (fsum(map(log, side)) / len(side) for side in (a[key], b[key]))
                effects.setdefault(key.metric, []).append(math.expm1(abs(after - before)))
    return {
        metric: sorted(found)[math.ceil(QUANTILE * len(found)) - 1]
        for metric, found in effects.items()
    }


def noise_of_runs(run: Observed, others: Iterable[Observed]) -> dict[str, float]:
    """Floor from further runs of the same version on the same machine.

    Raises:
        NoiseError: another machine, another commit, or no measured case in common.
    """
    pairs = []
    for other in others:
        if other.machine_key != run.machine_key:
            raise NoiseError(
                f"{other.path}: measured on machine {other.machine_key}, not {run.machine_key}; "
                "noise is that of one machine"
            )
        if other.commit != run.commit:
            raise NoiseError(
                f"{other.path}: measured at commit {other.commit}, not {run.commit}; only runs of "
                "the same version show noise"
            )
        if other.path == run.path:
            raise NoiseError(f"{other.path}: a run does not differ from itself; give another run")
        pairs.append((run.replicates, other.replicates))
    floor = noise_floor(pairs)
    if pairs and not floor:
        raise NoiseError(f"{run.path}: no measured case in common with the runs given as noise")
    return floor


def renamed(a: Observed, b: Observed) -> dict[CaseId, CaseId]:
    """Cases of a that b has under another label, with their names in b.

    What is measured is the key; a label is for people. Where several cases of a suite share a key,
    nobody knows which is which, and none is renamed.
    """
    gone = [case for case in a.cases if case not in b.conditions]
    new = [case for case in b.cases if case not in a.conditions]
    before, after = _by_key(gone), _by_key(new)
    return {
        before[key][0]: after[key][0]
        for key in before
        if len(before[key]) == 1 and len(after.get(key, ())) == 1
    }


def under_names(names: Mapping[CaseId, CaseId], a: Observed) -> Observed:
    """A run with cases called otherwise; those that are not named stay as they are."""
    return replace(
        a,
        replicates={
            replace(key, suite=name.suite, label=name.label, case_key=name.key): values
            for key, values in a.replicates.items()
            for name in (names.get(key.case, key.case),)
        },
        failures={names.get(case, case): cause for case, cause in a.failures.items()},
        conditions={names.get(case, case): found for case, found in a.conditions.items()},
        measured={names.get(case, case): found for case, found in a.measured.items()},
        flags={names.get(case, case): flags for case, flags in a.flags.items()},
    )


def _by_key(cases: list[CaseId]) -> dict[tuple[str, str], list[CaseId]]:
    found: dict[tuple[str, str], list[CaseId]] = {}
    for case in cases:
        found.setdefault((case.suite, case.key), []).append(case)
    return found


_LISTED = 3

# Flags of latencies that a verdict on them has to be read with, in words.
_DOUBTS = {
    "throttled": "throttled",
    "launches": "the host's launches are part of the time",
    "unsteady": "passes did not become steady",
    "too few": "few samples were taken",
}
"""Names in one sentence; the rest is a number."""


def notes(a: Observed, b: Observed) -> tuple[str, ...]:
    """One sentence per difference that is not one of the measured code; `caveats` come first."""
    return (*caveats(a, b), *_machine_notes(a, b), *_run_notes(a, b))


def caveats(a: Observed, b: Observed) -> tuple[str, ...]:
    """What no verdict can be read without: another machine, or another setting of the same one."""
    if a.machine_key != b.machine_key:
        return (
            f"different machines ({one_line(a.machine)}, then {one_line(b.machine)}): only exact "
            "metrics are compared; latency, energy and measured memory are not",
        )
    told = _listed_changes(a, b, deciding=True)
    if not told or not _is_timed(b):
        return ()
    return (
        f"{'; '.join(told)}: a change of time may come from that and not from the code; "
        f"{_gate(a)} measures both versions under what is installed now",
    )


def _gate(before: Observed) -> str:
    """The command that holds a checkout against a run's version, where that is a commit."""
    commit = next(iter(before.commits), "") if len(before.commits) == 1 else ""
    return "harness gate" + (f" --against {commit}" if commit.isalnum() else "")


def _is_timed(run: Observed) -> bool:
    return any(key.quantity.is_measured for key in run.replicates)


def _listed_changes(a: Observed, b: Observed, *, deciding: bool) -> list[str]:
    """What differs between the settings of two runs, of what times may depend on or of the rest."""
    return [
        f"{name} {one_line(old or 'none')}, then {one_line(new or 'none')}"
        for name, (old, new) in changed(a.setting, b.setting).items()
        if decides(name) == deciding
    ]


def _machine_notes(a: Observed, b: Observed) -> Iterator[str]:
    """Hardware and software that both runs were measured on, beside the caveats."""
    if a.machine_key == b.machine_key and _is_timed(b):
        yield (
            "the runs were measured one after the other, so that what drifted on the machine "
            f"between them counts as a difference; {_gate(a)} interleaves both versions"
        )
    else:  # no time to be careful of
        yield from _listed_changes(a, b, deciding=True)
    yield from _listed_changes(a, b, deciding=False)


def _run_notes(a: Observed, b: Observed) -> Iterator[str]:
    """What is missing or doubtful in either run."""
    for which, run in (("first", a), ("second", b)):
        if run.found < run.expected:
            yield (
                f"the {which} run is not complete: {run.found} of {run.expected} processes have "
                "ended; go on with harness run --resume"
            )
        if len(run.commits) > 1:
            told = "; ".join(f"{at}: {', '.join(labels)}" for at, labels in run.commits.items())
            yield f"the {which} run was measured at several commits: {told}"
        for flag, words in _DOUBTS.items():
            flagged = sorted(case.label for case, flags in run.flags.items() if flag in flags)
            if flagged:
                listed = ", ".join(map(repr, flagged[:_LISTED]))
                others = len(flagged) - _LISTED
                more = f" and {others} more" if others > 0 else ""
                yield f"{words} while the {which} run measured {listed}{more}"
