"""Quantities of one member of a mapping that rows store: of a class, of a diagnostic."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from context_modules.catalog import DIAGNOSTICS
from harness.judge.statistics.intervals import mean_interval
from harness.messages import HarnessError, hint
from harness.records.quantities.quantity import Quantity, Row

Seeds = Callable[[Row], Mapping[str, Sequence[float | None]]]
"""The values of each seed by member; empty where a row does not have them."""

_SEEDS = (("miou_seeds", 2),)
_INTERVAL = "mean over the seeds and the 95 % interval of that mean"


@dataclass(frozen=True)
class _Family:
    """Members of one mapping."""

    stored: Callable[[Row], Mapping[str, Any]]  # means, or lists of all seeds, by member
    seeds: Seeds
    make: Callable[[str], Quantity]  # of the name of a member; without readers


def find_member(name: str, rows: Collection[Row]) -> Quantity | None:
    """The quantity `family.member`; `None` where no family is called so.

    Raises:
        HarnessError: rows have members, and none of that name; names the nearest.
    """
    family, dot, member = name.partition(".")
    if not dot or not member or family not in _FAMILIES:
        return None
    known = dict.fromkeys(each for row in rows for each in _FAMILIES[family].stored(row))
    if known and member not in known:
        every = [f"{family}.{each}" for each in known]
        raise HarnessError(f"unknown quantity {name!r}{hint(name, every)}")
    return _quantity(family, member)


def diagnosed(rows: Iterable[Row]) -> dict[str, Quantity]:
    """The diagnostics that rows have, by their own names."""
    names = dict.fromkeys(name for row in rows for name in row.get("diagnostics") or {})
    return {name: _named(name) for name in names}


def find_diagnostic(name: str, rows: Collection[Row]) -> Quantity | None:
    """A diagnostic of the catalog or of the rows by its own name."""
    return _named(name) if name in DIAGNOSED else diagnosed(rows).get(name)


def listed() -> list[Quantity]:
    """One of each family, as documentation shows them, and the diagnostics of the catalog."""
    members = {"class_iou": "CLASS", "boundary_f": "CLASS", "diagnostics": "NAME"}
    families = [_quantity(family, member) for family, member in members.items()]
    return [*families, *map(_named, DIAGNOSED)]


def _quantity(family: str, member: str, name: str = "") -> Quantity:
    of = _FAMILIES[family]

    def read(row: Row) -> float | None:
        found = of.stored(row).get(member)
        if isinstance(found, (list, tuple)):
            return math.fsum(found) / len(found) if found else None
        return None if found is None else float(found)

    def spread(row: Row) -> tuple[float, float] | None:
        values = of.seeds(row).get(member) or ()
        known = [value for value in values if value is not None]
        found = mean_interval(known) if len(known) == len(values) > 1 else None
        if found is None or found.low is None or found.high is None:
            return None
        is_share = shown.dimension == "ratio"
        return (max(found.low, 0.0), min(found.high, 1.0)) if is_share else (found.low, found.high)

    shown = of.make(member)
    return replace(shown, name=name or f"{family}.{member}", read=read, spread=spread)


def _named(name: str) -> Quantity:
    return _quantity("diagnostics", name, name)


def _share(head: str, note: str) -> Quantity:
    return Quantity(
        "",
        head,
        "ratio",
        "%",
        2,
        note,
        "higher",
        interval_note=_INTERVAL,
        samples=_SEEDS,
        rounded=False,
        read=lambda _: None,
    )


DIAGNOSED = {each.name: each for each in DIAGNOSTICS}
"""Diagnostics of the catalog by name."""


def _diagnostic(member: str) -> Quantity:
    known = DIAGNOSED.get(member)
    return Quantity(
        "",
        known.head if known else member,
        "count",
        "1",
        1,
        f"{known.description if known else 'as the module says it of its passes'}; mean over the "
        "validation images",
        "neither",
        interval_note=_INTERVAL,
        samples=_SEEDS,
        rounded=False,
        read=lambda _: None,
    )


def _first(row: Row, name: str) -> Mapping[str, Any]:
    """Of the first tolerance."""
    found: Mapping[str, Mapping[str, Any]] = row.get(name) or {}
    return next(iter(found.values()), {})


_FAMILIES: Mapping[str, _Family] = {
    "class_iou": _Family(
        lambda row: row.get("class_iou") or {},
        lambda row: row.get("class_iou_seeds") or {},
        lambda member: _share(f"IoU, {member}", ""),
    ),
    "boundary_f": _Family(
        lambda row: _first(row, "class_boundary_f"),
        lambda row: _first(row, "class_boundary_f_seeds"),
        lambda member: _share(f"Boundary F, {member}", "at the first tolerance of the evaluation"),
    ),
    "diagnostics": _Family(
        lambda row: row.get("diagnostics") or {},
        lambda row: row.get("diagnostics") or {},
        _diagnostic,
    ),
}
