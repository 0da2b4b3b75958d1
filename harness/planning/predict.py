"""Predictions of time and memory: from earlier records, else from a pass on fake tensors."""

import functools
import json
import statistics
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import log, prod
from pathlib import Path
from typing import Any, Literal

from harness.case import DEFAULT_TIMING, OPTIONS, Case, Job, Timing
from harness.engines.engine import Engine, Finished, Started
from harness.records.record import Record
from harness.records.run_directory import RECORDS
from harness.records.stored_runs import find_runs

Basis = Literal["same case", "similar cases"]

LATEST = 5
"""Of the records of one case, the latest so many count: code and machine change."""

NEAREST = 5
"""Similar cases: the so many whose input is nearest in size."""

_ACCURACY = "accuracy"


@dataclass(frozen=True)
class Estimate:
    """Seconds that something will take."""

    seconds: float  # median over the records
    basis: Basis  # what the records are of
    records: int  # how many; the fewest where several medians are added


class Durations:
    """What earlier records of one machine say about time.

    The time of a case is the sum over its metrics and what its process takes beside them, so that
    a record with other metrics still serves. Trainings are apart: `of` leaves them out, since cases
    share them.

    Args:
        records: newest first.
        machine: key of the machine whose records count.
    """

    def __init__(self, records: Iterable[Record], machine: str) -> None:
        self._texts = _Texts()
        own = [record for record in records if record.machine_key == machine]
        self._same: dict[tuple[str, ...], list[Record]] = defaultdict(list)
        similar: dict[tuple[str, ...], list[tuple[float, float]]] = defaultdict(list)
        self._trainings: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for record in own:
            timing = {**asdict(DEFAULT_TIMING), **record.timing}  # of a time with fewer options
            same = self._same[_condition(record.case_key, record.threads, _canonical(timing))]
            if len(same) < LATEST:
                same.append(record)
            self._learn(record, similar)
        self._similar = {key: _Similar(found) for key, found in similar.items()}
        beside = [_beside(record) for record in own if record.status == "ok"]
        self._beside = statistics.median(beside) if beside else None

    def of(self, job: Job) -> Estimate | None:
        """Seconds of a case's process without its trainings; `None` where nothing is known."""
        condition = _condition(job.case.key, job.threads, _timing(job.timing))
        same = self._same.get(condition, [])
        if same and same[0].status == "timeout" and same[0].metrics == job.metrics:
            return Estimate(min(same[0].elapsed_seconds, job.timeout), "same case", 1)
        parts = [self._metric(job, name, same) for name in job.metrics]
        if self._beside is None or any(part is None for part in parts):
            return None
        known = [part for part in parts if part is not None]
        own = [_beside(record) for record in same if record.status == "ok"]
        seconds = sum(part.seconds for part in known)
        seconds += statistics.median(own) if own else self._beside
        basis: Basis = "same case"
        if any(part.basis != "same case" for part in known):
            basis = "similar cases"
        return Estimate(seconds, basis, min((part.records for part in known), default=0))

    def training(self, job: Job) -> Estimate | None:
        """Seconds of one training that a case asks for; `None` where nothing is known."""
        for kind, basis in zip(self._trained_alike(job), _TRAINING_BASES, strict=True):
            found = self._trainings.get(kind)
            if found:
                return Estimate(statistics.median(found[:LATEST]), basis, len(found[:LATEST]))
        return None

    def of_all(self, job: Job, trainings: int) -> Estimate | None:
        """Seconds of a case with so many trainings, never beyond its timeout."""
        found = self.of(job)
        if found is not None and trainings:
            one = self.training(job)
            if one is None:
                return None
            same = found.basis == one.basis == "same case"
            found = Estimate(
                found.seconds + trainings * one.seconds,
                "same case" if same else "similar cases",
                min(found.records, one.records),
            )
        return found and replace(found, seconds=min(found.seconds, job.timeout))

    def _metric(self, job: Job, name: str, same: Sequence[Record]) -> Estimate | None:
        times = [times[name] for record in same if name in (times := _seconds(record))]
        if times:
            return Estimate(statistics.median(times), "same case", len(times))
        size = _size(job.case.inputs)
        for kind in self._kinds(name, vars(job.case), job.accuracy):
            if kind in self._similar:
                return self._similar[kind].near(size)
        return None

    def _learn(
        self, record: Record, similar: Mapping[tuple[str, ...], list[tuple[float, float]]]
    ) -> None:
        size = _size(record.case["inputs"])
        for name, seconds in _seconds(record).items():
            for kind in self._kinds(name, record.case, record.accuracy):
                similar[kind].append((size, seconds))
        trainings = record.values.get("train_keys")
        trained = record.values.get("train_seconds")
        if trainings and trained is not None:
            for kind in self._trained_alike(record):
                self._trainings[kind].append(trained / len(trainings))

    def _kinds(
        self, name: str, case: Mapping[str, Any], accuracy: Mapping[str, Any] | None
    ) -> tuple[tuple[str, ...], ...]:
        """What a metric's time is alike in, from near to far: one module, then any."""
        common: tuple[str, ...] = (name, case["device"], case["pass_"])
        if name == _ACCURACY:
            common = (*common, self._texts.of(accuracy))
        return (*common, case["module"], case["dtype"]), common

    def _trained_alike(self, what: Job | Record) -> tuple[tuple[str, ...], ...]:
        """What a training's time is alike in: the same arguments, the same module, any module."""
        case = what.case if isinstance(what, Record) else vars(what.case)
        accuracy = what.accuracy or {}
        asked = (self._texts.of(accuracy.get(name)) for name in ("recipe", "data"))
        common = (case["device"], str(what.threads), *asked)
        module = (*common, case["module"])
        return (*module, _canonical(case["arguments"])), module, common


