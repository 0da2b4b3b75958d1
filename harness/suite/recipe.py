"""A recipe: how networks are trained and judged, as the models of a YAML file.

Plain data without torch: a suite is checked, and its schema written, without waiting for it.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

# New names at the end: keys of trainings count the first ones (`harness/environment/source.py`).
DataName = Literal[
    "scenes", "cityscapes", "ade20k", "pascal_context", "coco_stuff", "camvid", "lip"
]  # fmt: skip
GENERATED: DataName = "scenes"
"""The data that needs no images; its root is a cache."""

Precision = Literal["auto", "float32", "bfloat16", "float16"]

# Mean and deviation of ImageNet's channels (RGB, 0 to 1), which published backbones expect.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_Positive = Annotated[float, Field(gt=0)]
_Share = Annotated[float, Field(ge=0)]
_Count = Annotated[int, Field(ge=1)]
_Size = tuple[_Count, _Count]
_Channels = tuple[float, float, float]


class Strict(BaseModel):
    """Base of every part of a recipe or suite: unknown keys are mistakes, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def of(cls, plain: object) -> Self:
        """The model of plain data as strict JSON: a list may be a tuple, nothing else converts.

        Raises:
            pydantic.ValidationError: it does not fit.
        """
        return cls.model_validate_json(json.dumps(plain), strict=True)


def one_line(text: str) -> str:
    """Plain text of one line.

    Raises:
        ValueError: it has a line break or control character.
    """
    if not text.isprintable():
        raise ValueError("a line break or control character; write it in one line of plain text")
    return text


Line = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(one_line)]


class DataSpec(BaseModel):
    """What is trained and judged on: a name, and parameters of that data beside it."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: DataName
    root: str | None = Field(
        default=None, description="Folder of the images; $HARNESS_DATA_ROOT if absent."
    )

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything but name and root."""
        return dict(self.model_extra or {})


class EvaluationSpec(Strict):
    """How a trained network is judged; nothing here asks for another training."""

    scales: Annotated[tuple[_Positive, ...], Field(min_length=1)] = Field(
        default=(1.0,), description="Sizes at which an image is seen; probabilities are averaged."
    )
    flip: bool = Field(default=False, description="Also see each image mirrored.")
    multi_scale: bool = Field(
        default=False, description="The recipe's test_scales with flip, in place of scales."
    )
    crop: _Size | None = Field(
        default=None,
        description="Height and width of sliding crops; whole images if absent, or crops of the "
        "training where a module is bound to one size.",
    )
    overlap: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=1 / 3, description="Share of a crop that neighbouring ones have in common."
    )
    segmentation: Literal["final", "coarse"] = Field(
        default="final",
        description="Which one is judged: the network's, or the coarse one of the semantic score "
        "maps that regions are made from (RANet, Table 4).",
    )
    boundary: tuple[_Count, ...] = Field(
        default=(3,), description="Tolerances of the boundary F-score in pixels; none: no score."
    )
    batch: _Count = Field(default=8, description="Images, or crops, at once.")
    seeds: _Count = Field(
        default=1, description="Trainings from the case's seed on; several give an interval."
    )


class NetworkSpec(Strict):
    """What surrounds the context module; see `context_modules.segmentor.Segmentor`."""

    backbone: str = "resnet50"
    backbone_arguments: dict[str, Any] = Field(default_factory=dict)
    backbone_weights: str | None = Field(
        default=None, description="File of pre-trained weights, relative to the recipe."
    )
    frame: Literal["head", "between", "beside"] = "head"
    width: _Count = 512
    auxiliary: bool = True
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    align_corners: bool = False


class OptimizerSpec(Strict):
    """Stochastic gradient descent with momentum, as in the papers, or AdamW."""

    kind: Literal["sgd", "adamw"] = "sgd"
    learning_rate: _Positive
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    second_momentum: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.99, description="Of the squared gradient, for adamw."
    )
    weight_decay: _Share = Field(
        default=1e-4, description="Part of the gradient for sgd; by itself for adamw."
    )
    nesterov: bool = False
    head_factor: _Positive = Field(
        default=1.0, description="Learning rate of all but the backbone, as a multiple."
    )
    decay_norms: bool = Field(
        default=True, description="Weight decay also on biases and normalisation."
    )


class ScheduleSpec(Strict):
    """Learning rate over the steps: poly, (1 - step / steps) ** power."""

    power: _Share = 0.9
    warmup_steps: Annotated[int, Field(ge=0)] = 0


