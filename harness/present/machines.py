"""Machines: times of different machines do not stand in one column unless that was asked for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from harness.present.quantity import Row

_TIMED = ("latency_", "energy_", "compile_seconds")
"""How the stored names begin of what depends on the machine; counts do not."""


def one_machine(rows: Sequence[Row], mix: bool = False) -> list[dict[str, Any]]:
    """Rows whose times are all of one machine: of the one that most of them were measured on.

    Args:
        rows: of one suite, one per process.
        mix: leave the times of the others where they are.

    Returns:
        The rows; those of other machines without their times (or, mixed, with them), and with a
        warning that says so.
    """
    shown = main_machine(rows)
    return [
        dict(row)
        if shown is None or not is_timed(row) or str(row.get("machine_key")) == shown
        else _foreign(row, shown, mix)
        for row in rows
    ]


def main_machine(rows: Sequence[Row]) -> str | None:
    """Key of the machine whose times are shown; `None` where nothing was timed."""
    keys = Counter(str(row.get("machine_key")) for row in rows if is_timed(row))
    return max(keys, key=lambda key: keys[key]) if keys else None


def is_timed(row: Row) -> bool:
    """Whether a row has a value that depends on the machine's speed."""
    return any(row.get(name) is not None for name in _timed_names(row))


def _timed_names(row: Row) -> list[str]:
    return [name for name in row if name.startswith(_TIMED)]


def _foreign(row: Row, shown: str, mix: bool) -> dict[str, Any]:
    where = _where(row)
    if mix:
        said = f"its times are of another machine ({where}) than those of most rows ({shown})"
        return {**row, "warnings": [*(row.get("warnings") or ()), said]}
    said = (
        f"its times are of another machine ({where}) than those of most rows ({shown}) and are not "
        "shown beside them; --resume --mix-machines shows them"
    )
    blank: Mapping[str, Any] = dict.fromkeys(_timed_names(row))
    return {**row, **blank, "warnings": [*(row.get("warnings") or ()), said]}


def _where(row: Row) -> str:
    node, key = row.get("node"), row.get("machine_key")
    return f"{key}, node {node}" if node else str(key)
