"""Frames: the rows of a run, and its samples, as pandas tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from harness.present.frame import frame
from harness.present.quantities import QUANTITIES
from harness.records.record import Record

# Words of a small set.
_CATEGORIES = ("suite", "status", "device", "dtype", "pass", "verdict", "convention")

# Of dimensions in the unit that rows store them in.
_UNITS: Mapping[str, str] = {
    "bytes": "B",
    "seconds": "s",
    "count": "1",
    "pixels": "px",
    "operations": "1",
    "ratio": "1",
}
_ENDINGS: Mapping[str, str] = {
    "_bytes": "B",
    "_seconds": "s",
    "_joules": "J",
    "_watts": "W",
    "_per_second": "1/s",
}
_SAMPLES = ("suite", "label", "replicate", "sample", "seconds")


def cases(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows as a table with categories, and units in `attrs["units"]`.

    Args:
        rows: annotated, one per case.
    """
    table = frame(rows)
    words = [
        name for name in table.columns if name in _CATEGORIES or str(name).startswith("verdict.")
    ]
    table = table.astype(dict.fromkeys(words, "category"))
    table.attrs["units"] = {
        str(name): unit
        for name in table.columns
        if pd.api.types.is_numeric_dtype(table[name]) and (unit := _unit(str(name)))
    }
    return table


def _unit(name: str) -> str:
    """Of a column's values; empty where it is not known (printed figures, grid axes)."""
    for ending, unit in _ENDINGS.items():
        if name.endswith(ending):
            return unit
    quantity = QUANTITIES.get(name)
    return _UNITS.get(quantity.dimension, "") if quantity is not None else ""


def samples(records: Sequence[Record]) -> pd.DataFrame:
    """One line per sample of a latency, in the order in which they were taken."""
    lines = [
        (record.suite, record.label, record.replicate, number, seconds)
        for record in records
        for number, seconds in enumerate(record.values.get("latency_samples_seconds") or ())
    ]
    table = pd.DataFrame(lines, columns=pd.Index(_SAMPLES)).astype(
        {
            "suite": "category",
            "label": "string",
            "replicate": "Int64",
            "sample": "Int64",
            "seconds": "Float64",
        }
    )
    table.attrs["units"] = {"seconds": "s"}
    return table
