"""The plan of a suite: its distinct trainings, and what each case and all together will take."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.case import Job
from harness.engines.engine import Engine
from harness.planning.predict import Durations, Earlier, Estimate, Needs, Prediction
from harness.suite.suite import Suite
from harness.training.ahead import Training, Trainings
from harness.training.rounds import at_the_limit

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

    def as_json(self) -> dict[str, Any]:
        """Plain data, what is not known as `None`."""
        job, memory, time = self.job, self.memory, self.time
        return {
            "suite": job.suite,
            "label": job.label,
            "replicate": job.replicate,
            "case_key": job.case.key,
            "device": job.case.device,
            "metrics": list(job.metrics),
            "memory_bytes": memory.bytes if memory else None,
            "memory_basis": memory.basis if memory else None,
            "seconds": time.seconds if time else None,
            "seconds_basis": time.basis if time else None,
            "seconds_records": time.records if time else 0,
            "trainings": self.trainings,
        }


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

    def as_json(self) -> dict[str, Any]:
        """Plain data: all cases and trainings, seconds and bytes."""
        return {
            "suite": self.suite,
            "machine_key": self.machine,
            "runs": self.runs,
            "notes": list(self.notes),
            "distinct_cases": self.distinct_cases,
            "seconds": self.seconds,
            "trainings": [
                {"case_key": t.job.case.key, "label": t.job.label, "seed": t.seed, "kept": t.kept}
                for t in self.trainings
            ],
            "cases": [planned.as_json() for planned in self.cases],
        }


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
    notes = [*earlier.notes, *_of_rounds(jobs, len(trainings.distinct))]
    if engine is not None:
        # The networks that are trained are cases whose memory can be predicted, too.
        networks = [
            replace(training.job, case=training.network)
            for training in trainings.distinct.values()
            if training.network is not None
        ]
        unknown = needs.unknown([*jobs, *networks])
        seconds = _budget(budget, len(unknown))
        predicted = needs.learn(unknown, engine, seconds, clock)
        if predicted < len(unknown):
            notes.append(
                f"memory: {len(unknown) - predicted} of {len(unknown)} distinct modules and inputs "
                f"were not predicted within {seconds:g} s; a longer --budget predicts more"
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
        memory = needs.largest(job.case, *of_network)
        cases.append(PlannedCase(job, memory, durations.of_all(job, len(own)), len(own)))
    found = tuple(trainings.distinct.values())
    return Plan(suite.name, machine, tuple(cases), found, earlier.runs, tuple(notes))


def _of_rounds(jobs: Sequence[Job], first: int) -> Iterator[str]:
    """How many trainings there can be in all where seeds come by rounds."""
    most = at_the_limit(jobs)
    if (number := len(Trainings(most).distinct)) > first:
        yield (
            f"seeds come by rounds: {first} trainings at first, which are counted here, and up to "
            f"{number} in all if rows are not told apart"
        )


def _budget(asked: float | None, number: int) -> float:
    if asked is not None:
        return asked
    return LONG if number <= FEW else SHORT
