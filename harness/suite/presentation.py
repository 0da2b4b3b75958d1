"""What a suite asks to see: references, tables and plots. Data only; `harness.present` reads it."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from harness.environment.files import checked_name
from harness.suite.recipe import Line, Strict

FileName = Annotated[str, AfterValidator(checked_name)]


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
    over: str | None = Field(
        default=None,
        description="For printed orders such as O(C (HW)^2): the quantity (positions) over which "
        "ours is fitted as a power law, whose exponent is compared. The tolerance is then that of "
        "the exponent, 0.05 if absent.",
    )
    minus_of: dict[str, str] = Field(
        default_factory=dict,
        description="Label: label of the row that is subtracted from it alone (printed overheads).",
    )
    explained: dict[str, str] = Field(
        default_factory=dict,
        description="Label: the arithmetic by which this printed figure follows from ours.",
    )
    not_reproducible: dict[str, str] = Field(
        default_factory=dict,
        description="Label: why this printed figure cannot be reproduced, and how far arithmetic "
        "leads.",
    )

    @model_validator(mode="after")
    def _exponent(self) -> "FigureSpec":
        if self.over is not None and (
            self.unit or self.relative_to or self.minus_of or self.instead
        ):
            raise ValueError(
                "an exponent (over) has no unit and no other rows; "
                "remove unit, relative_to, minus_of and instead, or over"
            )
        return self


class ReferenceSpec(Strict):
    """The printed table that a suite's rows stand beside."""

    paper: str = Field(description="File of results/paper without its ending.")
    table: str = Field(description="Key under `tables` in that file.")
    tolerance: float = Field(
        default=0.001,
        ge=0,
        lt=1,
        description="Relative difference up to which a figure agrees; half a unit of "
        "the last printed digit is granted on top.",
    )
    figures: dict[str, FigureSpec] = Field(
        default_factory=dict,
        description="Printed figure: how ours is made. Absent: usual counterpart.",
    )
    rows: dict[str, str] = Field(
        default_factory=dict, description="Our label: printed row, where they differ."
    )
    match: tuple[str, ...] = Field(
        default=(),
        description="Grid axes that find the printed row (k, groups, ...) instead of the label.",
    )
    explained: dict[str, str] = Field(
        default_factory=dict,
        description="Label: the arithmetic by which all of its printed figures follow from ours.",
    )
    not_reproducible: dict[str, str] = Field(
        default_factory=dict,
        description="Label: why none of its printed figures can be reproduced.",
    )
    unjudged: Line | None = Field(
        default=None,
        description="Why none of its figures is judged here; --input of another size than the "
        "suite's says so itself.",
    )

    @model_validator(mode="after")
    def _one_judgement(self) -> "ReferenceSpec":
        figures = [(key, f.explained, f.not_reproducible) for key, f in self.figures.items()]
        for of, explained, refused in [("", {}, {}), *figures]:
            both = {*self.explained, *explained} & {*self.not_reproducible, *refused}
            if both:
                named = f"{min(both)}, {of}" if of else min(both)
                raise ValueError(
                    f"explained and not_reproducible both name {named}; keep it in one of them"
                )
        return self


Best = Annotated[
    Annotated[Literal["auto"], Tag("word")]
    | Annotated[dict[str, Literal["min", "max"]], Tag("mapping")],
    Discriminator(lambda value: "mapping" if isinstance(value, dict) else "word"),
]


class ColumnSpec(Strict):
    """One column of a table, with what differs from the usual."""

    name: str = Field(description="Quantity, grid axis or printed figure.")
    head: Line | None = Field(
        default=None,
        description="What stands over it in place of its usual head; the unit follows, unless "
        "parentheses say one.",
    )
    reported: bool = Field(
        default=True, description="False: what the paper prints is not shown beside it."
    )


ColumnChoice = Annotated[
    Annotated[str, Tag("name")] | Annotated[ColumnSpec, Tag("column")],
    Discriminator(lambda value: "name" if isinstance(value, str) else "column"),
]


class PivotSpec(Strict):
    """A table of one quantity: a row for each value of one axis, a column for each of another."""

    rows: str = Field(description="Grid axis or quantity whose values lead the rows.")
    columns: str = Field(description="Grid axis or quantity whose values head the columns.")
    value: str = Field(description="Quantity in the cells.")


