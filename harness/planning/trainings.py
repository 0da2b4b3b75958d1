"""The distinct trainings that cases ask for, and which of them are kept already."""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.case import Case, Job
from harness.instantiate import resolve
from harness.training.recipe import RecipeSpec

if TYPE_CHECKING:
    from harness.measure.accuracy import Plan

_ACCURACY = "accuracy"

WHOLE = "weights.safetensors"
"""What the folder of a finished training holds; see `harness.training.checkpoint`."""


@dataclass(frozen=True)
class Training:
    """One training; cases that ask for an equal one share it.

    Attributes:
        job: the first case that asks for it.
        seed: of parameters, order and augmentation.
        kept: whether it is finished and kept; `None` where that was not looked up.
        network: the trained network as a case of its own, for its memory; `None` where unknown.
    """

    job: Job
    seed: int
    kept: bool | None = None
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
            recipe = RecipeSpec.model_validate_json(json.dumps(accuracy["recipe"]), strict=True)
            network = recipe.network.model_dump(mode="json")
            data = {key: value for key, value in accuracy["data"].items() if key != "root"}
            text = json.dumps([recipe.trained(), network, data], sort_keys=True)
            self._known[id(accuracy)] = (accuracy, hashlib.sha256(text.encode()).hexdigest())
        return self._known[id(accuracy)][1]


def _looked_up(training: Training, folder: Path | None) -> Training:
    from harness.measure.accuracy import make_plan

    try:
        with _threads_of(training.job):
            plan = make_plan(training.job)
            kept = folder is not None and _is_kept(plan, training, folder)
    except Exception:  # no data here, or a stranger's constructor: the case itself will say how
        return training
    return replace(training, kept=kept, network=_network(plan, training.job))


def _is_kept(plan: "Plan", training: Training, folder: Path) -> bool:
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


def _network(plan: "Plan", job: Job) -> Case:
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
