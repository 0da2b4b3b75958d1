"""Verdicts: what a paper prints against what we count, figure by figure, and how many agree.

`annotate` is the one place where rows are judged; tables, plots and reports take its rows.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from harness.judge.counterpart import Counterpart, counterpart, ends_sweep, range_text, swept_with
from harness.judge.judgement import JUDGED, REPRODUCED, Judgement
from harness.judge.part import Part, convention_of
from harness.judge.printed import PrintedFigure, PrintedRow, PrintedTable, load_table
from harness.messages import HarnessError
from harness.records.quantities.derived import axis_of, sweep_name
from harness.records.quantities.quantity import Quantity, Row
from harness.records.quantities.registry import find
from harness.suite.presentation import ReferenceSpec

# Floating-point slack, so that a difference of exactly half a unit counts as within it.
_SLACK = 1e-12


@dataclass(frozen=True)
class FigureVerdict:
    """One printed figure beside ours."""

    figure: str  # key of the printed figure
    printed: float  # as a number, in `unit`
    printed_text: str  # as it stands in the paper
    ours: float | None  # in `unit`; `None` if not measured
    unit: str  # of both
    # (ours - printed) / |printed|; `None` if not measured, printed as 0, or an exponent
    difference: float | None
    verdict: Judgement | None  # `None` if not measured
    # why it is explained, not reproducible, not judged or not measured; how far if it differs
    reason: str


@dataclass(frozen=True)
class FigurePair:
    """A printed figure, and what stands beside it in a row of ours."""

    printed: PrintedFigure
    by: Counterpart
    # what the suite says of its difference, and why; `None` if nothing
    known: tuple[Judgement, str] | None


def annotate(rows: Sequence[Row], part: Part) -> list[dict[str, Any]]:
    """Rows with what the paper prints and how ours compares.

    Args:
        rows: of one suite. Where the part has no reference, nothing is printed beside them.

    Returns:
        Copies with `reported` (figure: printed number), `verdict` (`row_verdict`) and `verdicts`
        (figure: `FigureVerdict` as plain data).

    Raises:
        HarnessError: the reference names what does not exist.
    """
    by_label = rows_by_label(rows)
    annotated = []
    for row, pairs in zip(rows, paired(rows, part), strict=True):
        verdicts = [judge(each, row, by_label) for each in pairs]
        annotated.append(
            {
                **row,
                "reported": {each.figure: each.printed for each in verdicts},
                "verdict": row_verdict(verdicts),
                "verdicts": {each.figure: asdict(each) for each in verdicts},
            }
        )
    return annotated


def paired(rows: Sequence[Row], part: Part) -> list[list[FigurePair]]:
    """Of each row the printed figures beside it; what is measured does not matter.

    Raises:
        HarnessError: the reference names what does not exist.
    """
    reference, table = part.reference, reference_table(part)
    if reference is None or table is None:
        return [[] for _ in rows]
    by, by_label = counterparts(part, rows), rows_by_label(rows)
    return [
        [
            *_beside_orders(row, reference, table, by, by_label),
            *_beside_numbers(row, reference, printed_row(row, reference, table), by),
        ]
        for row in rows
    ]


def _beside_orders(
    row: Row,
    reference: ReferenceSpec,
    table: PrintedTable,
    by: Mapping[str, Counterpart],
    by_label: Mapping[str, Row],
) -> Iterator[FigurePair]:
    """Printed orders, at the row where a sweep ends."""
    for key, each in by.items():
        if each.over is None:
            continue
        printed = growth_row(row, each.over, reference, table)
        order = None if printed is None else printed.figures.get(key)
        swept = swept_with(row, by_label.values(), each.over)
        if order is not None and ends_sweep(row, swept, each.over):
            name = sweep_name(row, axis_of(each.over))
            yield FigurePair(order, each, _known(each, reference, name))


def _beside_numbers(
    row: Row, reference: ReferenceSpec, printed: PrintedRow | None, by: Mapping[str, Counterpart]
) -> Iterator[FigurePair]:
    """Printed numbers; those of the grid's axes only where the reference asks for them."""
    taken = {_axis(item)[1] for item in reference.match} | set(row.get("factors") or {})
    for key, number in () if printed is None else printed.figures.items():
        if by[key].over is None and (key in reference.figures or key not in taken):
            known = _known(by[key], reference, str(row.get("label")))
            yield FigurePair(number, by[key], known)


