"""What trained rows were trained on, and from which difference on their seeds tell them apart."""

from collections.abc import Iterable, Sequence
from typing import Any

from harness.present.quantity import Row
from harness.statistics.least_difference import least_difference


def trained(rows: Sequence[Row]) -> list[str]:
    """Recipe, data and seeds, each said once where all trained rows share them; then `separated`.

    Args:
        rows: of one suite; those without an accuracy take no part.
    """
    scored = [row for row in rows if row.get("miou") is not None and row.get("miou_seeds")]
    if not scored:
        return []
    words = [
        _shared("recipe", (row.get("recipe") for row in scored)),
        _shared("steps", (row.get("train_steps") for row in scored)),
        _shared("data", (row.get("data") for row in scored)),
        _shared("data version", (row.get("data_version") for row in scored)),
        _shared("seeds", (_listed(row.get("train_seeds")) for row in scored)),
    ]
    said = "; ".join(word for word in words if word)
    return [*([f"Trained with {said}."] if said else []), *_separation(scored)]


def _separation(rows: Sequence[Row]) -> list[str]:
    distinct = {tuple(row.get("train_keys") or (row["label"],)): row for row in rows}
    found = least_difference([row["miou_seeds"] for row in distinct.values()])
    if found is None:
        return []
    least, deviation = found.difference, found.deviation
    best = max(rows, key=lambda row: float(row["miou"]))
    near = [
        str(row["label"]) for row in rows if row is not best and best["miou"] - row["miou"] < least
    ]
    line = (
        f"Two rows are told apart by their seeds from {100 * least:.2f} points of mIoU on (least "
        f"significant difference at 95 %, deviation {100 * deviation:.2f} within the rows, pooled "
        f"over {len(distinct)})"
    )
    nothing = "; nothing is that near to the best row" if not near else ""
    close = f"; not told apart from the best, {best['label']}: {', '.join(near)}" if near else ""
    return [f"{line}{close}{nothing}."]


def _shared(name: str, values: Iterable[Any]) -> str:
    distinct = list(dict.fromkeys(value for value in values if value not in (None, "")))
    if not distinct:
        return ""
    if len(distinct) == 1:
        return f"{name} {distinct[0]}"
    return f"{name} by row ({', '.join(map(str, distinct))})"


def _listed(seeds: Sequence[int] | None) -> str:
    return " and ".join(map(str, seeds)) if seeds else ""
