"""Growth: the exponent at which a quantity of one module grows with the size of its input."""

from collections.abc import Iterable, Sequence

from harness.judge.printed import PrintedFigure, PrintedRow, degree
from harness.judge.statistics.power_law import PowerLaw, fit_power_law
from harness.records.quantities.derived import axis_of, sweep_name
from harness.records.quantities.quantity import Quantity, Row

TOLERANCE = 0.05
"""Of an exponent, absolute. Orders that papers compare lie 1/2 apart at least, ten times as far."""


def fit(rows: Iterable[Row], quantity: Quantity, over: Quantity) -> PowerLaw | None:
    """The power law through the rows of one sweep.

    Returns:
        `None` where fewer than two sizes have a value, or a value is 0.
    """
    pairs = [(over.number(row), quantity.number(row)) for row in rows]
    known = [(x, y) for x, y in pairs if x is not None and y is not None]
    try:
        return fit_power_law([x for x, _ in known], [y for _, y in known])
    except ValueError:
        return None


def swept_with(row: Row, rows: Iterable[Row], over: Quantity) -> list[Row]:
    """The rows of the sweep that a row belongs to."""
    axis = axis_of(over)
    name = sweep_name(row, axis)
    return [each for each in rows if sweep_name(each, axis) == name]


def end(swept: Sequence[Row], over: Quantity) -> Row:
    """The largest row of a sweep: there a printed order is judged, once."""
    return max(swept, key=lambda each: over.number(each) or 0.0)


def ends_sweep(row: Row, swept: Sequence[Row], over: Quantity) -> bool:
    """Whether a row is the largest of its sweep."""
    return row.get("label") == end(swept, over).get("label")


def expected(printed: PrintedRow, key: str) -> PrintedFigure | None:
    """The exponent of a printed order, or a printed exponent; `None` if nothing is printed.

    Raises:
        HarnessError: the printed text is no order.
    """
    if key in printed.figures:
        return printed.figures[key]
    text = printed.texts.get(key)
    return None if text is None else PrintedFigure(text, float(degree(text)), 0.0)


def range_text(law: PowerLaw, over: Quantity) -> str:
    """`N = 4,096 to 1,048,576, 5 sizes`."""
    symbol = over.symbol or over.head
    return f"{symbol} = {law.smallest:,.0f} to {law.largest:,.0f}, {law.points} sizes"