def _known(by: Counterpart, reference: ReferenceSpec, name: str) -> tuple[Judgement, str] | None:
    if name in (said := {**reference.explained, **by.explained}):
        return "explained", said[name]
    if name in (said := {**reference.not_reproducible, **by.not_reproducible}):
        return "not reproducible", said[name]
    return None


def judge(pair: FigurePair, row: Row, by_label: Mapping[str, Row]) -> FigureVerdict:
    """Judges one figure.

    Args:
        by_label: all rows of the suite, which overheads, ratios and exponents need.
    """
    printed, by = pair.printed, pair.by
    ours = by.ours(row, by_label)
    difference = None
    if ours is not None and printed.value != 0 and by.over is None:
        difference = (ours - printed.value) / abs(printed.value)
    judgement: Judgement | None
    if by.unjudged:
        judgement, reason = "not judged", by.unjudged
    elif ours is None:
        judgement, reason = None, "not measured"
    elif pair.known is not None:
        judgement, reason = pair.known
    elif within(ours, printed, by.tolerance, absolute=by.over is not None):
        judgement, reason = "agrees", ""
    elif by.over is not None and (law := by.law(row, by_label)) is not None:
        ours_text = f"exponent {law.exponent:.3f} over {range_text(law, by.over)}"
        judgement, reason = "differs", f"{ours_text}; {printed.text} has {printed.value:g}"
    else:
        share = "" if difference is None else f", {100 * difference:+.2f} %"
        judgement, reason = "differs", f"ours {ours:.6g}, printed {printed.text}{share}"
    return FigureVerdict(
        by.figure, printed.value, printed.text, ours, by.unit.name, difference, judgement, reason
    )


def within(
    ours: float, printed: PrintedFigure, tolerance: float, *, absolute: bool = False
) -> bool:
    """|ours - printed| <= tolerance * |printed| + half a unit of the last printed digit.

    Absolute, the tolerance alone counts: an exponent of 0 has no relative one.
    """
    if absolute:
        return abs(ours - printed.value) <= tolerance + _SLACK
    allowed = tolerance * abs(printed.value) + printed.half_unit
    return abs(ours - printed.value) <= allowed + _SLACK * abs(printed.value)


def row_verdict(verdicts: Sequence[FigureVerdict]) -> str | None:
    """`reproduced`, or `1 of 2 agree`; `None` where no figure of the row is judged."""
    judged = [each.verdict for each in verdicts if each.verdict in JUDGED]
    agree = judged.count("agrees")
    if agree < len(judged):
        return f"{agree} of {len(judged)} agree"
    return REPRODUCED if judged else None


def rows_by_label(rows: Iterable[Row]) -> dict[str, Row]:
    """Rows by label; labels are unique within a suite."""
    return {str(row.get("label")): row for row in rows}


def counterparts(part: Part, rows: Sequence[Row]) -> dict[str, Counterpart]:
    """The counterpart of every printed figure of a part's table; none without a reference.

    Raises:
        HarnessError: the reference names what does not exist.
    """
    table = reference_table(part)
    if table is None or part.reference is None:
        return {}
    convention = convention_of(part)
    return {key: counterpart(key, part.reference, rows, convention) for key in table.entries}


def reference_table(part: Part) -> PrintedTable | None:
    """The printed table of a part's reference; every name that the reference uses exists in it.

    Raises:
        HarnessError: unknown paper, table, row or figure; names the file and the nearest.
    """
    reference = part.reference
    if reference is None:
        return None
    start = None if part.path is None else part.path.parent
    table = load_table(reference.paper, reference.table, start)
    for _, error in misnamed(reference, table):
        raise error
    return table


def misnamed(
    reference: ReferenceSpec, table: PrintedTable
) -> Iterator[tuple[tuple[str | int, ...], HarnessError]]:
    """Rows and figures that a reference names and its table does not have, each with its place."""
    asked: list[tuple[tuple[str | int, ...], Callable[[], None]]] = [
        *(
            (("rows", label), partial(table.require_row, name))
            for label, name in reference.rows.items()
        ),
        *((("figures", key), partial(table.require_entry, key)) for key in reference.figures),
        *(
            (("match", number), partial(table.require_entry, _axis(axis)[1]))
            for number, axis in enumerate(reference.match)
        ),
    ]
    for place, require in asked:
        try:
            require()
        except HarnessError as error:
            yield place, error


