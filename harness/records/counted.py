"""What counts of a run, reduced to the numbers in which runs are compared: read without records."""

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pydantic_core

from harness.case import Identity, from_json
from harness.measure import VALUES
from harness.records.description import listed_by, sound
from harness.records.kept_run import last_of_each
from harness.records.quantities.registry import COMPARED, is_taken
from harness.records.run_directory import DESCRIPTION, RECORDS
from harness.records.setting import machine_of, setting_of

_OWN_DISTRIBUTION = "context-harness"


class MeasuredCase(NamedTuple):
    """What was measured, and what has to be alike in one series."""

    suite: str  # that lists the case
    label: str  # of the case there
    case_key: str  # hash of what was measured
    machine_key: str  # of the machine
    replicate: int  # number of the process
    condition: tuple[Any, ...]  # threads, cache and CUDA graph

    @property
    def identity(self) -> Identity:
        """That of the record."""
        return (self.suite, self.label, self.case_key, self.replicate)


@dataclass(frozen=True)
class Measured:
    """When and under what the records of a run were measured; one run may go on under another."""

    suite: str  # name of the suite that was run
    started_at: str  # UTC, ISO 8601; orders as text
    commit: str | None  # of the checkout, 40 hexadecimal digits; `None` outside one
    dirty: bool  # whether files differed from that commit
    threads: int | None  # CPU threads of cases that leave the number to PyTorch
    # what may change a time besides the code: versions, settings, kernel, governor, driver
    setting: Mapping[str, str]
    machine: str  # its processor and accelerators, with their key; empty if not told


@dataclass(frozen=True)
class Counted:
    """The records of a run that count (`last_of_each`), a place in each list for every one."""

    begun: Measured  # as its `run.json` says
    parts: tuple[Measured, ...]  # under what its records were measured, each once
    at: tuple[int, ...]  # which of the parts
    cases: tuple[MeasuredCase, ...]
    # by stored name, those of `COMPARED`, the ends of their intervals, and what users' metrics
    # declare; SI base units
    numbers: Mapping[str, tuple[float | None, ...]]
    declared: Mapping[str, Mapping[str, Any]]  # what the records say of users' numbers, by name
    bad_lines: int  # that are no records; a last one without its line feed is left out


UNREADABLE = (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError)
"""What it leads to that the files of a run are missing, or of another form than a run's."""


Lists = dict[str, tuple[Mapping[str, Any], list[Identity]]]
"""By name of a suite: how a run has described it, and the processes that it lists."""


def read_counted(path: Path, lists: Lists) -> Counted:
    """What counts of a run directory.

    Args:
        lists: of the runs before, which mostly describe a suite alike; this one's is added.

    Raises:
        OSError, ValueError, ...: one of `UNREADABLE`; there is no run that can be read.
    """
    described = sound(from_json((path / DESCRIPTION).read_bytes()))
    suite = described["suite"]
    before, listed = lists.get(suite["suite"], ({}, []))
    if suite != before:
        listed = listed_by(suite)
        lists[suite["suite"]] = (suite, listed)
    begun = _begun(described, path)
    written, bad_lines = _read_lines((path / RECORDS).read_bytes())
    counting = last_of_each(((line.case.identity, line) for line in written), listed)
    origins = dict.fromkeys(line.origin for line in counting)  # mostly one
    under = {origin: _under(begun, origin) for origin in origins}
    parts: list[Measured] = []
    for part in under.values():
        if part not in parts:
            parts.append(part)
    places = {origin: parts.index(part) for origin, part in under.items()}
    names = dict.fromkeys(name for line in counting for name in line.numbers)
    return Counted(
        begun,
        tuple(parts),
        tuple(places[line.origin] for line in counting),
        tuple(_with_threads(line.case, begun.threads) for line in counting),
        {name: tuple(line.numbers.get(name) for line in counting) for name in names},
        {name: said for line in counting for name, said in line.declared.items()},
        bad_lines,
    )


