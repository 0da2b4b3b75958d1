"""The runner: from a suite to a run directory, one record at a time."""

import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.case import UNKNOWN_MACHINE, Identity, Job, Outcome, Place
from harness.engines.engine import Engine, EngineError, Event, Finished, RemoteEngine, is_static
from harness.engines.local import LocalEngine
from harness.engines.session import SessionEngine
from harness.environment.interruption import heed, heeded, undisturbed
from harness.environment.machine import describe_environment
from harness.instantiate import is_of_session
from harness.messages import HarnessError, first_line
from harness.records.expectation import Expectation
from harness.records.kept_run import KeptRun, last_of_each
from harness.records.names import DEFAULT_ROOT as DEFAULT_ROOT  # noqa: PLC0414 - offered here, too
from harness.records.names import UnknownRunError, find_run
from harness.records.origin import Origins
from harness.records.record import Record
from harness.records.remarks import check_tags, remark
from harness.records.run_directory import RecordWriter, RunDirectory, RunDirectoryError
from harness.suite.shipped import home
from harness.suite.suite import Suite

STATIC_SLOTS = 2  # static cases neither time nor fill anything, so two share the machine


class DeviceError(HarnessError):
    """A case asks for a device that this machine lacks."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands; given to a listener after each event."""

    event: Event  # what has just happened
    done: int  # cases finished so far, skipped ones included
    total: int  # cases of the suite
    # expected time of what is left, from an earlier run of the same cases and from this one; `None`
    # before anything is known
    remaining_seconds: float | None
    # whether this is about the trainings that go ahead of all cases; `done`, `total` and
    # `remaining_seconds` are theirs then
    training: bool = False


Listener = Callable[[Progress], None]
Heard = Callable[[Event, int, int, float | None], None]
"""Told of an event of what goes ahead: jobs that have ended, all, seconds left if known."""

Ahead = Callable[[Sequence[Job], Engine, int, Heard], Iterator[Event]]
"""Does first, in so many processes at once, what cases need (trainings), gives the cases to the
engine, and tells what happens to them."""


@dataclass(frozen=True)
class Further:
    """What is to be done when every case has been measured; nothing ends the run."""

    # to be measured beyond that; what it gives is added to the record of its case
    jobs: Sequence[Job] = ()
    records: Sequence[Record] = ()  # that now say more than they did, to be kept as they are


@dataclass(frozen=True)
class Resumed:
    """What a run that goes on keeps of what it has."""

    kept: int  # processes whose records are answers
    kept_of: Mapping[str, int]  # suite: how many of them are its
    again: Mapping[str, int]  # reason to measure: processes that have a record and are measured
    new: int  # processes that have none

    @property
    def text(self) -> str:
        """`kept 9, measuring 3 again: code changed (2), failed before (1)`."""
        said = f"kept {self.kept}"
        if self.again:
            reasons = ", ".join(f"{reason} ({number})" for reason, number in self.again.items())
            said += f", measuring {sum(self.again.values())} again: {reasons}"
        return said + (f"; {self.new} for the first time" if self.new else "")


@dataclass(frozen=True)
class Execution:
    """What running a suite gave."""

    directory: RunDirectory  # the run on disk
    # the last record of each case, in the suite's order; those not reached lack
    records: tuple[Record, ...]
    total: int  # cases of the suite
    interrupted: bool = False  # whether Ctrl-C ended it early