def _axis(item: str) -> tuple[str, str]:
    """Grid axis and printed key of an item of `match`: the same, or `axis=key`."""
    axis, _, key = item.partition("=")
    return axis, key or axis


def printed_row(row: Row, reference: ReferenceSpec, table: PrintedTable) -> PrintedRow | None:
    """The printed row beside which one of ours stands, if there is one.

    By `match`, every listed axis equal; where that leaves several, or without `match`, by name
    (`rows`, else the label).

    Raises:
        HarnessError: several printed rows fit.
    """
    label = str(row.get("label"))
    name = reference.rows.get(label, label)
    fitting = list(table.rows)
    if reference.match:
        factors = row.get("factors") or {}
        wanted = [_axis(item) for item in reference.match]
        # A row outside of the grid, such as a baseline, can only be named.
        if label not in reference.rows or any(axis in factors for axis, _ in wanted):
            for axis, key in wanted:
                fitting = [
                    each for each in fitting if axis in factors and each.matches(key, factors[axis])
                ]
    if not reference.match or len(fitting) > 1 or label in reference.rows:
        fitting = [each for each in fitting if each.name == name]
    if len(fitting) > 1:
        raise HarnessError(
            f"{table.path}: {table.key} has {len(fitting)} rows that fit {label!r}; "
            "add an axis to `match` that tells them apart"
        )
    return fitting[0] if fitting else None


def growth_row(
    row: Row, over: Quantity, reference: ReferenceSpec, table: PrintedTable
) -> PrintedRow | None:
    """The printed row beside which the sweep of a row stands, if there is one."""
    name = sweep_name(row, axis_of(over))
    name = reference.rows.get(name, name)
    return next((each for each in table.rows if each.name == name), None)


def growth_axes(part: Part, rows: Sequence[Row]) -> tuple[Quantity, ...]:
    """What the reference's exponents are fitted over."""
    figures = () if part.reference is None else part.reference.figures.values()
    return tuple(find(each.over, rows) for each in figures if each.over is not None)


def unmatched(rows: Sequence[Row], part: Part) -> tuple[str, ...]:
    """Printed rows beside which none of ours stands: their names, or a figure that tells them."""
    table = reference_table(part)
    if table is None or part.reference is None:
        return ()
    met = [printed_row(row, part.reference, table) for row in rows]
    for over in growth_axes(part, rows):
        met += [growth_row(row, over, part.reference, table) for row in rows]
    left = [each for each in table.rows if not any(each is other for other in met)]
    return tuple(
        next((f"{key}={one.text}" for key, one in each.figures.items()), "?")
        if each.name is None
        else each.name
        for each in left
    )


_PLURALS = {"agrees": "agree", "differs": "differ"}


@dataclass(frozen=True)
class VerdictTally:
    """Counts of printed figures by verdict."""

    agrees: int = 0
    differs: int = 0
    explained: int = 0
    not_reproducible: int = 0
    not_judged: int = 0
    not_measured: int = 0

    @property
    def judged(self) -> int:
        """Figures that were compared or are known not to be comparable."""
        return self.agrees + self.differs + self.explained + self.not_reproducible

    @property
    def total(self) -> int:
        """All printed figures beside the rows."""
        return self.judged + self.not_judged + self.not_measured

    def __add__(self, other: "VerdictTally") -> "VerdictTally":
        added = {name: number + getattr(other, name) for name, number in vars(self).items()}
        return replace(self, **added)

    @property
    def text(self) -> str:
        """One line for people; empty where nothing is printed."""
        if self.total == 0:
            return ""
        said = [text for word, number, text in self.counts if number or word != "not measured"]
        return f"{self.total} printed figures: {', '.join(said)}"

    @property
    def counts(self) -> list[tuple[str, int, str]]:
        """Each verdict, how many figures have it, and both as words: `61 agree`."""
        found = [(name.replace("_", " "), number) for name, number in vars(self).items()]
        return [
            (word, number, f"{number} {word if number == 1 else _PLURALS.get(word, word)}")
            for word, number in found
        ]


def tally_of(rows: Iterable[Row]) -> VerdictTally:
    """Counts the verdicts of annotated rows."""
    found = [each["verdict"] for row in rows for each in (row.get("verdicts") or {}).values()]
    return VerdictTally(
        found.count("agrees"),
        found.count("differs"),
        found.count("explained"),
        found.count("not reproducible"),
        found.count("not judged"),
        found.count(None),
    )
