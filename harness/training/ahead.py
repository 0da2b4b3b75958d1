"""Trainings ahead of the measurements: they may share the machine, timed cases may not.

What hands them over is the store of trainings, which is keyed by what was trained: a case that is
measured afterwards finds its trainings there. So an interruption costs what was under way, and
nothing that is whole is trained again.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.case import Case, Identity, Job, Outcome
from harness.engines.engine import Engine, Event, Finished
from harness.engines.local import LocalEngine
from harness.environment.searching import searching
from harness.instantiate import resolve
from harness.runner import Heard
from harness.suite.recipe import RecipeSpec


def train_ahead(
    jobs: Sequence[Job], engine: Engine, slots: int, heard: Heard, trainer: Engine | None = None
) -> Iterator[Event]:
    """Do the trainings of cases, each once, then measure the cases; see `harness.runner.Ahead`.

    `slots` trainings go at once in the `trainer`, which is processes on this machine if absent.
    """
    ahead = TrainingPass(jobs)
    if ahead.jobs:
        ahead.run(trainer or LocalEngine(slots), slots, heard)
    for job in ahead.left(jobs):
        engine.submit(job)
    yield from ahead.complete(jobs, engine.events())


class TrainingPass:
    """The distinct trainings of some cases, each once whatever the number of cases that share it.

    Attributes:
        jobs: one per training, to be run in any order.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        trainings = Trainings(jobs)
        self.jobs = [training.alone() for training in trainings.distinct.values()]
        # A training is known by the first case that asks for it, and the seed.
        names = {key: (each.job.identity, each.seed) for key, each in trainings.distinct.items()}
        self._asked = {
            job.identity: [names[each] for each in trainings.of(n)] for n, job in enumerate(jobs)
        }
        self._cases = {job.identity: job for job in jobs}
        self._failed: dict[tuple[Identity, int], Outcome] = {}
        self._warnings: dict[tuple[Identity, int], tuple[str, ...]] = {}

    def run(self, engine: Engine, slots: int, heard: Heard | None = None) -> None:
        """Train, up to `slots` at once; a failure is kept for the cases that asked for it.

        The engine is cancelled at the end, whatever that is.
        """
        seconds: list[float] = []
        try:
            for job in self.jobs:
                engine.submit(job)
            for event in engine.events():
                if isinstance(event, Finished):
                    seconds.append(event.outcome.elapsed)
                    name = event.job.identity, event.job.seed
                    self._warnings[name] = event.outcome.warnings
                    if event.outcome.status != "ok":
                        self._failed[name] = event.outcome
                done, total = len(seconds), len(self.jobs)
                left = (total - done) * sum(seconds) / done / slots if done else None
                if heard is not None:
                    heard(event, done, total, left)
        finally:
            engine.cancel()

    def left(self, jobs: Sequence[Job]) -> list[Job]:
        """What is to be measured of cases: of one whose training failed, all but accuracy."""
        failed = [self._failure(job) is not None for job in jobs]
        shortened = [
            replace(j, metrics=_without(j)) if f else j for j, f in zip(jobs, failed, strict=True)
        ]
        return [job for job in shortened if job.metrics]

    def complete(self, jobs: Sequence[Job], events: Iterator[Event]) -> Iterator[Event]:
        """The events of what `left` gave, as if each case had been measured as a whole."""
        for job in jobs:
            failure = self._failure(job)
            if failure is not None and not _without(job):
                yield Finished(job, failure)
        for event in events:
            case = self._cases.get(event.job.identity, event.job)
            failure, said = self._failure(case), self._said(case)
            if not isinstance(event, Finished):
                yield replace(event, job=case) if failure else event
                continue
            outcome = _joined(event.outcome, failure) if failure else event.outcome
            outcome = replace(outcome, warnings=(*outcome.warnings, *said))
            yield Finished(case if failure else event.job, outcome)

    def _failure(self, job: Job) -> Outcome | None:
        """Of the first of a case's trainings that failed."""
        names = self._asked.get(job.identity, ())
        return next((self._failed[name] for name in names if name in self._failed), None)

    def _said(self, job: Job) -> list[str]:
        """What a case's trainings have said to the reader of its row."""
        names = self._asked.get(job.identity, ())
        return [said for name in names for said in self._warnings.get(name, ())]


def _without(job: Job) -> tuple[str, ...]:
    return tuple(name for name in job.metrics if name != "accuracy")


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


WHOLE = "weights.safetensors"
"""What the folder of a finished training holds; see `harness.training.checkpoint`."""