def execute(
    suite: Suite,
    root: Path = DEFAULT_ROOT,
    *,
    listener: Listener | None = None,
    resume: bool | str | Path = False,
    keep_failed: bool = False,
    resumed: Callable[[Resumed], None] | None = None,
    engine: Engine | None = None,
    mix_machines: bool = False,
    slots: int = 1,
    ahead: Ahead | None = None,
    further: Callable[[Sequence[Record]], Further] | None = None,
    tags: Sequence[str] = (),
    note: str | None = None,
) -> Execution:
    """Measure every case of a suite and keep each record as its case ends.

    Args:
        suite: what to measure.
        root: folder of run directories.
        listener: told of every event.
        resume: go on with the latest run of the same cases, or with the run of that path or name;
            what was measured of the same code, under the same versions and settings, on the same
            machine, as the suite asks for it now, is kept.
        keep_failed: when going on, keep also what failed.
        resumed: told once what is kept and what is measured again.
        engine: where cases run; processes on this machine if absent.
        mix_machines: whether times of different machines may stand in one column; for engines that
            place cases on several.
        slots: cases at once on this machine that do not disturb one another.
        ahead: what goes first where there are several slots, say all trainings, each once.
        further: told all records when every case has ended, as often as it asks for more.
        tags: by which the run is found, too; one that goes on keeps those that it has.
        note: on the run; one that goes on keeps its own if absent.

    Raises:
        DeviceError: a case asks for a GPU and there is none.
        EngineError: slots are asked of an engine that places cases by itself.
        RemarkError: a tag is none.
        RunDirectoryError: the run directory cannot be written, or another process is writing it;
            finished records are kept.
    """
    check_tags(tags, root)
    jobs = suite.all_jobs()
    remote = isinstance(engine, RemoteEngine)
    if not remote:
        _require_devices(jobs)
    elif slots > 1:
        raise EngineError(
            "--jobs is for the cases of this machine; this engine decides by itself how many run "
            "at once"
        )
    own = [job.label for job in jobs if is_of_session(job.case.module)]
    if own and remote:
        raise EngineError(
            f"{own[0]!r}: its module stands in this session alone, where no other machine finds "
            "it; put it into a file"
        )
    environment = describe_environment(home(suite.path))
    directory = _directory(suite, root, environment, resume, mix_machines)
    if tags or note is not None:
        remark(directory.path, tags, note=note)
    here = None if remote else environment["machine_key"]
    origins = Origins(environment, remote=remote)
    with directory.writer() as writer:  # before anything is read: nobody else adds to it from here
        earlier: dict[Identity, Record] = {}
        if resume:
            _describe_resumption(directory, suite, environment)
            earlier, said = _answers(directory, jobs, origins, here, keep_failed)
            if resumed is not None:
                resumed(said)
        pending = [job for job in jobs if job.identity not in earlier]
        if remote and not mix_machines:
            pending = _held_to_machines(pending, earlier.values())
        expected = Expectation(pending, directory)
        measuring = _Measuring(
            directory,
            writer,
            environment["machine_key"],
            origins,
            len(jobs),
            set(earlier),
            expected,
            listener or (lambda _: None),
        )
        del earlier  # with all samples; from here on only the disk holds records
        static = all(map(is_static, pending))
        if static:  # several at once: a long one that begins last is waited for alone
            pending = expected.longest_first(pending)
        engine = engine or LocalEngine(max(slots, STATIC_SLOTS if static else 1))
        if own:
            engine = SessionEngine(engine)
        if resume and isinstance(engine, RemoteEngine):
            engine.take_up()
        measuring.run(pending, engine, slots, ahead)
        if further is not None:
            measuring.go_on(jobs, engine, slots, ahead, further)
        writer.require_place()  # what is read below would be somebody else's, or nothing
    records = tuple(measuring.records(jobs))
    return Execution(directory, records, len(jobs), measuring.interrupted)


