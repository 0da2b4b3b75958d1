"""Accuracy: a network with the case's context module is trained from a recipe and judged."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import harness.training.batches
import harness.training.trainer
from context_modules.segmentor import Segmentor
from harness.case import Job
from harness.judge.statistics.intervals import MeanInterval, mean_interval
from harness.messages import HarnessError
from harness.suite.recipe import GENERATED, EvaluationSpec, RecipeSpec
from harness.training.batches import derived_seed
from harness.training.checkpoint import Checkpoint, State, default_folder, load_into
from harness.training.data.ceiling import ceiling
from harness.training.data.dataset import SegmentationData, open_data
from harness.training.data.scenes import SceneData
from harness.training.evaluate import CoarseSegmentation, Scores, evaluate, mean_by_name, views_of
from harness.training.network import (
    bound_size,
    build_network,
    network_arguments,
    reach,
    trained_arguments,
)
from harness.training.source import source_digest
from harness.training.trainer import Trained, Trainer, deterministic, resolve_precision

ROOT_VARIABLE = "HARNESS_DATA_ROOT"
"""Environment variable: folder of real data sets where the suite names none."""

_SCHEMA = 1  # of what decides a training; another number asks for all trainings again
_LOOP = (
    harness.training.batches,
    harness.training.batches,
    harness.training.trainer,
    harness.training.trainer,
    harness.training.trainer,
    harness.training.trainer,
)


class AccuracyError(HarnessError):
    """A case whose accuracy cannot be measured as asked."""


@dataclass(frozen=True)
class TrainingPlan:
    """What is trained and how it is judged."""

    recipe: RecipeSpec  # of this data
    evaluation: EvaluationSpec  # of the trained networks
    train: SegmentationData  # training images
    val: SegmentationData  # validation images
    network: Mapping[str, Any]  # arguments of the network, those of evaluation included
    device: torch.device  # where it runs

    def description(self, network: Segmentor, seed: int, data: str) -> dict[str, Any]:
        """Everything that decides the trained parameters, as plain data: the training's key.

        How it is judged is left out, and so is where files lie: backbone weights count by content.
        On the CPU the number of threads counts, since sums are split among them.
        """
        arguments = trained_arguments(self.network)
        weights = arguments.pop("backbone_weights", None)
        return {
            "schema": _SCHEMA,
            "network": arguments,
            "weights": None if weights is None else _file_hash(Path(weights)),
            "data": {"name": data, "version": self.train.version},
            "recipe": self.recipe.trained(),
            "precision": resolve_precision(self.recipe.precision, self.device),
            "seed": seed,
            "device": self.device.type,
            "threads": torch.get_num_threads() if self.device.type == "cpu" else None,
            "torch": torch.__version__,
            "source": source_digest(network, _LOOP),
        }


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
        network sees, and `miou_ceiling`,
        the most that any network can reach that sees no farther. With `judge: false` beside the
        recipe (the pass of trainings ahead of a run) only what is said of the trainings.

    Raises:
        HarnessError: no recipe, data that is not there, a network that does not fit, a training
            that diverges.
    """
    plan = make_plan(job)
    data = str(job.accuracy["data"]["name"]) if job.accuracy else ""
    seeds = range(job.seed, job.seed + plan.evaluation.seeds)
    if job.accuracy and not job.accuracy.get("judge", True):
        return _of_trainings([_train(plan, seed, data)[1:] for seed in seeds], seeds)
    runs = [_train_and_judge(plan, seed, data) for seed in seeds]
    scores = [score for score, _, _ in runs]
    interval = _clamped(mean_interval([_finite(score) for score in scores]))
    return {
        "miou": interval.mean,
        "miou_low": interval.low,
        "miou_high": interval.high,
        "miou_confidence": interval.confidence,
        "miou_seeds": [score.miou for score in scores],
        "pixel_acc": _mean([score.pixel_acc for score in scores]),
        "class_iou": mean_by_name([score.class_iou for score in scores]),
        "boundary_f": _mean([score.boundary_f for score in scores]),
        "class_boundary_f": {
            str(tolerance): mean_by_name([score.class_boundary_f[tolerance] for score in scores])
            for tolerance in scores[0].class_boundary_f
        },
        **_of_trainings([(trained, key) for _, trained, key in runs], seeds),
        "recipe": _recipe_name(job),
        "data": data,
        "data_version": plan.val.version,
        **_ceiling(plan, job.seed),
    }


