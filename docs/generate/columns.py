"""Reference of columns: every quantity that tables, plots, frames and CSV files can name."""

from collections.abc import Iterable

from md_table import code, table

from harness.measure import METRICS
from harness.records.quantities.members import listed
from harness.records.quantities.quantity import Quantity
from harness.records.quantities.registry import ALIASES, BROUGHT_BY, QUANTITIES

_HEADS = ("name", "stands for", "head", "unit", "what it is")


def reference() -> str:
    """A table of what every case has, and one for each metric."""
    parts = ["## Of every case", _table(name for name in QUANTITIES if name not in BROUGHT_BY)]
    for metric in METRICS.values():
        names = [name for name, brought in BROUGHT_BY.items() if brought == metric.name]
        if names:
            parts += [f"## `measure: {metric.name}`", _table(names)]
        if metric.name == "accuracy":
            parts.append("Of one class of the data, and of modules that say more of their passes:")
            parts.append(table(_HEADS, [_row(quantity) for quantity in listed()]))
    return "\n\n".join(parts) + "\n"


def _table(names: Iterable[str]) -> str:
    return table(_HEADS, [_row(QUANTITIES[name]) for name in names])


def _row(quantity: Quantity) -> tuple[str, ...]:
    short = [name for name, meant in ALIASES.items() if meant == quantity.name]
    words = [quantity.note]
    if quantity.unit is None:
        convention = quantity.convention.name if quantity.convention else "of the suite"
        words.append(f"under the convention {convention}")
    if quantity.has_interval:
        words.append("has an interval")
    if quantity.compared is not None:
        how = {"exactly": "exactly", "statistically": "by a test"}[quantity.compared]
        words.append(f"compared between runs {how}")
    said = "; ".join(filter(None, words))
    return code(quantity.name), ", ".join(map(code, short)), quantity.head, _unit(quantity), said


def _unit(quantity: Quantity) -> str:
    if quantity.dimension == "text":
        return "text"
    if quantity.unit is None:
        return quantity.convention.unit_name if quantity.convention else "the convention's"
    return quantity.unit if quantity.unit != "1" else ""
