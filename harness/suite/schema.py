"""What a suite file may contain, as models, and from the same the JSON Schema for editors.

`python -m harness.suite.schema > suites/schema.json` renews the committed copy of it.
Values are read as JSON in strict mode: a list may become a tuple and a whole number a float, but
no string becomes a number and no boolean an integer.
"""

import json
import math
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)

from harness.case import DEFAULT_TIMING, Autocast, Cache, Criterion, DType, Pass, Timing
from harness.environment.files import LONGEST_NAME
from harness.measure import METRICS, STATIC, inputs
from harness.measure.convention import CONVENTIONS, ConventionSpec
from harness.measure.own import OWN_METRIC, is_own
from harness.messages import quote
from harness.suite.presentation import PlotSpec, ReferenceSpec, TableSpec
from harness.suite.recipe import DataSpec, EvaluationSpec, Line, Strict, one_line

MOST_SAMPLES = 1_000_000
LONGEST_SAMPLING = 24 * 3600.0
"""Seconds."""

# Keys that say nothing under a criterion.
_IDLE: dict[str, tuple[str, ...]] = {
    "fixed": ("min_time", "relative_stdev"),
    "budget": ("samples", "min_time", "relative_stdev"),
}

Sampling = Annotated[float, Field(gt=0, le=LONGEST_SAMPLING)]


