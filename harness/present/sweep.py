"""Sweep: the rows that one entry of a suite makes of one module along a swept axis."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from harness.present.quantity import Quantity, Row
from harness.suite import label as labels

INPUT = "input"
_FACTORS = "factors."


def axis_of(over: Quantity) -> str:
    """The grid axis behind a quantity that rows are fitted over; the input by default."""
    return over.name.removeprefix(_FACTORS) if over.name.startswith(_FACTORS) else INPUT


def sweep_name(row: Row, axis: str = INPUT) -> str:
    """The label of a row without the value of its swept axis: the name that its sweep goes by.

    `Non-local (input=1x512x64x64)` and `Non-local 1x512x64x64` (from the template
    `Non-local {input}`) both belong to `Non-local`; a row that no grid made is its own sweep.
    """
    name = str(row.get("label"))
    factors: Mapping[str, Any] = row.get("factors") or {}
    if axis not in factors:
        return name
    texts = {each: labels.show(_listed(value)) for each, value in factors.items()}
    # A label without a template gets its axes appended, `module` only where the label is given.
    for listed in (texts, {each: text for each, text in texts.items() if each != "module"}):
        appended = labels.append("", listed)
        if appended and name.endswith(appended):
            rest = {each: text for each, text in listed.items() if each != axis}
            return labels.append(name.removesuffix(appended), rest)
    before, found, after = name.rpartition(texts[axis])
    return _tidy(f"{before}{after}") if found else name


def sweeps(rows: Iterable[Row], axis: str = INPUT) -> dict[str, list[Row]]:
    """Rows by sweep, in the order of first appearance."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(sweep_name(row, axis), []).append(row)
    return found


def _tidy(text: str) -> str:
    """A label without what a removed value leaves: `NL ()`, `NL, , k=3`, two spaces."""
    whole = re.sub(r"\(\s*\)|\[\s*\]", "", text)
    return " ".join(re.sub(r"[\s,;]*([,;])", r"\1", whole).split()).strip(" ,;:@=")


def _listed(value: Any) -> Any:
    return [_listed(each) for each in value] if isinstance(value, (list, tuple)) else value
