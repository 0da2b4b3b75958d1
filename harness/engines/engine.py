"""Engines: the contract (submit jobs, read events, cancel), and the names that make one."""

import importlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from context_modules.catalog import BY_NAME
from harness.case import Job, Outcome, Place, Turn, as_plain, from_plain
from harness.measure import SHARING, STATIC
from harness.messages import HarnessError


class EngineError(HarnessError):
    """An engine cannot be had, or can place no further case; finished records are kept."""


@dataclass(frozen=True)
class Waiting:
    """A job cannot start yet, or has to start again: a device is taken, its node was lost."""

    job: Job
    cause: str


@dataclass(frozen=True)
class Started:
    """A job has a process."""

    job: Job


@dataclass(frozen=True)
class Measuring:
    """A job's worker has begun a metric."""

    job: Job
    metric: str


@dataclass(frozen=True)
class Finished:
    """A job has ended; every submitted job ends exactly once unless the engine is cancelled."""

    job: Job
    outcome: Outcome


Event = Waiting | Started | Measuring | Finished

_EVENTS = {"waiting": Waiting, "started": Started, "measuring": Measuring, "finished": Finished}


def words_of(event: Event) -> dict[str, Any]:
    """An event as plain data, without its job: whoever follows it has that."""
    said = {name: as_plain(value) for name, value in vars(event).items() if name != "job"}
    name = next(name for name, kind in _EVENTS.items() if isinstance(event, kind))
    return {"event": name, **said}


def event_of(words: Mapping[str, Any], job: Job, place: Place | None = None) -> Event:
    """The event that `words_of` has told of a job; an end has been at `place`, if one is given.

    Raises:
        ValueError: they tell of none.
    """
    kind = _EVENTS.get(str(words.get("event")))
    if kind is None:
        raise ValueError(f"{words.get('event')!r} is no event")
    event: Event = from_plain(kind, words, job=job)
    if isinstance(event, Finished) and place is not None:
        return replace(event, outcome=replace(event.outcome, place=place))
    return event


class Engine(Protocol):
    """Places cases in fresh processes; those that `may_share` one may be placed in one.

    The events of one job come in this order: any number of `Waiting`, `Started`, one `Measuring`
    per metric, `Finished`. A job whose node was lost, or which failed in the process of others,
    goes back to `Waiting`; nothing else begins a second time. Jobs that may not start together
    start in the order of submission.
    """

    def submit(self, job: Job) -> None:
        """Queue a job: before `events` is read to its end, or after that, to read it again."""

    def events(self) -> Iterator[Event]:
        """What happens, as it happens, until every submitted job has ended.

        Raises:
            EngineError: what is left can run nowhere.
        """

    def cancel(self) -> None:
        """End every running job at once and forget the queued ones; may be called twice."""


class RemoteEngine(Engine):
    """Base of engines whose cases run on other machines: each outcome has its `place`.

    The runner then asks this machine for no device, and resuming keeps the records of every
    machine. `Job.machine` holds a job to the machines with that key.
    """

    def take_up(self) -> None:
        """The run goes on after an interruption; called before anything is submitted.

        An engine whose cases outlive it may follow those that are still running.
        """


MOST_LOSSES = 3
"""Nodes that a case may be lost with before it counts as the reason."""


def is_timed(job: Job) -> bool:
    """Whether a neighbour on the device would change what is measured: times, memory, energy."""
    return not SHARING.issuperset(job.metrics)


def is_static(job: Job) -> bool:
    """Whether the answer is the same on every machine."""
    return set(job.metrics) <= set(STATIC)


def may_share(job: Job) -> bool:
    """Whether other cases may be measured before and after it in one process.

    Nothing that is static leaves a trace there, as long as all code is of this project.
    """
    case = job.case
    theirs = case.prepare or job.counting or job.declared or job.depends_on
    return is_static(job) and case.device == "cpu" and case.module in BY_NAME and not theirs


# Rings: processes of one case that run together and sample in turns.

_TURNED = {*STATIC, "latency"}
"""Static metrics come first in a worker; anything else would run while another process samples."""


def next_ring(queue: deque[Job]) -> list[Job]:
    """Take the next job from a queue, and with it the others of its ring."""
    first = queue.popleft()
    turns = first.timing.turns and first.case.device == "cpu" and _TURNED.issuperset(first.metrics)
    if not turns:
        return [first]
    ring = [first, *(job for job in queue if _same_case(job, first))]
    kept = [job for job in queue if not _same_case(job, first)]
    queue.clear()
    queue.extend(kept)
    return ring


def with_turns(ring: Sequence[Job], folder: Path) -> list[Job]:
    """The jobs of a ring with their places in it; one alone has none to take turns with."""
    if len(ring) < 2:
        return list(ring)
    folder.mkdir()
    turns = [Turn(str(folder), n, len(ring), ring[0].threads == 1) for n in range(len(ring))]
    return [replace(job, turn=turn) for job, turn in zip(ring, turns, strict=True)]


def _same_case(job: Job, other: Job) -> bool:
    return replace(job, replicate=other.replicate) == other


LOCAL = "local"
ENGINES: dict[str, str] = {
    "ray": "harness.engines.ray.engine:RayEngine",
    "slurm": "harness.engines.slurm.engine:SlurmEngine",
}
"""Name: class of the engine, whose `from_options` makes one from text. `local` is what the runner
has anyway."""


def make_engine(name: str, options: Mapping[str, str], mix_machines: bool = False) -> Engine | None:
    """The engine of a name; `None` for `local`, which the runner fits to its cases.

    `mix_machines` is the option `mix_machines=true` of engines that place cases on several.

    Raises:
        EngineError: unknown name or option, or the engine's package is not installed.
    """
    if name == LOCAL:
        require_known(LOCAL, options, ())
        return None
    if name not in ENGINES:
        raise EngineError(f"--engine {name}: unknown; choose {', '.join((LOCAL, *ENGINES))}")
    module, _, kind = ENGINES[name].partition(":")
    if mix_machines:
        options = {**options, "mix_machines": "true"}
    try:
        engine: Engine = getattr(importlib.import_module(module), kind).from_options(options)
    except ModuleNotFoundError as error:
        raise EngineError(
            f"--engine {name}: the package {error.name} is missing; "
            f"install it with: pip install 'context-harness[{name}]'"
        ) from error
    return engine


def require_known(engine: str, options: Mapping[str, str], known: tuple[str, ...]) -> None:
    """Refuse options that an engine does not have.

    Raises:
        EngineError: names the first of them, and what there is.
    """
    for name in options:
        if name not in known:
            cure = f"it has {', '.join(known)}" if known else "it has none"
            raise EngineError(f"--engine-option {name}: engine {engine} has no such option; {cure}")


def number_of(name: str, text: str, least: float, kind: Callable[[str], float], cure: str) -> float:
    """An option as a number from `least` on; `EngineError` with a cure where it is none."""
    try:
        value = kind(text)
    except ValueError as error:
        raise wrong_option(name, text, cure) from error
    if not least <= value < float("inf"):
        raise wrong_option(name, text, cure)
    return value


def truth_of(name: str, text: str) -> bool:
    """An option as a truth; `EngineError` where it says neither."""
    if text.lower() not in ("yes", "no", "true", "false"):
        raise wrong_option(name, text, "yes or no")
    return text.lower() in ("yes", "true")


def wrong_option(name: str, text: str, cure: str) -> EngineError:
    """The error on a value that an option cannot have."""
    return EngineError(f"--engine-option {name}={text}: write {cure}")
