"""The plan of a suite: what each case, each training and all together will take."""

import heapq
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.case import Case, Job
from harness.engines.engine import Engine
from harness.planning.predict import Durations, Earlier, Estimate, Needs, Prediction
from harness.suite.suite import Suite
from harness.training.ahead import Training, Trainings

if TYPE_CHECKING:
    pass


# Packing: cases onto machines, the longest first.
#
# Longest processing time first (Graham, "Bounds on multiprocessing timing anomalies", SIAM J.
# Appl. Math. 17, 1969): each case, longest first, goes to the machine that is free first. The last
# machine ends within 4/3 - 1/(3 m) of the best possible time on m machines.

_ROUNDING = 1e-9  # of sums of floating-point numbers, relative


@dataclass(frozen=True)
class Packing:
    """Who does what."""

    # per machine the indices of its cases in the order in which they are placed, longest first
    shares: tuple[tuple[int, ...], ...]
    loads: tuple[float, ...]  # per machine the sum of their durations, seconds

    @property
    def makespan(self) -> float:
        """Seconds until the last machine is done; 0 where there is nothing to do."""
        return max(self.loads, default=0.0)


def pack(durations: Sequence[float], machines: int) -> Packing:
    """Cases on a fixed number of machines.

    Args:
        durations: seconds, each at least 0.
        machines: at least 1; those that get nothing are in the result too.

    Raises:
        ValueError: no machine, or a duration that is negative or no number.
    """
    if machines < 1:
        raise ValueError(f"cases need a machine, not {machines}")
    if not all(duration >= 0 and math.isfinite(duration) for duration in durations):
        raise ValueError("durations are finite and at least 0")
    shares: list[list[int]] = [[] for _ in range(machines)]
    free = [(0.0, machine) for machine in range(machines)]
    for index in sorted(range(len(durations)), key=lambda i: -durations[i]):
        load, machine = free[0]
        shares[machine].append(index)
        heapq.heapreplace(free, (load + durations[index], machine))
    loads = {machine: load for load, machine in free}
    return Packing(tuple(map(tuple, shares)), tuple(loads[m] for m in range(machines)))


def fewest(durations: Sequence[float], limit: float) -> Packing:
    """Cases on as few machines as end within a time, as far as the longest-first rule finds them.

    Where m machines could end within 3/4 of the limit, no more than m are taken.

    Args:
        durations: seconds, each at least 0.
        limit: seconds that each machine may work.

    Raises:
        ValueError: a case alone takes longer than the limit.
    """
    longest = max(durations, default=0.0)
    if not fits(longest, limit):
        raise ValueError(f"a case of {longest:g} s does not fit into {limit:g} s")
    if not durations or longest == 0:
        return pack(durations, 1)
    total = math.fsum(durations)
    alone = sum(2 * duration > limit * (1 + _ROUNDING) for duration in durations)
    # Fewer than `low` machines cannot do it; `high` machines can, one case each.
    low, high = max(1, alone, math.ceil(total / limit * (1 - _ROUNDING))), len(durations)
    best = None
    while low < high or best is None:
        middle = (low + high) // 2
        tried = pack(durations, middle)
        if fits(tried.makespan, limit):
            high, best = middle, tried
        else:
            low = middle + 1
    return best


def fits(seconds: float, limit: float) -> bool:
    """Whether a sum of durations is within a limit, but for rounding."""
    return seconds <= limit * (1 + _ROUNDING)


FEW = 400
"""Distinct predictions up to which the longer budget is allowed."""

LONG, SHORT = 20.0, 1.0
"""Seconds for predictions of memory where there are few, and where there are many."""


@dataclass(frozen=True)
class PlannedCase:
    """One case."""

    job: Job  # what will be measured
    # predicted need of its own pass, and of its trainings if that is more; `None` where not
    # predicted
    memory: Prediction | None
    # predicted, with those of its trainings that no earlier case does; `None` where unknown
    time: Estimate | None
    trainings: int = 0  # how many of its trainings it is the first to ask for and are not kept