class TableSpec(Strict):
    """One table of the results."""

    name: FileName | None = Field(
        default=None, description="File name without ending; the suite's if absent."
    )
    title: str | None = None
    columns: tuple[ColumnChoice, ...] = Field(
        default=(),
        description="Quantities, grid axes and printed figures, or {name: ..., head: ...}.",
    )
    best: Best | None = Field(
        default=None,
        description="Columns whose best (bold) and second (underlined) values LaTeX marks, and "
        "which way: min or max. auto, and if absent: all; costs min, accuracies and rates max.",
    )
    sort: str | None = Field(
        default=None,
        description="Quantity or axis by which rows are sorted, from the least; -latency: from the "
        "most. Rows without it stand last. The suite's order if absent.",
    )
    relative_to: str | None = Field(
        default=None,
        description="Label of the row that is 1 in the column relative, where several inputs are "
        "measured without its input; the fastest row of the same input if absent.",
    )
    reported: bool = Field(
        default=True, description="False: no printed figure stands beside a column."
    )
    pivot: PivotSpec | None = Field(
        default=None, description="In place of columns: a matrix over two axes."
    )
    note: str | None = None

    @model_validator(mode="after")
    def _shaped(self) -> "TableSpec":
        if self.pivot is None and not self.columns:
            raise ValueError("a table needs columns or pivot; name the quantities to show")
        if self.pivot is not None and (self.columns or self.sort or self.best):
            raise ValueError("a pivot has no columns, sort or best of its own; remove them")
        named = self.best if isinstance(self.best, dict) else {}
        strange = [name for name in named if name not in self.names]
        if strange:
            raise ValueError(f"best names {', '.join(strange)}, which is no column of this table")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """What the columns show."""
        return tuple(each if isinstance(each, str) else each.name for each in self.columns)

    @property
    def sorted_by(self) -> tuple[str, bool]:
        """What rows are sorted by, and whether from the most; nothing where they are not."""
        name = self.sort or ""
        return name.removeprefix("-"), name.startswith("-")


def _as_tuple(value: Any) -> Any:
    # Behind a `before` validator of a model JSON's lists arrive as such, which no tuple takes.
    return tuple(value) if isinstance(value, list) else value


YAxis = Annotated[
    Annotated[str, Tag("name")]
    | Annotated[
        Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_as_tuple)], Tag("list")
    ],
    Discriminator(lambda value: "list" if isinstance(value, (list, tuple)) else "name"),
]


ROOFLINE_AXES = {"x": "arithmetic_intensity", "y": "flops_per_second"}
"""What a roofline shows, Williams et al. 2009."""


_CELL_LOGS = ("auto", "none")


class PlotSpec(Strict):
    """One plot of the results."""

    kind: Literal["bar", "scatter", "line", "roofline", "heatmap"]
    name: FileName | None = None
    title: str | None = None
    x: str | None = Field(default=None, description="Quantity or grid axis; labels for bars.")
    y: YAxis = Field(
        default="",
        description="Quantity; for bars a list shows several side by side. A roofline has its own; "
        "a heat map has a second grid axis.",
    )
    value: str | None = Field(
        default=None, description="Of a heat map: the quantity in the cells of x and y."
    )
    series: str | None = Field(
        default=None, description="Grid axis or column that splits the lines."
    )
    log: Literal["auto", "none", "x", "y", "both"] = Field(
        default="auto",
        description="Logarithmic axes; auto: where positive values span more than two decades.",
    )

    @model_validator(mode="before")
    @classmethod
    def _roofline(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("kind") == "roofline":
            return {**ROOFLINE_AXES, **given}
        return given

    @model_validator(mode="after")
    def _axes(self) -> "PlotSpec":
        if not self.y:
            raise ValueError(f"a {self.kind} plot needs y")
        if self.kind == "roofline" and {"x": self.x, "y": self.y} != ROOFLINE_AXES:
            raise ValueError("a roofline has its own axes; remove x and y")
        if self.kind != "bar" and self.x is None:
            raise ValueError(f"a {self.kind} plot needs x")
        if (self.kind == "heatmap") != (self.value is not None):
            is_map = self.kind == "heatmap"
            raise ValueError(
                "a heatmap needs value, the quantity in its cells"
                if is_map
                else f"a {self.kind} plot has no value; name the quantity as y"
            )
        if self.kind == "heatmap" and (self.series is not None or self.log not in _CELL_LOGS):
            raise ValueError(
                "a heatmap has no series, and its log, auto or none, is that of its colours; "
                "remove them"
            )
        if not isinstance(self.y, str) and (self.kind != "bar" or self.series is not None):
            raise ValueError("only bars without series show a list as y; name one quantity")
        return self

    @property
    def ys(self) -> tuple[str, ...]:
        """The quantities of y, in order."""
        return (self.y,) if isinstance(self.y, str) else self.y

    @property
    def shown(self) -> tuple[str, ...]:
        """The quantities that it is drawn for, in order."""
        return self.ys if self.value is None else (self.value,)


def describe(spec: BaseModel) -> dict[str, Any]:
    """Plain data of a spec, for `run.json`."""
    return spec.model_dump(mode="json", exclude_defaults=True)
