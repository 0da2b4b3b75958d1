"""The plan of a suite: its distinct trainings, and what each case and all together will take."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.case import Case, Job
from harness.engines.engine import Engine
from harness.instantiate import resolve
from harness.planning.predict import Durations, Earlier, Estimate, Needs, Prediction
from harness.suite.recipe import RecipeSpec
from harness.suite.suite import Suite

if TYPE_CHECKING:
    from harness.training.accuracy import TrainingPlan


# The distinct trainings that cases ask for, and which of them are kept already.

_ACCURACY = "accuracy"

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


class Trainings:
    """The trainings of a suite.

    Args:
        jobs: cases; those without accuracy ask for none.

    Attributes:
        distinct: by identity, in the order of the cases.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.distinct: dict[str, Training] = {}
        self._asked: dict[int, tuple[str, ...]] = {}
        self._recipes = _Recipes()
        for number, job in enumerate(jobs):
            if _ACCURACY in job.metrics and job.accuracy:
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
        cannot be built, leaves its trainings unknown.

        Args:
            folder: of all trainings.
            seconds: for all together; the first look at a data set may exceed it.
            clock: in seconds.
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
        recipe = self._recipes.of(job.accuracy)
        threads = job.threads if job.case.device == "cpu" else None
        what = [job.case.module, kept, recipe, seed, job.case.device, threads]
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:24]


class _Recipes:
    """What of a recipe and its data decides a training, as a hash; made once for many cases."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, str]] = {}

    def of(self, accuracy: Any) -> str:
        if id(accuracy) not in self._known:
            recipe = RecipeSpec.of(accuracy["recipe"])
            network = recipe.network.model_dump(mode="json")
            data = {key: value for key, value in accuracy["data"].items() if key != "root"}
            text = json.dumps([recipe.trained(), network, data], sort_keys=True)
            self._known[id(accuracy)] = (accuracy, hashlib.sha256(text.encode()).hexdigest())
        return self._known[id(accuracy)][1]


def _looked_up(training: Training, folder: Path | None) -> Training:
    from harness.training.accuracy import make_plan

    try:
        with _threads_of(training.job):
            plan = make_plan(training.job)
            kept = folder is not None and _is_kept(plan, training, folder)
    except Exception:  # no data here, or a stranger's constructor: the case itself will say how
        return training
    return replace(training, kept=kept, network=_network(plan, training.job))


def _is_kept(plan: "TrainingPlan", training: Training, folder: Path) -> bool:
    import torch

    from harness.training.checkpoint import training_key
    from harness.training.network import build_network, trained_arguments

    assert training.job.accuracy is not None, "the caller has looked"
    arguments = {**trained_arguments(plan.network), "backbone_weights": None}
    with torch.device("meta"):  # its classes are asked for, not its parameters
        network = build_network(arguments, training.seed)
    name = str(training.job.accuracy["data"]["name"])
    key = training_key(plan.description(network, training.seed, name))
    return (folder / key / WHOLE).is_file()


def _network(plan: "TrainingPlan", job: Job) -> Case:
    """What is trained as a case: a batch of images through the whole network and back."""
    from harness.training.network import SEGMENTOR

    recipe = plan.recipe
    height, width = plan.network["input_size"]
    return Case(
        module=SEGMENTOR,
        arguments={**plan.network, "backbone_weights": None},
        inputs=((recipe.batch, 3, height, width),),
        device=job.case.device,
        pass_="training",
    )


@contextmanager
def _threads_of(job: Job) -> Iterator[None]:
    """As many CPU threads as the worker of a case has: their number is part of a training."""
    import torch

    before = torch.get_num_threads()
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