_TRAINING_BASES: tuple[Basis, ...] = ("same case", "similar cases", "similar cases")


class _Texts:
    """Canonical JSON, made once of an object that many cases share, such as a recipe."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, str]] = {}

    def of(self, value: object) -> str:
        """The text of a value; the value is kept, so that its address stays its own."""
        if id(value) not in self._known:
            self._known[id(value)] = (value, _canonical(value))
        return self._known[id(value)][1]


class _Similar:
    """Times of one kind by the size of the input."""

    def __init__(self, found: Iterable[tuple[float, float]]) -> None:
        self._found = sorted(found)
        self._sizes = [size for size, _ in self._found]

    def near(self, size: float) -> Estimate:
        """The median of those nearest in size."""
        place = bisect_left(self._sizes, size)
        window = self._found[max(0, place - NEAREST) : place + NEAREST]
        window.sort(key=lambda each: abs(each[0] - size))
        times = [seconds for _, seconds in window[:NEAREST]]
        return Estimate(statistics.median(times), "similar cases", len(times))


def _seconds(record: Record) -> dict[str, float]:
    """Seconds by metric, trainings left out of `accuracy`."""
    times = dict(record.seconds)
    trained = record.values.get("train_seconds")
    if _ACCURACY in times and trained is not None and times[_ACCURACY] > trained:
        # A record whose training another process did took only the evaluation anyway.
        times[_ACCURACY] -= trained
    return times


def _beside(record: Record) -> float:
    """Seconds of a process beside its metrics: start and end."""
    return max(0.0, record.elapsed_seconds - sum(record.seconds.values()))


def _size(inputs: Iterable[Sequence[int]]) -> float:
    """Logarithm of the number of input elements."""
    return log(max(1, sum(prod(shape) for shape in inputs)))


def _condition(case_key: str, threads: int | None, timing: str) -> tuple[str, ...]:
    """What has to be alike for two measurements to take the same time."""
    return (case_key, str(threads), timing)


@functools.cache
def _timing(timing: Timing) -> str:
    return _canonical(asdict(timing))


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


# Earlier measurements: the records below result folders, newest runs first, within bounds.

MOST_BYTES = 64 << 20
"""Of records that are read; what is older than these is left out, and that is said."""


@dataclass(frozen=True)
class Earlier:
    """What was measured before."""

    records: tuple[Record, ...] = ()  # newest run first, within a run the last record first
    runs: int = 0  # how many runs they are from
    notes: tuple[str, ...] = field(default=())  # what was left out


def read_earlier(folders: Iterable[Path], most_bytes: int = MOST_BYTES) -> Earlier:
    """Read the records of all runs in and below folders; no run at all is no mistake.

    Lines that are no records are left out and counted in a note: damage to an earlier run costs the
    estimate and nothing else.

    Args:
        folders: run directories, or folders of them at any depth.
        most_bytes: bound on what is read.
    """
    # Names of runs begin with the time of their start.
    runs = sorted(find_runs(folders), key=lambda path: (path.name, path), reverse=True)
    records: list[Record] = []
    left, bad, read = most_bytes, 0, 0
    for run in runs:
        try:
            content = (run / RECORDS).read_bytes()
        except OSError:
            content = b""  # gone since it was found, or another user's
        if len(content) > left:
            break
        left -= len(content)
        read += 1
        for line in reversed(content.split(b"\n")[:-1]):  # an unfinished last line is no record
            try:
                records.append(Record.from_line(line))
            except ValueError:
                bad += 1
    notes = []
    if unread := len(runs) - read:
        what = "1 older run is" if unread == 1 else f"{unread} older runs are"
        notes.append(f"{what} not read: the newer ones fill {most_bytes >> 20} MiB")
    if bad:
        what = "1 line of earlier runs is no record" if bad == 1 else f"{bad} lines are no records"
        notes.append(f"{what} and left out of the estimates")
    return Earlier(tuple(records), read, tuple(notes))


MemoryBasis = Literal["earlier run", "fake tensors"]

_NEEDED = ("params", "memory")
"""The static metrics that the need is made of."""

_STATE = ("param_bytes", "buffer_bytes", "input_bytes")
_PEAKS = {"inference": "live_peak_bytes", "training": "live_peak_training_bytes"}
_LONGEST = 60.0
"""Seconds that the prediction of one case may take; one that hangs must not take all."""


@dataclass(frozen=True)
class Prediction:
    """Memory that a case needs at least."""

    # parameters, buffers, inputs and the live peak of its pass, or its measured peak where an
    # earlier run has it; else operators' temporaries come on top, and PyTorch itself always
    bytes: int
    basis: MemoryBasis  # where it is from


@dataclass(frozen=True)
class _Known:
    """Figures of one module on one input, whichever the pass and device."""

    values: Mapping[str, Any]
    basis: MemoryBasis

    def need(self, pass_: str, measured: int = 0) -> Prediction | None:
        """The need; by a measured peak of the pass where operators take memory of their own."""
        parts = [self.values.get(name) for name in (*_STATE, _PEAKS[pass_])]
        if any(part is None for part in parts):
            return None
        *state, live = (int(part) for part in parts if part is not None)
        return Prediction(sum(state) + max(live, measured), self.basis)


class Needs:
    """Predicted memory by case; the same on every machine and device.

    Args:
        records: earlier ones, newest first.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self._known: dict[str, _Known] = {}
        self._measured: dict[str, int] = {}  # peaks that `memory_model` measured
        for record in records:
            if (peak := record.values.get("measured_peak_bytes")) is not None:
                self._measured.setdefault(_pass_identity(record.case), int(peak))
            if all(record.values.get(name) is not None for name in _STATE):
                self._known.setdefault(_identity(record.case), _Known(record.values, "earlier run"))

    def of(self, case: Case) -> Prediction | None:
        """The need of a case; `None` where it is not known (yet)."""
        found = self._known.get(_identity(vars(case)))
        measured = self._measured.get(_pass_identity(vars(case)), 0)
        return found.need(case.pass_, measured) if found is not None else None

    def largest(self, *cases: Case | None) -> Prediction | None:
        """The largest need of cases; `None` if one is not known."""
        needs = [self.of(case) if case is not None else None for case in cases]
        known = [need for need in needs if need is not None]
        return max(known, key=lambda each: each.bytes) if len(known) == len(needs) else None

    def unknown(self, jobs: Iterable[Job]) -> list[Job]:
        """One static job for each distinct module and input that is not known, largest first."""
        asked: dict[str, Job] = {}
        for job in jobs:
            identity = _identity(vars(job.case))
            if identity not in asked and self.of(job.case) is None:
                # Reduced to what the prediction needs; it runs without the case's device.
                case = replace(job.case, device="cpu", compile=False)
                asked[identity] = replace(
                    job, case=case, metrics=_NEEDED, threads=None, replicate=1, accuracy=None
                )
        return sorted(asked.values(), key=lambda job: -sum(map(prod, job.case.inputs)))

    def learn(
        self,
        jobs: Sequence[Job],
        engine: Engine,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> int:
        """Predict on fake tensors, in processes of an engine, until time is up.

        Args:
            jobs: as `unknown` gives them.
            engine: where the passes on fake tensors run.
            seconds: for all together, from when the first process has started: what is imported
                before it takes as long for one case as for thousands.
            clock: in seconds.

        Returns:
            How many jobs were finished, whether or not there was a figure.
        """
        end, done = float("inf"), 0
        if not jobs or seconds <= 0:
            return done
        for job in jobs:
            engine.submit(replace(job, timeout=max(1.0, min(_LONGEST, seconds))))
        try:
            for event in engine.events():
                if isinstance(event, Started):
                    end = min(end, clock() + seconds)
                elif isinstance(event, Finished):
                    done += 1
                    known = _Known(event.outcome.values, "fake tensors")
                    self._known[_identity(vars(event.job.case))] = known
                if clock() >= end:
                    break
        finally:
            engine.cancel()
        return done


def _pass_identity(case: Mapping[str, Any]) -> str:
    """What a measured peak depends on: device and pass as well."""
    return _canonical([_identity(case), case["device"], case["pass_"]])


def _identity(case: Mapping[str, Any]) -> str:
    """What a need depends on, of the fields of a case: all but device and pass."""
    known = ("module", "arguments", "inputs", "dtype")
    options = [case.get(name) for name in OPTIONS if case.get(name) and name != "compile"]
    return _canonical([*(case[name] for name in known), options])