@dataclass(frozen=True)
class Training:
    """One training; cases that ask for an equal one share it."""

    job: Job  # the first case that asks for it
    seed: int  # of parameters, order and augmentation
    kept: bool | None = None  # whether it is finished and kept; `None` where that was not looked up
    # the trained network as a case of its own, for its memory; `None` where unknown
    network: Case | None = None

    def alone(self) -> Job:
        """It as a job of its own; nothing is judged."""
        asked = self.job.accuracy
        assert asked is not None, "a training has a recipe"
        said = {**asked, "evaluation": {**asked["evaluation"], "seeds": 1}, "judge": False}
        return replace(self.job, metrics=("accuracy",), seed=self.seed, accuracy=said)


class Trainings:
    """The trainings of cases; those without accuracy ask for none.

    Attributes:
        distinct: by identity, in the order of the cases.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.distinct: dict[str, Training] = {}
        self._asked: dict[int, tuple[str, ...]] = {}
        self._recipes: dict[int, str] = {}
        for number, job in enumerate(jobs):
            if "accuracy" in job.metrics and job.accuracy:
                seeds = range(job.seed, job.seed + int(job.accuracy["evaluation"]["seeds"]))
                identities = tuple(self._identity(job, seed) for seed in seeds)
                self._asked[number] = identities
                for identity, seed in zip(identities, seeds, strict=True):
                    self.distinct.setdefault(identity, Training(job, seed))

    def of(self, number: int) -> tuple[str, ...]:
        """Identities of the trainings that the case of that number asks for."""
        return self._asked.get(number, ())

    def look_up(
        self, folder: Path, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Find which trainings are kept, and the networks that are trained, until time is up.

        What is found holds for this machine: the version of PyTorch and, on the CPU, the number of
        threads are part of what a training is. Data that is not on this machine, or a network that
        cannot be built, leaves its trainings unknown. The first look at a data set may exceed the
        seconds.
        """
        any_kept = any(folder.glob(f"*/{WHOLE}"))
        end = clock() + seconds
        for identity, training in self.distinct.items():
            if clock() >= end:
                return
            self.distinct[identity] = _looked_up(training, folder if any_kept else None)

    def _identity(self, job: Job, seed: int) -> str:
        """Hash of what a suite says about a training; evaluation is left out."""
        assert job.accuracy is not None, "the caller has looked"
        cls = resolve(job.case.module, job.search_path)
        left_out = getattr(cls, "evaluation_arguments", ())
        kept = {name: v for name, v in job.case.arguments.items() if name not in left_out}
        recipe = self._recipes.get(id(job.accuracy))  # many cases share one
        if recipe is None:
            said = RecipeSpec.of(job.accuracy["recipe"])
            data = {key: value for key, value in job.accuracy["data"].items() if key != "root"}
            decides = [said.trained(), said.network.model_dump(mode="json"), data]
            recipe = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
            self._recipes[id(job.accuracy)] = recipe
        threads = job.threads if job.case.device == "cpu" else None
        what = [job.case.module, kept, recipe, seed, job.case.device, threads]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:24]


def _looked_up(training: Training, folder: Path | None) -> Training:
    """With what is trained as a case: a batch through the whole network and back."""
    import torch

    from harness.training.accuracy import training_plan
    from harness.training.checkpoint import Checkpoint
    from harness.training.network import SEGMENTOR, build_network, trained_arguments

    # As many CPU threads as the worker of a case has: their number is part of a training.
    before = torch.get_num_threads()
    torch.set_num_threads(training.job.threads or before)
    kept = False
    try:
        with searching(training.job.search_path):
            plan = training_plan(training.job)
            if folder is not None:
                trained = {**trained_arguments(plan.network), "backbone_weights": None}
                with torch.device("meta"):  # its classes are asked for, not its parameters
                    meta = build_network(trained, training.seed)
                said = plan.description(meta, training.seed)
                job = training.job
                checkpoint = Checkpoint(folder, said, job.search_path, job.depends_on)
                steps = plan.recipe.steps_on(len(plan.train))
                kept = checkpoint.finished(meta, steps) is not None
    except Exception:  # no data here, or a stranger's constructor: the case itself will say how
        return training
    finally:
        torch.set_num_threads(before)
    inputs = ((plan.recipe.batch, 3, *plan.network["input_size"]),)
    arguments = {**plan.network, "backbone_weights": None}
    network = Case(SEGMENTOR, arguments, inputs, training.job.case.device, pass_="training")
    return replace(training, kept=kept, network=network)
