"""Accuracy: a network with the case's context module is trained from a recipe and judged."""

import hashlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from context_modules import published
from context_modules.segmentor import Segmentor
from context_modules.weights import load_weights
from harness.case import Float32, Job
from harness.environment.source import code_of, source_digest
from harness.judge.statistics.intervals import mean_interval
from harness.messages import HarnessError
from harness.suite.recipe import GENERATED, EvaluationSpec, RecipeSpec
from harness.training.batches import derived_seed
from harness.training.checkpoint import Checkpoint, checkpoint_folder
from harness.training.data.ceiling import ceiling
from harness.training.data.dataset import SegmentationData, open_data
from harness.training.data.scenes import SceneData
from harness.training.data.sides import sides_of
from harness.training.evaluate import CoarseSegmentation, Scores, evaluate, mean_by_name, views_of
from harness.training.network import (
    bound_size,
    build_network,
    network_arguments,
    network_reach,
    trained_arguments,
)
from harness.training.trainer import Trained, Trainer, deterministic, resolve_precision

ROOT_VARIABLE = "HARNESS_DATA_ROOT"
"""Environment variable: folder of real data sets where the suite names none."""

TRAINING_SCHEMA = 2
"""Of what decides a training; another number asks for all trainings again."""

# What trains, whose code is part of every key; filling a network by its own names always was.
_LOOP = (Trainer, build_network, load_weights)


class AccuracyError(HarnessError):
    """A case whose accuracy cannot be measured as asked."""


@dataclass(frozen=True)
class TrainingPlan:
    """What is trained and how it is judged."""

    data: str  # its name
    recipe: RecipeSpec  # of this data
    evaluation: EvaluationSpec  # of the trained networks
    train: SegmentationData  # training images
    val: SegmentationData  # validation images
    network: Mapping[str, Any]  # arguments of the network, those of evaluation included
    device: torch.device  # where it runs
    float32: Float32 | None = None  # precision of its products on CUDA, where the suite says it

    def description(self, network: Segmentor, seed: int) -> dict[str, Any]:
        """Everything that decides the trained parameters, as plain data: the training's key.

        How it is judged is left out, and so is where files lie: backbone weights count by content.
        On the CPU the number of threads counts, since sums are split among them.
        """
        arguments = trained_arguments(self.network)
        weights = arguments.pop("backbone_weights", None)
        try:
            content = hashlib.sha256(Path(weights).read_bytes()).hexdigest() if weights else None
        except OSError as error:
            raise AccuracyError(f"{weights}: cannot be read: {error.strerror}") from error
        return {
            "schema": TRAINING_SCHEMA,
            "network": arguments,
            "weights": content,
            "data": {"name": self.data, "version": self.train.version},
            "recipe": self.recipe.trained(),
            "precision": resolve_precision(self.recipe.precision, self.device),
            "seed": seed,
            "device": self.device.type,
            "threads": torch.get_num_threads() if self.device.type == "cpu" else None,
            "torch": torch.__version__,
            "source": source_digest(network, _LOOP),
            **({"float32": self.float32} if self.float32 else {}),
            **({"weights_names": _code_of_names()} if weights else {}),
        }


def _code_of_names() -> str:
    """Hash of the code that finds a network's parameters in a file of weights."""
    code, _ = code_of(Path(str(published.__file__)).read_bytes())
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def measure_accuracy(job: Job) -> dict[str, object]:
    """Train, or take over an equal training, and judge on the validation split.

    Cases that differ in evaluation alone (scales, mirroring, crops, tolerances, number of seeds,
    and arguments that a module names in `evaluation_arguments`, such as GGCF's rate of pruning)
    share their trainings.

    Returns:
        `miou`, `pixel_acc`, `boundary_f` (shares, means over the seeds), `miou_low` and `miou_high`
        (95 % interval of the mean under Student's t; `None` with one seed), `class_iou` (class:
        IoU), `class_boundary_f` (tolerance in pixels: class: F), `miou_seeds`, and of the trainings
        `train_steps`, `train_loss`, `train_seconds` (all processes that worked on them) and
        `train_keys`, `train_seeds`; `recipe`, `data` and `data_version` name what was trained and
        judged on. On `scenes` also `context`, what decides there, `reach_pixels`, how far the
        network sees, and `miou_ceiling`, the most that any network can reach that sees no farther.
        With `judge: false` beside the recipe only what is said of the trainings. `warnings`: kept
        trainings that did not count.

    Raises:
        HarnessError: no recipe, data that is not there, a network that does not fit, a training
            that diverges.
    """
    plan = training_plan(job)
    asked = job.accuracy or {}
    seeds = range(job.seed, job.seed + plan.evaluation.seeds)
    warnings: list[str] = []
    trainings, scores = [], []
    for seed, (network, trained, checkpoint) in zip(seeds, _trained(job, plan, seeds), strict=True):
        trainings.append((trained, checkpoint.key))
        warnings += checkpoint.warnings
        if asked.get("judge", True):
            scores.append(_scores_of(plan, network, seed))
    of_trainings: dict[str, object] = {
        "train_steps": trainings[0][0].steps,
        "train_loss": _mean_of_known([trained.loss for trained, _ in trainings]),
        "train_seconds": sum(trained.seconds for trained, _ in trainings),
        "train_keys": [key for _, key in trainings],
        "train_seeds": list(seeds),
        **({"warnings": warnings} if warnings else {}),
    }
    if not scores:
        return of_trainings
    name, changes = str(asked["recipe"]["recipe"]), asked.get("recipe_changes")
    return {
        **_over_seeds(scores),
        **of_trainings,
        "recipe": f"{name} with {_in_words(changes)}" if changes else name,
        "data": plan.data,
        "data_version": plan.val.version,
        **_ceiling(plan, job.seed),
    }