@dataclass
class _Measuring:
    """The records of a run as they come in; none is kept in memory longer than it is needed."""

    directory: RunDirectory
    writer: RecordWriter
    machine: str
    origins: Origins
    total: int
    done: set[Identity]
    clock: Expectation
    listener: Listener
    interrupted: bool = False
    places: set[tuple[str, str]] = field(default_factory=set)
    before: dict[Identity, Record] = field(default_factory=dict)  # to which a round adds
    added: int = 0  # cases to which this round has

    def records(self, jobs: Sequence[Job]) -> list[Record]:
        """The last one of each case that has ended, in the order of the jobs."""
        ended = [job.identity for job in jobs if job.identity in self.done]
        return last_of_each(((each.identity, each) for each in self.directory.records()), ended)

    def go_on(
        self,
        jobs: Sequence[Job],
        engine: Engine,
        slots: int,
        ahead: Ahead | None,
        further: Callable[[Sequence[Record]], Further],
    ) -> None:
        """Measure beyond what each case asks for, round by round, as long as there is a reason."""
        try:
            while not self.interrupted:
                records = self.records(jobs)
                more = further(records)
                for record in more.records:
                    self.writer.append(record)
                if not more.jobs:
                    return
                asked = {job.identity for job in more.jobs}
                self.before = {each.identity: each for each in records if each.identity in asked}
                self.added = 0
                del records
                self.run(more.jobs, engine, slots, ahead)
        except KeyboardInterrupt:
            self.interrupted = True

    def run(self, jobs: Sequence[Job], engine: Engine, slots: int, ahead: Ahead | None) -> None:
        """Measure cases, until all have ended or Ctrl-C ends them."""
        try:
            if slots == 1 or ahead is None:
                for job in jobs:
                    engine.submit(job)
                self.follow(engine.events())
            else:
                self.follow(ahead(jobs, engine, slots, self.heard))
        except KeyboardInterrupt:
            self.interrupted = True
        finally:
            try:
                with undisturbed():  # an impatient Ctrl-C: what runs is being ended
                    engine.cancel()
            except KeyboardInterrupt:
                self.interrupted = True
            heeded()

    def heard(self, event: Event, done: int, total: int, remaining: float | None) -> None:
        """Tell of what goes ahead."""
        self.listener(Progress(event, done, total, remaining, training=True))

    def follow(self, events: Iterator[Event]) -> None:
        """Keep each record before anybody is told of it."""
        heed()
        for event in map(self._kept, events):
            heed()
            self.listener(self._progress(event))

    def _progress(self, event: Event) -> Progress:
        if not self.before:
            return Progress(event, len(self.done), self.total, self.clock.remaining())
        return Progress(event, self.added, len(self.before), None, training=True)

    def _kept(self, event: Event) -> Event:
        if not isinstance(event, Finished):
            return event
        event, record = self._recorded(event)
        # First: Ctrl-C may come when the record is written and before this is known.
        self.done.add(event.job.identity)
        self.writer.append(record)
        if event.outcome.place is not None:
            self._note_place(event.outcome.place)
        self.clock.finished(record)
        return event

    def _recorded(self, event: Finished) -> tuple[Finished, Record]:
        """A case's end with its record; an error where what came back could not be read again."""
        job, outcome = event.job, event.outcome
        origin = self.origins.of(job, outcome)
        record = Record.of(job, outcome, self.machine, origin)
        if (before := self.before.get(job.identity)) is not None:
            record, self.added = before.joined(record), self.added + 1
        try:
            Record.from_line(record.to_line()).row()
            return event, record
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError) as error:
            cause = f"what was measured cannot be kept: {type(error).__name__}: {first_line(error)}"
            failed = Outcome("error", cause, elapsed=outcome.elapsed, place=outcome.place)
            return Finished(job, failed), Record.of(job, failed, self.machine, origin)

    def _note_place(self, place: Place) -> None:
        """Describe each machine of a cluster in `run.json` once, with the nodes that are it."""
        if not place.environment or (place.machine_key, place.node) in self.places:
            return
        self.places.add((place.machine_key, place.node))
        description = self.directory.description()
        machines = description.get("machines") or {}
        known = machines.get(place.machine_key, {"nodes": [], "environment": place.environment})
        nodes = sorted({*known["nodes"], place.node})
        machines = {**machines, place.machine_key: {**known, "nodes": nodes}}
        self.directory.describe({**description, "machines": machines})


def _require_devices(jobs: Sequence[Job]) -> None:
    # What is counted alone is counted on fake tensors, also for a GPU that is elsewhere.
    asking = [job for job in jobs if job.case.device == "cuda" and not is_static(job)]
    if not asking:
        return
    import torch

    if not torch.cuda.is_available():
        others = f" and {len(asking) - 1} more" if len(asking) > 1 else ""
        raise DeviceError(
            f"{asking[0].label!r}{others}: device cuda, but PyTorch finds no GPU on this machine; "
            "choose --device cpu or auto, or install a PyTorch build for your GPU"
        )


def _directory(
    suite: Suite,
    root: Path,
    environment: Mapping[str, Any],
    resume: bool | str | Path,
    mix_machines: bool,
) -> RunDirectory:
    if resume:
        named = None if resume is True else Path(resume)
        directory = _latest_of(suite, root) if named is None else _named(suite, root, named)
    else:
        said = {"schema": 1, "suite": suite.describe(), **_begun("started_at", environment)}
        directory = RunDirectory.create(root, suite.name, said)
        directory.mark_latest()
    if mix_machines:
        directory.describe({**directory.description(), "mix_machines": True})
    return directory


