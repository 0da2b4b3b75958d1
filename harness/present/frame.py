"""Frames: the rows of a run, and its samples, as pandas tables with typed columns."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from harness.records.quantities.quantity import Quantity, Row
from harness.records.quantities.registry import QUANTITIES, axes, factor
from harness.records.record import Record

# Whole numbers whatever the rows hold, so that an empty or failed run has the same types.
_WHOLE = frozenset(
    name for name, each in QUANTITIES.items() if each.dimension in ("bytes", "count", "pixels")
) | {"conv_macs", "matmul_macs", "algorithmic_macs", "macs", "elementwise_total"}

_MAPPINGS = ("elementwise_ops", "uncounted_ops")


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, default=str)


def _typed_numbers(values: Sequence[float | None], whole: bool) -> "pd.Series[Any]":
    exact = whole and all(value is None or float(value).is_integer() for value in values)
    if exact:
        return pd.Series([None if v is None else int(v) for v in values], dtype="Int64")
    return pd.Series(list(values), dtype="Float64")


def _typed(quantity: Quantity, rows: Sequence[Row], whole: bool) -> "pd.Series[Any]":
    if quantity.dimension == "text":
        return pd.Series([_as_text(quantity.read(row)) for row in rows], dtype="string")
    return _typed_numbers([quantity.number(row) for row in rows], whole)


def _figure_columns(rows: Sequence[Row], figure: str) -> dict[str, "pd.Series[Any]"]:
    each: list[Mapping[str, Any]] = [(row.get("verdicts") or {}).get(figure) or {} for row in rows]
    return {
        f"reported.{figure}": _typed_numbers([one.get("printed") for one in each], whole=False),
        f"difference.{figure}": _typed_numbers(
            [one.get("difference") for one in each], whole=False
        ),
        f"verdict.{figure}": pd.Series([one.get("verdict") for one in each], dtype="string"),
    }


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Rows as a table: one line per record, failed ones included, SI base units.

    Columns: every stored and derived quantity by its name; `factors.<axis>` per grid axis;
    `elementwise_ops` and `uncounted_ops` as JSON text; for annotated rows `reported.<figure>`,
    `difference.<figure>` (relative) and `verdict.<figure>`. Text is `string`, whole numbers are
    `Int64`, others `Float64`; what was not measured is `<NA>`. Whatever else the rows hold under a
    plain name stays as it is.
    """
    columns: dict[str, Any] = {
        name: _typed(quantity, rows, name in _WHOLE) for name, quantity in QUANTITIES.items()
    }
    for axis in axes(rows):
        quantity = factor(axis, rows)
        columns[quantity.name] = _typed(quantity, rows, quantity.decimals == 0)
    for name in _MAPPINGS:
        columns[name] = pd.Series([_as_text(row.get(name)) for row in rows], dtype="string")
    for figure in dict.fromkeys(key for row in rows for key in row.get("verdicts") or {}):
        columns.update(_figure_columns(rows, figure))
    taken = {*columns, "factors", "reported", "verdicts"}
    for name in dict.fromkeys(key for row in rows for key in row if key not in taken):
        values = [row.get(name) for row in rows]
        nested = any(isinstance(value, (list, tuple, Mapping)) for value in values)
        columns[name] = (
            pd.Series([_as_text(value) for value in values], dtype="string")
            if nested
            else pd.Series(values, dtype="object").convert_dtypes()
        )
    return pd.DataFrame(columns)


# Words of a small set.
_WORDS = ("suite", "status", "device", "dtype", "pass", "verdict", "convention")

# Of dimensions in the unit that rows store them in.
_DIMENSION_UNITS: Mapping[str, str] = {
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
    words = [name for name in table.columns if name in _WORDS or str(name).startswith("verdict.")]
    table = table.astype(dict.fromkeys(words, "category"))
    table.attrs["units"] = {
        str(name): unit
        for name in table.columns
        if pd.api.types.is_numeric_dtype(table[name]) and (unit := _column_unit(str(name)))
    }
    return table


def _column_unit(name: str) -> str:
    """Of a column's values; empty where it is not known (printed figures, grid axes)."""
    for ending, unit in _ENDINGS.items():
        if name.endswith(ending):
            return unit
    quantity = QUANTITIES.get(name)
    return _DIMENSION_UNITS.get(quantity.dimension, "") if quantity is not None else ""


def samples_frame(records: Sequence[Record]) -> pd.DataFrame:
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