class LossSpec(Strict):
    """What is minimised; a term counts where the network gives what it compares."""

    main: Literal["cross_entropy", "ohem"] = "cross_entropy"
    ohem_threshold: Annotated[float, Field(ge=0, le=1)] = 0.7
    ohem_min_kept: Annotated[int, Field(ge=0)] = 100_000
    auxiliary: _Share = Field(default=0.4, description="Weight of the auxiliary head.")
    affinity: _Share = Field(default=1.0, description="Weight of CPNet's Affinity Loss.")
    affinity_global: _Share = Field(
        default=1.0,
        description="Weight of its global term within it; 0: binary cross entropy alone, the rows "
        "BCE of CPNet's Table 1.",
    )
    affinity_form: Literal["text", "released"] = Field(
        default="text",
        description="Affinity Loss as the paper's equations have it, or as the released code.",
    )
    semantic: _Share = Field(default=1.0, description="Weight of RANet's semantic score maps.")
    boundary: _Share = Field(default=1.0, description="Weight of RANet's boundary score map.")
    boundary_radius: Annotated[int, Field(ge=1)] = Field(
        default=2,
        description="Pixels of the labels to both sides of a boundary that belong to it; 2 as in "
        "CASENet. Where regions are a few pixels wide, 1 leaves them an interior.",
    )


class AugmentationSpec(Strict):
    """How training images vary."""

    flip: bool = Field(default=True, description="Mirror every second image, at random.")
    scales: tuple[_Positive, ...] = Field(default=(), description="Scales to choose from.")
    scale_range: tuple[_Positive, _Positive] | None = Field(
        default=None, description="Scale drawn evenly between two."
    )
    aspect: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0, description="The width is scaled by 1 - aspect to 1 + aspect beyond that."
    )
    brightness: _Share = Field(
        default=0.0, description="Largest change of brightness, in grey levels of 0 to 255."
    )
    crop: _Size | None = Field(
        default=None, description="Height and width; smaller images are padded by void."
    )

    @model_validator(mode="after")
    def _one_scale(self) -> "AugmentationSpec":
        if self.scales and self.scale_range is not None:
            raise ValueError("scales and scale_range exclude each other; remove one")
        if self.scale_range is not None and self.scale_range[0] > self.scale_range[1]:
            raise ValueError("scale_range goes from large to small; write the smaller number first")
        return self


class RecipeSpec(Strict):
    """A recipe file.

    A paper that trains differently on several data sets says so under `per_data`: what stands there
    replaces the same keys when the recipe meets that data.
    """

    recipe: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=100)]
    title: str | None = None
    source: str | None = Field(default=None, description="Paper and section of the numbers.")
    network: NetworkSpec = NetworkSpec()
    data: DataSpec | None = Field(default=None, description="Data if the suite names none.")
    steps: _Count | None = Field(default=None, description="Mini-batches of the training.")
    epochs: _Positive | None = Field(default=None, description="Passes, in place of steps.")
    batch: Annotated[int, Field(ge=1)]
    optimizer: OptimizerSpec
    schedule: ScheduleSpec = ScheduleSpec()
    loss: LossSpec = LossSpec()
    augmentation: AugmentationSpec = AugmentationSpec()
    mean: _Channels = IMAGENET_MEAN
    std: tuple[_Positive, _Positive, _Positive] = IMAGENET_STD
    precision: Precision = Field(
        default="auto", description="auto: mixed precision on a GPU, float32 on the CPU."
    )
    workers: Annotated[int, Field(ge=0, le=256)] | None = Field(
        default=None, description="Processes that read images; none on the CPU if absent."
    )
    test_scales: Annotated[tuple[_Positive, ...], Field(min_length=1)] = Field(
        default=(1.0,), description="Scales of the paper's multi-scale test."
    )
    evaluation: EvaluationSpec = EvaluationSpec()
    per_data: dict[DataName, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _length(self) -> "RecipeSpec":
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("a training has a length; give steps or epochs, one of them")
        return self

    def for_data(self, name: str) -> "RecipeSpec":
        """The recipe on one data set, without `per_data`.

        Raises:
            pydantic.ValidationError: what stands under `per_data` does not fit.
        """
        return self.changed(next((c for key, c in self.per_data.items() if key == name), {}))

    def changed(self, changes: Mapping[str, Any]) -> "RecipeSpec":
        """The recipe with other values of some keys, without `per_data`.

        Args:
            changes: laid out as a recipe; what is a mapping in both is changed key by key.

        Raises:
            pydantic.ValidationError: a change does not fit.
        """
        own = self.model_dump(mode="json", exclude={"per_data"}, exclude_unset=True)
        for kind, other in (("steps", "epochs"), ("epochs", "steps")):
            if kind in changes:
                own.pop(other, None)
        return RecipeSpec.of(_merged(own, changes))

    def steps_on(self, images: int) -> int:
        """Mini-batches of the training on so many images."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None, "checked by the model"
        return max(1, round(self.epochs * images / self.batch))

    def trained(self) -> dict[str, Any]:
        """What decides a training, as plain data: all but names, evaluation and readers."""
        left_out = {"recipe", "title", "source", "data", "workers", "test_scales", "evaluation"}
        return self.model_dump(mode="json", exclude={*left_out, "per_data", "network"})


def _merged(own: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`own` with `changes` in it, mapping by mapping."""
    merged = dict(own)
    for key, value in changes.items():
        before = merged.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = _merged(before, value) if both else value  # type: ignore[arg-type]
    return merged