@dataclass(frozen=True)
class Plan:
    """What a suite will take."""

    suite: str  # its name
    machine: str  # key of the machine whose earlier records the times are from
    cases: tuple[PlannedCase, ...]  # in the order of the suite
    trainings: tuple[Training, ...]  # distinct ones, in the order in which cases ask for them
    runs: int  # how many earlier runs were read
    notes: tuple[str, ...] = ()  # what was left out, in sentences

    @property
    def distinct_cases(self) -> int:
        """Cases that differ in what is measured; replicates and repeated rows count once."""
        return len({planned.job.case.key for planned in self.cases})

    @property
    def seconds(self) -> float:
        """Sum of the known times: all cases one after another."""
        return sum(planned.time.seconds for planned in self.cases if planned.time is not None)


def make_plan(
    suite: Suite,
    earlier: Earlier,
    machine: str,
    *,
    engine: Engine | None = None,
    budget: float | None = None,
    checkpoints: Path | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Plan:
    """Plan a suite.

    Args:
        suite: as loaded.
        earlier: records that times and memory are taken from.
        machine: key of the machine that it will run on.
        engine: where memory is predicted that no record tells; `None` predicts none.
        budget: seconds for these predictions, and as many for looking trainings up; chosen by
            their number if absent.
        checkpoints: folder of kept trainings; `None` looks none up.
        clock: in seconds.
    """
    jobs = suite.all_jobs()
    trainings = Trainings(jobs)
    if checkpoints is not None and trainings.distinct:
        trainings.look_up(checkpoints, _budget(budget, len(trainings.distinct)), clock)
    needs = Needs(earlier.records)
    notes = list(earlier.notes)
    if engine is not None:
        unknown = needs.unknown([*jobs, *_networks(trainings)])
        predicted = needs.learn(unknown, engine, _budget(budget, len(unknown)), clock)
        if predicted < len(unknown):
            notes.append(
                f"memory: {len(unknown) - predicted} of {len(unknown)} distinct modules and inputs "
                "were not predicted in time; a longer --budget predicts more"
            )
    durations = Durations(earlier.records, machine)
    done: set[str] = set()  # identities of trainings that are kept, or that an earlier case does
    done |= {identity for identity, each in trainings.distinct.items() if each.kept}
    cases = []
    for number, job in enumerate(jobs):
        identities = trainings.of(number)
        own = [identity for identity in dict.fromkeys(identities) if identity not in done]
        done.update(own)
        networks = [trainings.distinct[identity].network for identity in identities[:1]]
        cases.append(
            PlannedCase(
                job=job,
                memory=_memory(needs, job, networks),
                time=_time(durations, job, len(own)),
                trainings=len(own),
            )
        )
    found = tuple(trainings.distinct.values())
    return Plan(suite.name, machine, tuple(cases), found, earlier.runs, tuple(notes))


def _budget(asked: float | None, number: int) -> float:
    if asked is not None:
        return asked
    return LONG if number <= FEW else SHORT


def _networks(trainings: Trainings) -> list[Job]:
    """The networks that are trained, as cases whose memory can be predicted."""
    return [
        replace(training.job, case=training.network)
        for training in trainings.distinct.values()
        if training.network is not None
    ]


def _memory(needs: Needs, job: Job, networks: list[Case | None]) -> Prediction | None:
    """The largest need of a case's own pass and of its trainings; `None` if one is unknown."""
    own = needs.of(job.case)
    for network in networks:
        trained = needs.of(network) if network is not None else None
        if own is None or trained is None:
            return None
        own = max(own, trained, key=lambda each: each.bytes)
    return own


def _time(durations: Durations, job: Job, trainings: int) -> Estimate | None:
    """A case's time with its share of the trainings, never beyond its timeout."""
    found = durations.of(job)
    if found is None:
        return None
    if trainings:
        one = durations.training(job)
        if one is None:
            return None
        known = (found, one)
        found = Estimate(
            found.seconds + trainings * one.seconds,
            "same case" if all(e.basis == "same case" for e in known) else "similar cases",
            min(e.records for e in known),
        )
    return replace(found, seconds=min(found.seconds, job.timeout))