class LatencySpec(Strict):
    """How latency is sampled; what is absent is the suite's, then the default."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    criterion: Criterion | None = Field(
        default=None,
        description="When the samples suffice: settled_noise (little spread, or one that has "
        "settled; if absent), relative_stdev, fixed (so many samples), budget (so many seconds).",
    )
    samples: Annotated[int, Field(ge=1, le=MOST_SAMPLES)] | None = Field(
        default=None, description="How many; the least number where the spread decides. 10."
    )
    min_time: Sampling | None = Field(
        default=None, description="Least seconds of samples where the spread decides. 0.5."
    )
    max_time: Sampling | None = Field(
        default=None, description="Seconds after which sampling ends. 5 on the CPU, 15 on CUDA."
    )
    relative_stdev: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="Standard deviation over mean that suffices. 0.005."
    )
    cache: Cache | None = Field(
        default=None, description="hot (back to back; if absent) or cold (flushed before each)."
    )
    cuda_graph: bool | None = Field(
        default=None, description="Capture a pass on CUDA once and replay it."
    )
    turns: bool | None = Field(
        default=None,
        description="The processes of a case (repeats) live together and sample in turns: what the "
        "machine does meanwhile meets all alike.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "LatencySpec":
        for name in _IDLE.get(self.criterion or "", ()):
            if getattr(self, name) is not None:
                raise ValueError(
                    f"{name} says nothing with criterion {self.criterion}; remove one of the two"
                )
        if (self.min_time or 0.0) > (self.max_time or LONGEST_SAMPLING):
            raise ValueError("min_time is longer than max_time; raise max_time")
        return self


def timing(case: LatencySpec | None, suite: LatencySpec | None) -> Timing:
    """The case's words, key by key, then the suite's, then the defaults."""
    return replace(DEFAULT_TIMING, **{**_said(suite), **_said(case)})


def _said(spec: LatencySpec | None) -> dict[str, Any]:
    return {} if spec is None else spec.model_dump(exclude_none=True)


def require_no_index(device: Any) -> Any:
    """A name of a device, unless it names one GPU of several: which is free the engine finds out.

    Raises:
        ValueError: `cuda:1`; says how one is chosen.
    """
    name, colon, index = device.partition(":") if isinstance(device, str) else ("", "", "")
    if name == "cuda" and colon:
        raise ValueError(
            f"{quote(device)} names one GPU; write cuda, for which each case takes a free one; "
            f"CUDA_VISIBLE_DEVICES={index or 0} before the command leaves that one alone to take"
        )
    return device


DeviceChoice = Annotated[Literal["auto", "cpu", "cuda"], BeforeValidator(require_no_index)]


CASE_AXES = ("module", "input", "dtype", "pass")
"""Keys of a case that a grid may vary; every other axis is an argument of the constructor."""

MOST_ELEMENTS = 1 << 40
"""Of one input: 4 TiB in float32, more than any machine that could run the case."""

MOST_CASES = 20_000
"""Of one include tree, grids written out."""

MOST_REPEATS = 100
"""Of one case."""

MOST_EXCLUDES = 1000
"""Of one grid."""

LONGEST_TIMEOUT = 7 * 24 * 3600.0
"""Seconds."""


def _bounded(shape: tuple[int, ...]) -> tuple[int, ...]:
    if math.prod(shape) > MOST_ELEMENTS:
        raise ValueError("an input of more than 2**40 elements; check the shape, batch first")
    return shape


def _not_reserved(name: str) -> str:
    if name == "latest":
        raise ValueError("latest stands for the run that was started last; choose another name")
    return name


Size = Annotated[int, Field(ge=1)]
Shape = Annotated[tuple[Size, ...], Field(min_length=2, max_length=5), AfterValidator(_bounded)]


def _form_of_input(value: Any) -> str:
    if not isinstance(value, (list, tuple)):
        return "structure" if isinstance(value, dict) else "one"
    if not value or not isinstance(value[0], (list, tuple, dict)):
        return "one"
    inner = [part for each in value if isinstance(each, (list, tuple)) for part in each]
    plain = all(isinstance(each, (list, tuple)) for each in value)
    return "structure" if not plain or any(map(_holds_more, inner)) else "several"


def _holds_more(value: Any) -> bool:
    return isinstance(value, (list, tuple, dict))


def _meaningful(structure: Any) -> Any:
    for shape in inputs.as_call(structure)[0]:
        _bounded(shape)
    return structure


# What `_form_of_input` calls a structure, of lists: not only shapes are in it.
_PARTS = {"type": ["array", "object"]}
_OTHER_LISTS = {
    "type": "array",
    "prefixItems": [_PARTS],
    "anyOf": [
        {"contains": {"not": {"type": "array"}}},
        {"contains": {"type": "array", "contains": _PARTS}},
    ],
}
Structure = Annotated[
    Any,
    AfterValidator(_meaningful),
    WithJsonSchema({"anyOf": [{"type": "object", "minProperties": 1}, _OTHER_LISTS]}),
    Tag("structure"),
]
Input = Annotated[
    Annotated[Shape, Tag("one")]
    | Annotated[Annotated[tuple[Shape, ...], Field(min_length=1)], Tag("several")]
    | Structure,
    Discriminator(_form_of_input),
]


if TYPE_CHECKING:
    KnownMetric: TypeAlias = str
    KnownConvention: TypeAlias = str
else:
    KnownConvention = Literal[*CONVENTIONS]
    KnownMetric = Literal["static", *sorted(METRICS, key=lambda name: name not in STATIC)]


def _own_convention(spec: ConventionSpec) -> ConventionSpec:
    if spec.name in CONVENTIONS:
        raise ValueError(f"{spec.name} is the name of another convention; choose one of your own")
    return spec


Convention = Annotated[
    Annotated[KnownConvention, Tag("known")]
    | Annotated[ConventionSpec, AfterValidator(_own_convention), Tag("own")],
    Discriminator(lambda value: "own" if isinstance(value, (dict, ConventionSpec)) else "known"),
]


def _own_name(name: str) -> str:
    if ":" in name and not re.fullmatch(OWN_METRIC, name):
        raise ValueError(f"{quote(name)} names no function; write package.file:function")
    return name


OwnMetric = Annotated[
    str,
    AfterValidator(_own_name),
    WithJsonSchema({"type": "string", "pattern": OWN_METRIC}),
    Tag("own"),
]


MetricChoice = Annotated[
    Annotated[KnownMetric, Tag("known")] | OwnMetric,
    Discriminator(lambda value: "own" if is_own(value) else "known"),
]
Measure = Annotated[
    Annotated[MetricChoice, Tag("name")]
    | Annotated[Annotated[tuple[MetricChoice, ...], Field(min_length=1)], Tag("list")],
    Discriminator(lambda value: "list" if isinstance(value, (list, tuple)) else "name"),
]

ModuleName = Annotated[
    str, StringConstraints(min_length=1, max_length=300), AfterValidator(one_line)
]
OperatorName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*::[A-Za-z_]\w*$")]
FunctionName = Annotated[str, StringConstraints(pattern=OWN_METRIC)]
Preparation = Annotated[
    Annotated[ModuleName, Tag("name")]
    | Annotated[Annotated[tuple[ModuleName, ...], Field(min_length=1)], Tag("list")],
    Discriminator(lambda value: "list" if isinstance(value, (list, tuple)) else "name"),
]
Axes = dict[str, Annotated[list[Any], Field(min_length=1)]]
Seconds = Annotated[float, Field(gt=0, le=LONGEST_TIMEOUT)]
Threads = Annotated[int, Field(ge=1, le=4096)]
Repeats = Annotated[int, Field(ge=1, le=MOST_REPEATS)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Conditions(Strict):
    """What a case can say, and a suite for all its cases; a case's own word comes first."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=False)

    label: Line | None = Field(
        default=None, description="Name of the row; with a grid a template such as k={kernel_size}."
    )
    module: ModuleName | None = Field(
        default=None,
        description="A name of the catalog, package.file:Class, or package.file:function that "
        "returns a module.",
    )
    with_: dict[str, Any] = Field(
        default_factory=dict, alias="with", description="Keyword arguments of the constructor."
    )
    input: Input | None = Field(
        default=None,
        description="Shape, batch first, or one shape per argument of forward; or {args: [...], "
        "kwargs: {...}} of shapes, {shape, dtype, low, high}, {value: ...}, lists and mappings.",
    )
    measure: Measure | None = Field(
        default=None,
        description="Metrics, or package.file:function of your own; static (params, flops, memory, "
        "memory_kept, witness) if absent.",
    )
    device: DeviceChoice | None = Field(default=None, description="auto if absent.")
    dtype: DType | None = Field(default=None, description="float32 if absent.")
    pass_: Pass | None = Field(default=None, alias="pass", description="inference if absent.")
    autocast: Autocast | None = Field(
        default=None,
        description="bfloat16 or float16: passes run under torch.autocast; parameters and inputs "
        "keep dtype.",
    )
    float32: Literal["ieee", "tf32", "default"] | None = Field(
        default=None,
        description="Precision of float32 products on CUDA: ieee, tf32 (TensorFloat-32), or "
        "default (PyTorch's own: tf32 in convolutions, ieee in matrix products; if absent).",
    )
    timeout: Seconds | None = Field(default=None, description="Seconds per case; 600 if absent.")
    threads: Threads | None = Field(default=None, description="CPU threads; PyTorch's if absent.")
    seed: Seed | None = Field(default=None, description="Of parameters and inputs; 0 if absent.")
    latency: LatencySpec | None = Field(
        default=None, description="How latency is sampled; until its noise settles if absent."
    )
    channels_last: bool | None = Field(
        default=None, description="Parameters and inputs in NHWC order; false if absent."
    )
    compile: bool | None = Field(
        default=None,
        description="torch.compile before the real passes, its time apart; false if absent.",
    )
    prepare: Preparation | None = Field(
        default=None,
        description="What makes the module ready before it is measured: a method of it or of its "
        "parts (fuse_conv_bn, switch_to_deploy), or package.file:function of the module.",
    )
    repeats: Repeats | None = Field(
        default=None,
        description="Fresh processes per case; 1 if absent. The row is the median of theirs.",
    )
    recipe: Line | None = Field(
        default=None,
        description="How accuracy trains: a YAML file, or the name of one in recipes/.",
    )
    recipe_changes: dict[str, Any] | None = Field(
        default=None,
        description="Keys of the recipe that have other values here, laid out as in a recipe: "
        "{loss: {affinity_global: 0}}.",
    )
    data: DataSpec | None = Field(
        default=None, description="What accuracy trains and judges on; the recipe's if absent."
    )
    evaluation: EvaluationSpec | None = Field(
        default=None,
        description="How accuracy is judged; what is absent is the suite's, then the recipe's.",
    )
    counting: dict[OperatorName, FunctionName] = Field(
        default_factory=dict,
        description="Rules for operators of your own: name with its namespace: package.file:rule, "
        "a function of the arguments, the keyword arguments and the output of a call.",
    )
    grid: Axes = Field(
        default_factory=dict,
        description="Axis: values. Axes are arguments of the constructor, or module, input, dtype, "
        "pass; every combination is a case.",
    )
    zip_: Axes = Field(
        default_factory=dict, alias="zip", description="Axes of equal length that advance together."
    )
    exclude: list[Annotated[dict[str, Any], Field(min_length=1)]] = Field(
        default_factory=list,
        max_length=MOST_EXCLUDES,
        description="Combinations to leave out; each leaves out all that agree with it.",
    )
    depends_on: list[Line] = Field(
        default_factory=list,
        description="Files and folders, from the suite's folder, that decide what is measured and "
        "that no import leads to; beside those of the suite.",
    )
    note: str | None = Field(default=None, description="Shown as a footnote.")