def _latest_of(suite: Suite, root: Path) -> RunDirectory:
    """The latest run of the same cases; where there is none, the one with most of them.

    So neither a quick try with other inputs nor one of a single case is taken for the long run.
    """
    asked = {job.identity for job in suite.all_jobs()}
    best: tuple[bool, int, str] = (False, 0, "")
    folder = root / suite.name
    for path in folder.glob("*Z-*"):
        with suppress(RunDirectoryError):  # of a damaged run nobody knows what it is of
            listed = set(KeptRun.open(path).listed)
            common = len(listed & asked)
            if common:
                best = max(best, (listed == asked, common, path.name))
    if not best[-1]:
        cure = "name one, as in --resume RUN, or begin a run without --resume"
        raise RunDirectoryError(f"{folder}: no run of these cases here; {cure}")
    return RunDirectory.open(folder / best[-1])


def _named(suite: Suite, root: Path, name: Path) -> RunDirectory:
    """The run of that name, first among those of the suite."""
    try:
        kept = KeptRun.open(find_run(name if name.exists() else root / suite.name / name, root))
    except UnknownRunError:
        kept = KeptRun.open(find_run(name, root))
    if kept.suite_name != suite.name:
        raise RunDirectoryError(
            f"{kept.path}: a run of suite {kept.suite_name}, not of {suite.name}; "
            "name one of this suite"
        )
    return kept.directory


def _begun(at: str, environment: Mapping[str, Any]) -> dict[str, Any]:
    """When, where and how this process was started, for `run.json`."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return {"environment": environment, at: now, "command": shlex.join(sys.argv)}


def _describe_resumption(
    directory: RunDirectory, suite: Suite, environment: Mapping[str, Any]
) -> None:
    """Keep `run.json` true: it has the suite as it is now, and that the run went on.

    A try of some of the cases (`--only`) leaves the others listed.
    """
    kept = KeptRun(directory)
    asked = {job.identity for job in suite.all_jobs()}
    described = suite if suite.whole is None or asked.issuperset(kept.listed) else suite.whole
    resumptions = [*(kept.description.get("resumed") or ()), _begun("at", environment)]
    directory.describe({**kept.description, "suite": described.describe(), "resumed": resumptions})


def _answers(
    directory: RunDirectory,
    jobs: Sequence[Job],
    origins: Origins,
    machine: str | None,
    keep_failed: bool,
) -> tuple[dict[Identity, Record], Resumed]:
    """Records that need no second measurement, and why the others do."""
    asked = {job.identity: job for job in jobs}
    kept, again = {}, Counter[str]()
    written = ((record.identity, record) for record in directory.records())
    for record in last_of_each(written, asked):
        job = asked[record.identity]
        failed = record.status != "ok" and not keep_failed
        # A forced case may not have been run at all.
        unforced = job.force and record.status == "oom"
        reason = "failed before" if failed or unforced else None
        reason = reason or origins.reason_to_measure(record, job, machine)
        if reason is None:
            kept[record.identity] = record
        else:
            again[reason] += 1
    new = len(asked) - len(kept) - again.total()
    kept_of = Counter(record.suite for record in kept.values())
    return kept, Resumed(len(kept), kept_of, dict(again.most_common()), new)


def _held_to_machines(pending: Sequence[Job], records: Iterable[Record]) -> list[Job]:
    """Jobs held to the kind of machine that the other cases of their table ran on."""
    machines: dict[tuple[str, str], set[str]] = {}
    for record in records:
        if record.machine_key != UNKNOWN_MACHINE:
            table = (record.suite, record.case["device"])
            machines.setdefault(table, set()).add(record.machine_key)
    # Where several kinds had a part already, one more choice is as good as another.
    held = {table: next(iter(kinds)) for table, kinds in machines.items() if len(kinds) == 1}
    tables = [(job, (job.suite, job.case.device)) for job in pending]
    return [replace(job, machine=held[at]) if at in held else job for job, at in tables]
