"""What a suite asks to see: references, tables and plots. Data only; `harness.present` reads it."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, model_validator


class Strict(BaseModel):
    """Base of every part of a suite: unknown keys are mistakes, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FigureSpec(Strict):
    """How our counterpart of one printed figure (`gflops`, `memory_mb`, ...) is made and judged."""

    value: str = Field(description="Stored or derived quantity, e.g. operations, params.")
    instead: dict[str, str] = Field(
        default_factory=dict, description="Label: quantity of that row, where it is another one."
    )
    unit: str | None = Field(
        default=None,
        description="Unit of the printed figure (G, Gi, M, MB, MiB, ms, 1); usual one if absent.",
    )
    tolerance: float | None = Field(
        default=None, ge=0, lt=1, description="Relative tolerance; the reference's own if absent."
    )
    judged: bool = Field(default=True, description="False: shown as reported, never judged.")
    relative_to: str | None = Field(
        default=None, description="Label of the row that ours is divided by (printed ratios)."
    )
    minus: tuple[str, ...] = Field(
        default=(), description="Labels of rows that are subtracted from ours (printed overheads)."
    )
    not_reproducible: dict[str, str] = Field(
        default_factory=dict, description="Label: why this printed figure cannot be reproduced."
    )


class ReferenceSpec(Strict):
    """The printed table that a suite's rows stand beside."""

    paper: str = Field(description="File of results/paper without its ending.")
    table: str = Field(description="Key under `tables` in that file.")
    tolerance: float = Field(
        default=0.001,
        ge=0,
        lt=1,
        description="Relative difference up to which a figure counts as reproduced; half a unit of "
        "the last printed digit is granted on top.",
    )
    figures: dict[str, FigureSpec] = Field(
        default_factory=dict,
        description="Printed figure: how ours is made. Absent: usual counterpart.",
    )
    decides: str | None = Field(
        default=None,
        description="Printed figure whose verdict is the row's; the first judged one if absent.",
    )
    rows: dict[str, str] = Field(
        default_factory=dict, description="Our label: printed row, where they differ."
    )
    match: tuple[str, ...] = Field(
        default=(),
        description="Grid axes that find the printed row (k, p_h, ...) instead of the label.",
    )
    not_reproducible: dict[str, str] = Field(
        default_factory=dict,
        description="Label: why none of its printed figures can be reproduced.",
    )


class TableSpec(Strict):
    """One table of the results."""

    name: str | None = Field(
        default=None, description="File name without ending; the suite's if absent."
    )
    title: str | None = None
    columns: tuple[str, ...] = Field(min_length=1)
    note: str | None = None


class PlotSpec(Strict):
    """One plot of the results."""

    kind: Literal["bar", "scatter", "line"]
    name: str | None = None
    title: str | None = None
    x: str | None = Field(default=None, description="Quantity or grid axis; labels for bars.")
    y: str
    series: str | None = Field(
        default=None, description="Grid axis or column that splits the lines."
    )
    log: Literal["auto", "none", "x", "y", "both"] = "auto"

    @model_validator(mode="after")
    def _axes(self) -> "PlotSpec":
        if self.kind != "bar" and self.x is None:
            raise ValueError(f"a {self.kind} plot needs x")
        return self


class ConventionSpec(Strict):
    """How counters become one printed "FLOPs": a linear combination and a unit."""

    name: str
    unit: PositiveFloat = 1e9
    unit_name: str = "G"
    conv: float = 1.0
    matmul: float = 1.0
    transposed: float = Field(
        default=0.0, description="Added per multiply-accumulate of a transposed convolution."
    )
    elementwise: dict[str, float] = Field(default_factory=dict)
    repeats: bool = Field(
        default=True,
        description="False: a module called twice counts once, as hook-based counters do.",
    )
    description: str = ""


def describe(spec: BaseModel) -> dict[str, Any]:
    """Plain data of a spec, for `run.json`."""
    return spec.model_dump(mode="json", exclude_defaults=True)
