"""What a table says of trainings: of what they were, and which rows their seeds tell apart."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.judge.statistics.significance import least_difference
from harness.messages import listed
from harness.records.quantities.quantity import Row

_MOST_LABELS = 20  # of rows that are alike


def trained(rows: Sequence[Row]) -> list[str]:
    """Recipe, data and seeds, each said once where all trained rows share them; then `separation`.

    Args:
        rows: of one suite; those without an accuracy take no part.
    """
    scored = _scored(rows)
    if not scored:
        return []
    words = [
        _shared("recipe", (row.get("recipe") for row in scored)),
        _shared("steps", (row.get("train_steps") for row in scored)),
        _shared("data", (row.get("data") for row in scored)),
        _shared("data version", (row.get("data_version") for row in scored)),
        _shared("seeds", map(_seeds, scored)),
    ]
    said = "; ".join(word for word in words if word)
    return [*([f"Trained with {said}."] if said else []), *separation(rows)]


def separation(rows: Sequence[Row]) -> list[str]:
    """From which difference on rows are told apart, and which are not; nothing of a single row.

    Where seeds came by rounds, what those have found: looks that were many have a level of their
    own.
    """
    scored = _scored(rows)
    if len(scored) < 2:
        return []
    if any(row.get("seeds_stopped") for row in scored):
        return _by_rounds(scored)
    distinct = {tuple(row.get("train_keys") or (row["label"],)): row for row in scored}
    if len(distinct) > 1 and all(len(row["miou_seeds"]) == 1 for row in scored):
        return ["One seed of each row: how much of a difference is chance is not known."]
    found = least_difference([row["miou_seeds"] for row in distinct.values()])
    if found is None:
        return []
    best = max(scored, key=lambda row: float(row["miou"]))
    number = {id(row): len(row["miou_seeds"]) for row in scored}
    near = [
        str(row["label"])
        for row in scored
        if row is not best
        and best["miou"] - row["miou"] < found.between(number[id(best)], number[id(row)])
    ]
    uneven = len(set(number.values())) > 1
    line = (
        f"Two rows are told apart by their seeds from {100 * found.difference:.2f} points of mIoU "
        f"on (least significant difference at 95 %, deviation {100 * found.deviation:.2f} within "
        f"the rows, pooled over {len(distinct)}"
        f"{'; of those with more seeds, from fewer points on' if uneven else ''})"
    )
    nothing = "; nothing is that near to the best row" if not near else ""
    close = f"; not told apart from the best, {best['label']}: {', '.join(near)}" if near else ""
    return [f"{line}{close}{nothing}."]


def _by_rounds(rows: Sequence[Row]) -> list[str]:
    told = {str(row["label"]): row["seeds_stopped"] for row in rows if row.get("seeds_stopped")}
    by_label = {str(row["label"]): row for row in rows}
    first: Mapping[str, Any] = next(iter(told.values()))
    pairs = first["rows"] * (first["rows"] - 1) // 2
    lines = [
        f"Seeds came by rounds, until a row was told apart from every other or their difference "
        f"known to {first['points']:g} points of mIoU (Student's intervals of the differences "
        f"seed by seed, 95 % for all {pairs} pairs of rows and all looks together): "
        f"{'; '.join(_ends(told))}."
    ]
    best = max(told, key=lambda label: float(by_label[label]["miou"]))
    alike = [label for label in told if label != best and label not in told[best]["apart"]]
    if alike:
        lines.append(f"Not told apart from the best, {best}: {listed(alike, _MOST_LABELS)}.")
    else:
        lines.append(f"The best, {best}, is told apart from every other row.")
    return lines


_WHY = {"separated": "told apart", "narrow": "known to that", "limit": "neither at the limit"}


def _ends(told: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """`told apart: FCN (3 seeds), PPM (5 seeds)`, and so on, by what has ended them."""
    said = []
    for why, words in _WHY.items():
        ended = [
            f"{name} ({each['seeds']} seeds)" for name, each in told.items() if each["why"] == why
        ]
        if ended:
            said.append(f"{words}: {listed(ended, _MOST_LABELS)}")
    return said


def _seeds(row: Row) -> str:
    """`0 and 1 and 2`; where they came by rounds their numbers are said for themselves."""
    seeds = row.get("train_seeds") or ()
    if row.get("seeds_stopped"):
        return f"from {min(seeds, default=0)} on"
    return " and ".join(map(str, seeds))


def _scored(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.get("miou") is not None and row.get("miou_seeds")]


def _shared(name: str, values: Iterable[Any]) -> str:
    distinct = list(dict.fromkeys(value for value in values if value not in (None, "")))
    if not distinct:
        return ""
    if len(distinct) == 1:
        return f"{name} {distinct[0]}"
    return f"{name} by row ({', '.join(map(str, distinct))})"