def training_plan(job: Job) -> TrainingPlan:
    """What a job asks for.

    Raises:
        AccuracyError: it has no recipe, or a data type that is not trained in.
    """
    asked = job.accuracy
    if not asked:
        raise AccuracyError("accuracy needs a recipe; add recipe: name to the suite")
    if job.case.dtype != "float32":
        raise AccuracyError(
            f"accuracy trains float32 parameters, not {job.case.dtype}; remove dtype, and choose "
            "the precision in the recipe"
        )
    recipe = RecipeSpec.of(asked["recipe"])
    evaluation = EvaluationSpec.of(asked["evaluation"])
    name, parameters = asked["data"]["name"], asked["data"]["parameters"]
    given = asked["data"]["root"] or (os.environ.get(ROOT_VARIABLE) if name != GENERATED else None)
    root = Path(given).expanduser() if given else None
    train, val = (
        open_data(name, split, root=root, parameters=parameters) for split in ("train", "val")
    )
    if recipe.augmentation.flip and sides_of(train):
        raise AccuracyError(
            f"{name} names left and right, which a mirrored image exchanges; its training split "
            "has each image mirrored already: write augmentation: {flip: false} into the recipe"
        )
    height, width = recipe.augmentation.crop or train[0].image.shape[-2:]
    network = network_arguments(
        job.case.module, job.case.arguments, recipe, len(train.classes), (height, width)
    )
    device = torch.device(job.case.device)
    return TrainingPlan(name, recipe, evaluation, train, val, network, device, job.case.float32)


def _trained(
    job: Job, plan: TrainingPlan, seeds: range
) -> Iterator[tuple[Segmentor, Trained, Checkpoint]]:
    """One training after the other, done or taken over."""
    described: dict[str, Any] = {}
    for seed in seeds:
        network = build_network(trained_arguments(plan.network), seed)
        described = described or plan.description(network, seed)  # the code is read once
        checkpoint = Checkpoint(
            checkpoint_folder(), {**described, "seed": seed}, job.search_path, job.depends_on
        )
        trainer = Trainer(network, plan.train, plan.recipe, seed, plan.device, checkpoint)
        yield network, trainer.run(), checkpoint


def _over_seeds(scores: Sequence[Scores]) -> dict[str, object]:
    """Means of several trainings; a share and its interval lie within 0 and 1."""
    interval = mean_interval([score.miou for score in scores])
    low, high = interval.low, interval.high
    return {
        "miou": interval.mean,
        "miou_low": None if low is None else max(0.0, low),
        "miou_high": None if high is None else min(1.0, high),
        "miou_confidence": interval.confidence,
        "miou_seeds": [score.miou for score in scores],
        "pixel_acc": _mean_of_known([score.pixel_acc for score in scores]),
        "class_iou": mean_by_name([score.class_iou for score in scores]),
        "boundary_f": _mean_of_known([score.boundary_f for score in scores]),
        "class_boundary_f": {
            str(tolerance): mean_by_name([score.class_boundary_f[tolerance] for score in scores])
            for tolerance in scores[0].class_boundary_f
        },
    }


def _in_words(changes: Mapping[str, Any], prefix: str = "") -> str:
    """`loss.affinity_global 0, steps 300`."""
    return ", ".join(
        _in_words(value, f"{prefix}{key}.")
        if isinstance(value, Mapping)
        else f"{prefix}{key} {value}"
        for key, value in changes.items()
    )


def _ceiling(plan: TrainingPlan, seed: int) -> dict[str, object]:
    """How far the network sees, and what nothing that sees no farther can exceed on `scenes`."""
    if not isinstance(plan.val, SceneData):
        return {"context": None, "reach_pixels": None, "miou_ceiling": None}
    size = plan.network["input_size"]
    network = build_network({**plan.network, "backbone_weights": None}, seed)
    radius = network_reach(network, (size[0], size[1]))
    return {
        "context": ", ".join(plan.val.parameters.context),
        "reach_pixels": radius,
        "miou_ceiling": ceiling(plan.val, radius).miou,
    }


def _scores_of(plan: TrainingPlan, network: Segmentor, seed: int) -> Scores:
    if trained_arguments(plan.network) != dict(plan.network):
        judged = build_network({**plan.network, "backbone_weights": None}, seed)
        judged.load_state_dict(network.state_dict())
        network = judged.to(plan.device)
    forked = [plan.device] if plan.device.type == "cuda" else []
    with torch.random.fork_rng(devices=forked), deterministic(plan.device):
        # What draws in evaluation (random pruning) draws the same each time.
        torch.manual_seed(derived_seed(seed, "evaluation"))
        coarse = plan.evaluation.segmentation == "coarse"
        scores = evaluate(
            CoarseSegmentation(network) if coarse else network,
            plan.val,
            plan.recipe,
            views_of(plan.evaluation, plan.recipe, bound_size(plan.network)),
            plan.device,
        )
    if math.isnan(scores.miou):
        raise AccuracyError("the validation split has no labelled pixel; check the data")
    return scores


def _mean_of_known(values: list[float] | list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