def make_plan(job: Job) -> TrainingPlan:
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
    recipe = RecipeSpec.model_validate_json(json.dumps(asked["recipe"]), strict=True)
    given = asked["data"]
    root = given["root"] or (os.environ.get(ROOT_VARIABLE) if given["name"] != GENERATED else None)
    train, val = (
        open_data(
            given["name"],
            split,
            root=Path(root).expanduser() if root else None,
            parameters=given["parameters"],
        )
        for split in ("train", "val")
    )
    height, width = recipe.augmentation.crop or train[0].image.shape[-2:]
    return TrainingPlan(
        recipe=recipe,
        evaluation=EvaluationSpec.model_validate_json(json.dumps(asked["evaluation"]), strict=True),
        train=train,
        val=val,
        network=network_arguments(
            job.case.module, job.case.arguments, recipe, len(train.classes), (height, width)
        ),
        device=torch.device(job.case.device),
    )


def _recipe_name(job: Job) -> str:
    """The recipe, with what the suite changes in it."""
    asked = job.accuracy or {}
    changes = asked.get("recipe_changes")
    name = str(asked["recipe"]["recipe"])
    return f"{name} with {_flat(changes)}" if changes else name


def _flat(changes: Mapping[str, Any], prefix: str = "") -> str:
    """`loss.affinity_global 0, steps 300`."""
    return ", ".join(
        _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else f"{prefix}{key} {value}"
        for key, value in changes.items()
    )


def _ceiling(plan: TrainingPlan, seed: int) -> dict[str, object]:
    """How far the network sees, and what nothing that sees no farther can exceed on `scenes`."""
    if not isinstance(plan.val, SceneData):
        return {"context": None, "reach_pixels": None, "miou_ceiling": None}
    size = plan.network["input_size"]
    network = build_network({**plan.network, "backbone_weights": None}, seed)
    radius = reach(network, (size[0], size[1]))
    return {
        "context": ", ".join(plan.val.parameters.context),
        "reach_pixels": radius,
        "miou_ceiling": ceiling(plan.val, radius).miou,
    }


def _of_trainings(
    trainings: Sequence[tuple[Trained, str]], seeds: Iterable[int]
) -> dict[str, object]:
    return {
        "train_steps": trainings[0][0].steps,
        "train_loss": _mean([trained.loss for trained, _ in trainings]),
        "train_seconds": sum(trained.seconds for trained, _ in trainings),
        "train_keys": [key for _, key in trainings],
        "train_seeds": list(seeds),
    }


def _train(plan: TrainingPlan, seed: int, data: str) -> tuple[Segmentor, Trained, str]:
    network = build_network(trained_arguments(plan.network), seed)
    checkpoint = Checkpoint(default_folder(), plan.description(network, seed, data))
    trainer = Trainer(network, plan.train, plan.recipe, seed, plan.device, checkpoint)
    return network, trainer.run(), checkpoint.key


def _train_and_judge(plan: TrainingPlan, seed: int, data: str) -> tuple[Scores, Trained, str]:
    network, trained, key = _train(plan, seed, data)
    if trained_arguments(plan.network) != dict(plan.network):
        judged = build_network({**plan.network, "backbone_weights": None}, seed)
        load_into(judged, State(trained.steps, network.state_dict()))
        network = judged.to(plan.device)
    views = views_of(plan.evaluation, plan.recipe, bound_size(plan.network))
    forked = [plan.device] if plan.device.type == "cuda" else []
    with torch.random.fork_rng(devices=forked), deterministic(plan.device):
        # What draws in evaluation (random pruning) draws the same each time.
        torch.manual_seed(derived_seed(seed, "evaluation"))
        coarse = plan.evaluation.segmentation == "coarse"
        scores = evaluate(
            CoarseSegmentation(network) if coarse else network,
            plan.val,
            plan.recipe,
            views,
            boundary=plan.evaluation.boundary,
            device=plan.device,
        )
    return scores, trained, key


def _file_hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise AccuracyError(f"{path}: cannot be read: {error.strerror}") from error


def _finite(score: Scores) -> float:
    if score.miou != score.miou:
        raise AccuracyError("the validation split has no labelled pixel; check the data")
    return score.miou


def _clamped(interval: MeanInterval) -> MeanInterval:
    """Within 0 and 1, where a share lies."""
    if interval.low is None or interval.high is None:
        return interval
    return MeanInterval(
        interval.mean, max(0.0, interval.low), min(1.0, interval.high), interval.confidence
    )


def _mean(values: list[float] | list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
