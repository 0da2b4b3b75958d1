"""Kept networks: what a finished run has trained, taken from the store to be looked at."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from context_modules.segmentor import Segmentor
from harness.case import Job
from harness.environment.searching import searching
from harness.messages import HarnessError
from harness.training.accuracy import TrainingPlan, training_plan
from harness.training.ahead import WHOLE
from harness.training.batches import derived_seed, normalise
from harness.training.checkpoint import Checkpoint
from harness.training.data.dataset import Sample
from harness.training.evaluate import CoarseSegmentation, predict_probabilities, views_of
from harness.training.network import bound_size, build_network
from harness.training.trainer import deterministic

_KEY = re.compile(r"[0-9a-f]{24}")
_CPU = torch.device("cpu")


class NotKeptError(HarnessError):
    """A training that is not in the store, or not as it was."""


@dataclass(frozen=True)
class KeptNetwork:
    """A trained network, in evaluation mode on the CPU, whatever it was trained on."""

    network: Segmentor  # what acts in evaluation alone (GGCF's pruning) included
    plan: TrainingPlan  # what was trained, and how it was judged
    seed: int  # of the training
    remarks: tuple[str, ...] = ()  # what is another now than when it was trained

    @property
    def images(self) -> int:
        """How many the validation split has."""
        return len(self.plan.val)

    def sample(self, index: int) -> Sample:
        """An image of the validation split with its labels.

        Raises:
            NotKeptError: there is no image of that number.
        """
        if not 0 <= index < self.images:
            raise NotKeptError(
                f"image {index}: the validation split has {self.images}; choose one from 0 to "
                f"{self.images - 1}"
            )
        return self.plan.val[index]

    def centre(self, index: int) -> Sample:
        """The middle of an image and its labels, at most as large as the images of the training.

        A network may be bound to that size; maps over pairs of positions grow with its square.
        """
        sample = self.sample(index)
        height, width = sample.labels.shape
        high, wide = self.plan.network["input_size"]
        top, left = max(0, height - high) // 2, max(0, width - wide) // 2
        window = (..., slice(top, top + high), slice(left, left + wide))
        return Sample(sample.image[window], sample.labels[window])

    def normalised(self, image: Tensor) -> Tensor:
        """An image as the network takes it: (3, H, W) in [0, 1] -> (1, 3, H, W)."""
        return normalise(image[None], self.plan.recipe.mean, self.plan.recipe.std)

    def prediction(self, index: int) -> Tensor:
        """The class of each pixel of a validation image as the evaluation sees it: (H, W)."""
        plan = self.plan
        coarse = plan.evaluation.segmentation == "coarse"
        judged = CoarseSegmentation(self.network).eval() if coarse else self.network
        views = views_of(plan.evaluation, plan.recipe, bound_size(plan.network))
        with torch.random.fork_rng(devices=[]), deterministic(_CPU):
            torch.manual_seed(derived_seed(self.seed, "evaluation"))
            images = self.normalised(self.sample(index).image)
            return predict_probabilities(judged, images, views).argmax(1)[0]


def kept_network(job: Job, key: str, seed: int, stores: Sequence[Path]) -> KeptNetwork:
    """The network that a case has trained.

    Its key is that of the record: a training is found though another number of threads, another
    device or newer code would give another one now. Newer code is said in `remarks`.

    Args:
        job: the case.
        key: of the training, as its record has it.
        seed: of the training.
        stores: folders in which trainings are kept; the first that has it counts.

    Raises:
        NotKeptError: no store has it, or it is damaged or of other files of the user.
        HarnessError: its data are not on this machine, or the network cannot be built.
    """
    store = next((each for each in stores if is_kept(key, [each])), None)
    if store is None:
        places = ", ".join(dict.fromkeys(map(str, stores)))
        raise NotKeptError(f"its trained network is not in {places} any more")
    with searching(job.search_path):
        asked = training_plan(job)
        arguments = {**asked.network, "backbone_weights": None}
        plan = replace(asked, network=arguments, device=_CPU)
        network = build_network(arguments, seed)
        told = _told(store / key)
        checkpoint = Checkpoint(store, told, job.search_path)
        state = checkpoint.finished(network, plan.recipe.steps_on(len(plan.train)))
        if checkpoint.key != key or state is None:
            _, _, reason = "".join(checkpoint.warnings).partition(f" of {checkpoint.key} ")
            raise NotKeptError(f"its kept training {key} {reason or 'tells of another training'}")
        network.load_state_dict(dict(state.model))
        return KeptNetwork(network.eval(), plan, seed, _remarks(plan, network, told))


def is_kept(key: str, stores: Sequence[Path]) -> bool:
    """Whether a store has a finished training of that key; it is not read."""
    if not _KEY.fullmatch(key):
        return False
    return any((each / key / WHOLE).is_file() for each in stores)


def _told(folder: Path) -> dict[str, Any]:
    """What was trained, as its folder says it; nothing where it cannot be read."""
    try:
        told = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in told.items() if name != "files"}


def _remarks(plan: TrainingPlan, network: Segmentor, told: dict[str, Any]) -> tuple[str, ...]:
    now = plan.description(network, 0)
    changed = {"source": "code of the network or its training", "data": "data set"}
    return tuple(
        f"the {words} is another now than when it was trained"
        for name, words in changed.items()
        if now[name] != told.get(name)
    )
