"""Trainings ahead of the measurements: they may share the machine, timed cases may not.

What hands them over is the store of trainings, which is keyed by what was trained: a case that is
measured afterwards finds its trainings there. So an interruption costs what was under way, and
nothing that is whole is trained again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from harness.case import Job, Outcome
from harness.engines.engine import Engine, Event, Finished
from harness.planning.plan import Training, Trainings

_ACCURACY = "accuracy"

Heard = Callable[[Event, int, int, float | None], None]
"""Told of each event: trainings that have ended, all of them, seconds that are left if known."""


class TrainingPass:
    """The distinct trainings of some cases, each once whatever the number of cases that share it.

    Args:
        jobs: cases; those without accuracy ask for none.

    Attributes:
        jobs: one per training, to be run in any order.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        trainings = Trainings(jobs)
        self.jobs = [_alone(training) for training in trainings.distinct.values()]
        identities = list(trainings.distinct)
        self._number = {_name(job): n for n, job in enumerate(self.jobs)}
        self._asked = {
            _place(job): [identities.index(i) for i in trainings.of(n)]
            for n, job in enumerate(jobs)
        }
        self._cases = {_place(job): job for job in jobs}
        self._failed: dict[int, Outcome] = {}

    def run(self, engine: Engine, slots: int, heard: Heard | None = None) -> None:
        """Train, up to `slots` at once; a failure is kept for the cases that asked for it.

        Args:
            engine: where; it is cancelled at the end, whatever that is.
            slots: of the engine, for the time that is left.
            heard: told how it goes.
        """
        seconds: list[float] = []
        try:
            for job in self.jobs:
                engine.submit(job)
            for event in engine.events():
                if isinstance(event, Finished):
                    seconds.append(event.outcome.elapsed)
                    if event.outcome.status != "ok":
                        self._failed[self._number[_name(event.job)]] = event.outcome
                if heard is not None:
                    heard(event, len(seconds), len(self.jobs), self._remaining(seconds, slots))
        finally:
            engine.cancel()

    def left(self, jobs: Sequence[Job]) -> list[Job]:
        """What is to be measured of cases: of one whose training failed, all but accuracy."""
        shortened = [
            job if self._failure(job) is None else replace(job, metrics=_without(job))
            for job in jobs
        ]
        return [job for job in shortened if job.metrics]

    def complete(self, jobs: Sequence[Job], events: Iterator[Event]) -> Iterator[Event]:
        """The events of what `left` gave, as if each case had been measured as a whole.

        Args:
            jobs: the cases.
            events: of the engine that they were given to.
        """
        for job in jobs:
            failure = self._failure(job)
            if failure is not None and not _without(job):
                yield Finished(job, failure)
        for event in events:
            case = self._cases.get(_place(event.job), event.job)
            failure = self._failure(case)
            if failure is None:
                yield event
            elif isinstance(event, Finished):
                yield Finished(case, _joined(event.outcome, failure))
            else:
                yield replace(event, job=case)

    def _failure(self, job: Job) -> Outcome | None:
        """Of the first of a case's trainings that failed."""
        numbers = self._asked.get(_place(job), [])
        return next((self._failed[n] for n in numbers if n in self._failed), None)

    def _remaining(self, seconds: Sequence[float], slots: int) -> float | None:
        if not seconds:
            return None
        return (len(self.jobs) - len(seconds)) * sum(seconds) / len(seconds) / slots


def _alone(training: Training) -> Job:
    """A training as a job of its own; nothing is judged."""
    asked = training.job.accuracy
    assert asked is not None, "a training has a recipe"
    evaluation = {**asked["evaluation"], "seeds": 1}
    return replace(
        training.job,
        metrics=(_ACCURACY,),
        seed=training.seed,
        accuracy={**asked, "evaluation": evaluation, "judge": False},
    )


def _without(job: Job) -> tuple[str, ...]:
    return tuple(name for name in job.metrics if name != _ACCURACY)


def _joined(measured: Outcome, failure: Outcome) -> Outcome:
    """Everything that was measured, and why the accuracy is missing."""
    elapsed = measured.elapsed + failure.elapsed
    if measured.status != "ok":  # the first failure of a worker is the one it ends with
        return replace(measured, elapsed=elapsed)
    return replace(
        measured,
        status=failure.status,
        cause=failure.cause,
        tail=failure.tail,
        seconds={**measured.seconds, **failure.seconds},
        elapsed=elapsed,
    )


def _name(job: Job) -> tuple[str, str, int]:
    """Of a training: the first case that asks for it, and the seed."""
    return (job.suite, job.label, job.seed)


def _place(job: Job) -> tuple[str, str, int]:
    return (job.suite, job.label, job.replicate)
