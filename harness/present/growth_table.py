"""Growth table: one line per swept module, with the exponents at which its quantities grow."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.judge import growth
from harness.judge.counterpart import numeric
from harness.judge.part import Context, Part
from harness.judge.statistics.power_law import PowerLaw
from harness.messages import HarnessError
from harness.present.formats import ABSENT, Cell, Column, Table
from harness.present.notes import footnotes, setting
from harness.present.reading import EXPONENT_DECIMALS, Reading, read
from harness.records.quantities.derived import axis_of, sweeps
from harness.records.quantities.quantity import Quantity, Row
from harness.records.quantities.registry import find
from harness.suite.presentation import TableSpec

DEFAULT_OVER = "positions"


@dataclass(frozen=True)
class _Exponent:
    """One quantity of one sweep: what was fitted, and the annotated row that holds its verdict."""

    law: PowerLaw | None
    end: Row


def grown(spec: TableSpec, part: Part, rows: Sequence[Row], context: Context) -> Table:
    """A growth table.

    Per column of the suite: the printed order and its exponent where the reference has one; ours
    with its standard error; the smallest and largest slope between neighbouring sizes; the verdict.

    Args:
        spec: of the table.
        part: the suite.
        rows: annotated.
        context: of the run.

    Raises:
        HarnessError: a column names no quantity, or text.
    """
    readings = growth_readings(spec, part, rows)
    names = sweeps(rows, axis_of(_over(spec, rows, readings[0])))
    columns = [Column("Module", tuple(Cell(name, name) for name in names), "left", "sweep")]
    for reading in readings:
        over = _over(spec, rows, reading)
        swept = sweeps(rows, axis_of(over)).values()
        exponents = [
            _Exponent(growth.fit(each, reading.quantity, over), growth.end(each, over))
            for each in swept
        ]
        columns += _exponent_columns(reading, exponents)
    overs = [_over(spec, rows, reading) for reading in readings]
    note = [_explain(over, readings, rows) for over in dict.fromkeys(overs)]
    return Table(
        spec.title or part.title or part.name,
        tuple(columns),
        (*note, *footnotes(spec, part, rows, readings, context)),
        setting(part, rows, readings, context),
    )


def growth_readings(spec: TableSpec, part: Part, rows: Sequence[Row]) -> list[Reading]:
    """What the columns of a growth table read.

    Raises:
        HarnessError: a column or `over` names no quantity, or text.
    """
    readings = [read(name, part, rows) for name in spec.columns]
    for name, reading in zip(spec.columns, readings, strict=True):
        if reading.is_text:
            raise HarnessError(f"{name!r} is text and cannot grow; name a quantity that is counted")
        _over(spec, rows, reading)
    return readings


def _over(spec: TableSpec, rows: Sequence[Row], reading: Reading) -> Quantity:
    """What a column is fitted over: what its printed order is judged over, else the table's own."""
    if spec.over is None and reading.by is not None and reading.by.over is not None:
        return reading.by.over
    return numeric(find(spec.over or DEFAULT_OVER, rows))


def _exponent_columns(reading: Reading, exponents: Sequence[_Exponent]) -> list[Column]:
    group = reading.quantity.head
    key = reading.quantity.name if reading.by is None else reading.by.figure
    verdicts = [reading.verdict(each.end) for each in exponents]
    laws = [each.law for each in exponents]

    def column(sub: str, cells: Sequence[Cell], stored: str, *, text: bool = False) -> Column:
        align = "left" if text else "right"
        head = f"{group}, {sub}"
        return Column(head, tuple(cells), align, f"{key}_{stored}", group, sub)  # type: ignore[arg-type]

    columns = [
        column("exponent", [_exponent_cell(law) for law in laws], "exponent"),
        column("local", [_local_cell(law) for law in laws], "local"),
    ]
    for stored in ("stderr", "local_low", "local_high", "smallest", "largest"):
        raw = [None if law is None else getattr(law, stored) for law in laws]
        cells = tuple(Cell("", value) for value in raw)
        columns.append(Column(f"{group}, {stored}", cells, "right", f"{key}_{stored}", shown=False))
    if all(each is None for each in verdicts):
        return columns
    texts = [None if each is None else str(each["printed_text"]) for each in verdicts]
    numbers = [
        Cell(ABSENT, None) if each is None else Cell(f"{each['printed']:g}", float(each["printed"]))
        for each in verdicts
    ]
    words = [None if each is None else each["verdict"] for each in verdicts]
    return [
        column("printed", [Cell(text or ABSENT, text) for text in texts], "printed", text=True),
        column("expected", numbers, "expected"),
        *columns,
        column("verdict", [Cell(word or ABSENT, word) for word in words], "verdict", text=True),
    ]


def _exponent_cell(law: PowerLaw | None) -> Cell:
    if law is None:
        return Cell(ABSENT, None)
    text = _exponent_text(law.exponent)
    return Cell(
        text if law.stderr is None else f"{text} ± {_exponent_text(law.stderr)}", law.exponent
    )


def _local_cell(law: PowerLaw | None) -> Cell:
    if law is None:
        return Cell(ABSENT, None)
    text = f"{_exponent_text(law.local_low)} to {_exponent_text(law.local_high)}"
    return Cell(text, text)


def _exponent_text(value: float) -> str:
    """Fixed decimals; never a negative zero."""
    text = f"{value:.{EXPONENT_DECIMALS}f}"
    return text.lstrip("-") if float(text) == 0 else text


def _explain(over: Quantity, readings: Sequence[Reading], rows: Sequence[Row]) -> str:
    swept = sweeps(rows, axis_of(over)).values()
    fitted = [growth.fit(each, reading.quantity, over) for each in swept for reading in readings]
    ranges = list(dict.fromkeys(growth.range_text(law, over) for law in fitted if law is not None))
    where = f" ({'; or '.join(ranges)})" if ranges else ""
    return (
        f"Exponent: least-squares slope of the logarithm of a quantity over that of "
        f"{over.symbol or over.head}{where}, ± its standard error. Counts carry no noise: the "
        "error says how far one power law misses them. Local: smallest and largest slope between "
        "neighbouring sizes."
    )
