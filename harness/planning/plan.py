"""The plan of a suite: its distinct trainings, and what each case and all together will take."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from harness.case import Case, Job
from harness.engines.engine import Engine
from harness.planning.predict import Durations, Earlier, Estimate, Needs, Prediction
from harness.suite.suite import Suite
from harness.training.ahead import Training, Trainings

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
        # The networks that are trained are cases whose memory can be predicted, too.
        networks = [
            replace(training.job, case=training.network)
            for training in trainings.distinct.values()
            if training.network is not None
        ]
        unknown = needs.unknown([*jobs, *networks])
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
        of_network = [trainings.distinct[identity].network for identity in identities[:1]]
        memory, time = _memory(needs, job, of_network), _time(durations, job, len(own))
        cases.append(PlannedCase(job, memory, time, trainings=len(own)))
    found = tuple(trainings.distinct.values())
    return Plan(suite.name, machine, tuple(cases), found, earlier.runs, tuple(notes))


def _budget(asked: float | None, number: int) -> float:
    if asked is not None:
        return asked
    return LONG if number <= FEW else SHORT


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