def _begun(described: Mapping[str, Any], path: Path) -> Measured:
    environment = described.get("environment") or {}
    git = environment.get("git") or {}
    setting = setting_of(environment)
    setting.pop(_OWN_DISTRIBUTION, None)  # follows from the commit
    return Measured(
        described["suite"]["suite"] or path.parent.name,
        described.get("started_at") or "",
        git.get("commit"),
        bool(git.get("dirty")),
        environment.get("threads"),
        setting,
        machine_of(environment),
    )


class _Origin(NamedTuple):
    """Of what and under what a record was measured, as far as a time depends on it."""

    commit: str | None
    dirty: bool
    versions: tuple[tuple[str, str], ...]


def _under(begun: Measured, origin: _Origin | None) -> Measured:
    if origin is None:  # of before that was kept
        return begun
    told = {name: version for name, version in origin.versions if name != _OWN_DISTRIBUTION}
    setting = {**begun.setting, **told}
    return replace(begun, commit=origin.commit, dirty=origin.dirty, setting=setting)


def _with_threads(case: MeasuredCase, usual: int | None) -> MeasuredCase:
    threads, *how = case.condition
    return case._replace(condition=(usual, *how)) if threads is None else case


class _Line(NamedTuple):
    """A record."""

    case: MeasuredCase
    origin: _Origin | None  # `None` where its versions were not kept
    numbers: Mapping[str, float]
    declared: Mapping[str, Mapping[str, Any]]


def _read_lines(content: bytes) -> tuple[list[_Line], int]:
    """The records of a file, and how many of its whole lines are none."""
    lines = content.split(b"\n")[:-1]
    found = []
    for line in lines:
        try:
            # Pydantic's reader: twice as fast as Python's own, on lines that are samples for half.
            found.append(_read_line(pydantic_core.from_json(line)))
        except UNREADABLE:
            continue
    return found, len(lines) - len(found)


def _read_line(data: Any) -> _Line:
    values, timing = data["values"], data.get("timing") or {}
    named = (data["suite"], data["label"], data["case_key"], data["machine_key"])
    threads = values.get("threads")
    how = (timing.get("cache"), timing.get("cuda_graph"))
    condition = (data.get("threads") if threads is None else threads, *how)
    case = MeasuredCase(*named, data.get("replicate") or 1, condition)
    hash(case)  # of lists it has none
    if not all(isinstance(name, str) for name in named):
        raise TypeError("a name is no text")
    declared = _declared_in(values)
    numbers = _numbers_of(values, _PLAIN.union(declared) if declared else _PLAIN)
    return _Line(case, _origin_of(data.get("origin") or {}), numbers, declared)


def _declared_in(values: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """What a record declares of users' numbers, as it was written."""
    declared = values.get("declared") or {}
    return {name: said for name, said in declared.items() if not is_taken(name)}


def _origin_of(origin: Mapping[str, Any]) -> _Origin | None:
    commit, versions = origin.get("commit"), origin.get("versions")
    if versions is None:
        return None
    if not all(isinstance(text, str) for text in (commit or "", *versions.values())):
        raise TypeError("commit or versions are no text")
    return _Origin(commit, bool(origin.get("dirty")), tuple(versions.items()))


_PLAIN = {
    *(name for name in COMPARED if name in VALUES),
    *(end for metric in COMPARED.values() for end in metric.interval or ()),
}
_MOST = sys.float_info.max
_OTHERS = [each for each in COMPARED.values() if each.name not in VALUES or each.compared_if]
"""Made of several values, or not always a measurement."""


def _numbers_of(values: Mapping[str, Any], plain: Collection[str]) -> dict[str, float]:
    found = {
        name: float(value)
        for name, value in values.items()
        if name in plain
        and (type(value) is float or type(value) is int)
        and -_MOST <= value <= _MOST
    }
    for metric in _OTHERS:
        if metric.name in VALUES and found.pop(metric.name, None) is None:
            continue
        try:
            number = metric.compared_number(values)
        except (TypeError, AttributeError):  # of another kind: as if it were not there
            continue
        if number is not None:
            found[metric.name] = float(number)
    return found