class CaseSpec(Conditions):
    """One entry of `cases`: a case, or a grid of them."""


class SuiteSpec(Conditions):
    """A suite file."""

    suite: Annotated[
        str,
        StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=LONGEST_NAME),
        AfterValidator(_not_reserved),
    ] = Field(description="Name of the suite: lower case letters, digits and hyphens.")
    title: Line | None = None
    convention: Convention | None = Field(
        default=None,
        description="How counters become one printed figure: a name (flops, 2 x MAC, if absent), "
        "or weights and a unit of your own.",
    )
    cases: Annotated[list[CaseSpec], Field(min_length=1)] | None = None
    include: list[Line] = Field(
        default_factory=list, description="Suite files, relative to this one, that run with it."
    )
    reference: ReferenceSpec | None = None
    tables: tuple[TableSpec, ...] = ()
    plots: tuple[PlotSpec, ...] = ()


CASE_AXIS_TYPES: dict[str, TypeAdapter[Any]] = {
    "module": TypeAdapter(list[ModuleName]),
    "input": TypeAdapter(list[Input]),
    "dtype": TypeAdapter(list[DType]),
    "pass": TypeAdapter(list[Pass]),
}
assert set(CASE_AXIS_TYPES) == set(CASE_AXES)

DRAFT = "https://json-schema.org/draft/2020-12/schema"

USER_CLASS = r"^[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*$"
"""`package.file:Class`."""


def json_schema() -> dict[str, Any]:
    """The schema. Modules are the catalog's, or user classes by their pattern.

    Names that other packages add by entry points differ from machine to machine and are left out:
    an editor marks them, the loader takes them.
    """
    from context_modules.catalog import BY_NAME

    module = {"anyOf": [{"enum": sorted(BY_NAME)}, {"type": "string", "pattern": USER_CLASS}]}
    axes = {n: {**_tidy(a.json_schema()), "minItems": 1} for n, a in CASE_AXIS_TYPES.items()}
    axes["module"]["items"] = module
    made = _tidy(SuiteSpec.model_json_schema(by_alias=True))
    made["description"] = "What to measure: modules, their arguments and inputs."
    for properties in (made["properties"], made["$defs"]["CaseSpec"]["properties"]):
        properties["module"] = {**module, "description": properties["module"]["description"]}
        for kind in ("grid", "zip"):
            properties[kind]["properties"] = axes
    return {"$schema": DRAFT, "title": "Suite", **made}


def schema_text() -> str:
    """The schema as the repository keeps it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _tidy(value: Any) -> Any:
    """Without what only repeats the keys, or is the default that some versions write out."""
    if isinstance(value, list):
        return [_tidy(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _tidy(below)
        for key, below in value.items()
        if not (key == "title" and isinstance(below, str))
        and not (key == "default" and below is None)
        and not (key == "additionalProperties" and below is True)
    }


if __name__ == "__main__":
    sys.stdout.write(schema_text())
