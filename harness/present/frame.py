"""Frames: the rows of a run, and its samples, as pandas tables with typed columns."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.case import is_number
from harness.judge.relative import RELATIVE
from harness.measure import METRICS
from harness.measure.metric import SCALES
from harness.records.quantities.derived import FACTORS
from harness.records.quantities.members import diagnosed
from harness.records.quantities.quantity import Quantity, Row
from harness.records.quantities.registry import ALIASES, QUANTITIES, axes, factor, own_quantities
from harness.records.record import Record

_MAPPINGS = ("elementwise_ops", "uncounted_ops")


# The columns that exported files begin with, so that those of two versions can be compared line by
# line. What came later, and what users' metrics give, follows in the order of the rows.
_FIRST = """
    suite label status cause module device dtype pass verdict arguments input sweep warnings
    input_height positions params param_bytes input_bytes operations flops_2x macs operations_flops
    operations_macs operations_torchstat operations_toolbox operations_gibi_macs conv_macs
    matmul_macs algorithmic_macs algorithmic_matmul_macs executed_over_algorithmic
    elementwise_total reasoning_operations affinity_elements coverage live_peak_bytes
    sum_of_outputs live_peak_with_params_bytes live_peak_with_input_bytes
    live_peak_with_input_and_params_bytes live_peak_training_bytes resident_peak_bytes
    latency_seconds latency_low_seconds latency_high_seconds latency_q1_seconds latency_q3_seconds
    latency_interval_share latency_iqr_share flops_per_second miou miou_low miou_high pixel_acc
    class_iou boundary_f miou_ceiling reach_pixels context recipe data_version seeds train_steps
    train_loss train_seconds bytes_moved arithmetic_intensity bytes_per_second roof
    attainable_flops_per_second share_of_roof energy_joules energy_watts predicted_peak_bytes
    measured_peak_bytes memory_prediction_error live_peak_error predicted_peak_operator
    allocator_peak_bytes allocator_requested_bytes allocator_reserved_bytes threads processes
    latency_spread latency_flags latency_cache compile_seconds
""".split()  # noqa: SIM905 - names in several lines

# Of derived quantities and of those that are not compared.
_COUNTERS = ("algorithmic_macs", "macs")


def _is_whole(quantity: Quantity) -> bool:
    """Whole numbers whatever the rows hold, so that an empty or failed run has the same types."""
    if quantity.name.startswith("factors."):
        return quantity.decimals == 0
    if quantity.dimension == "operations":
        return quantity.compared == "exactly" or quantity.name in _COUNTERS
    return quantity.dimension in ("bytes", "count", "pixels")


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, default=str)


def _typed_numbers(values: Sequence[float | None], whole: bool) -> "pd.Series[Any]":
    # Sums of what was stored may have left 64 bits.
    exact = whole and all(v is None or (float(v).is_integer() and abs(v) < 2**63) for v in values)
    if exact:
        return pd.Series([None if v is None else int(v) for v in values], dtype="Int64")
    return pd.Series(list(values), dtype="Float64")


def _quantity(quantity: Quantity, rows: Sequence[Row]) -> "pd.Series[Any]":
    if quantity.dimension == "text":
        return pd.Series([_as_text(quantity.read(row)) for row in rows], dtype="string")
    return _typed_numbers([quantity.number(row) for row in rows], _is_whole(quantity))


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
    known = {**QUANTITIES, **own_quantities(rows), **diagnosed(rows)}
    columns: dict[str, Any] = {name: _quantity(known[name], rows) for name in _FIRST}
    for axis in axes(rows):
        quantity = factor(axis, rows)
        columns[quantity.name] = _quantity(quantity, rows)
    for name in _MAPPINGS:
        columns[name] = pd.Series([_as_text(row.get(name)) for row in rows], dtype="string")
    for figure in dict.fromkeys(key for row in rows for key in row.get("verdicts") or {}):
        columns.update(_figure_columns(rows, figure))
    taken = {*columns, "declared", "diagnostics", "factors", "reported", "verdicts"}
    for name in dict.fromkeys((*(key for row in rows for key in row), *known)):
        if name in taken:
            continue
        if (found := known.get(name)) is not None:
            columns[name] = _quantity(found, rows)
            continue
        values = [row.get(name) for row in rows]
        columns[name] = (
            pd.Series(values, dtype="object").convert_dtypes()
            if _is_plain(values)
            else pd.Series([_as_text(value) for value in values], dtype="string")
        )
    return pd.DataFrame(columns)


def _is_plain(values: Sequence[Any]) -> bool:
    """Whether all are numbers, all truth values, or all text, where they are anything."""
    present = [value for value in values if value is not None]
    return all(map(is_number, present)) or (
        len(set(map(type, present))) == 1 and isinstance(present[0], (str, bool))
    )


# Words of a small set.
_WORDS = ("suite", "status", "device", "dtype", "pass", "verdict", "convention")

# Of what is no quantity, and of rates.
_ENDINGS: Mapping[str, str] = {
    "_bytes": "B",
    "_seconds": "s",
    "_joules": "J",
    "_watts": "W",
    "_per_second": "1/s",
}

# Of a frame of few columns: what a case is, of which some say something only where rows differ.
_CASE = ("suite", "label", "status", "cause", "device", "dtype", "pass", "input")
_ALWAYS = ("label", "status", "cause")
_VARYING = ("suite", "device", "dtype", "pass", "input")
_PRINTED = ("reported.", "difference.", "verdict.")

_SAMPLES = ("suite", "label", "replicate", "sample", "seconds")


def cases(rows: Sequence[Row], shown: Iterable[str] | None = ()) -> pd.DataFrame:
    """Rows as a table with categories, and units in `attrs["units"]`.

    Grid axes are columns by their own name; one that a quantity has is `factors.<axis>`.

    Args:
        shown: columns of the suite's tables, which stand here beside what metrics are looked at
            for; `None` for every column of `frame`.
    """
    known = {**QUANTITIES, **own_quantities(rows)}
    table = frame(rows)
    table = table.rename(columns=_plain_axes(table, rows))
    words = [name for name in table.columns if name in _WORDS or str(name).startswith("verdict.")]
    table = table.astype(dict.fromkeys(words, "category"))
    if shown is not None:
        table = table[_few(table, rows, shown)]
    table.attrs["units"] = {
        str(name): unit
        for name in table.columns
        if pd.api.types.is_numeric_dtype(table[name]) and (unit := _unit(str(name), known))
    }
    return table


def _plain_axes(table: pd.DataFrame, rows: Sequence[Row]) -> dict[str, str]:
    """Columns of grid axes by their names, as far as no other column has them."""
    return {f"{FACTORS}{axis}": axis for axis in axes(rows) if axis not in table.columns}


def _few(table: pd.DataFrame, rows: Sequence[Row], shown: Iterable[str]) -> list[str]:
    """What a reader looks for first: the case, its axes, what was measured, verdicts."""
    grid = [name for axis in axes(rows) for name in (axis, f"{FACTORS}{axis}")]
    metrics = [name for metric in METRICS.values() for name in metric.columns]
    metrics = [each for name in metrics for each in (name, *(QUANTITIES[name].interval or ()))]
    tables = [ALIASES.get(name, name) for name in shown]
    own = own_quantities(rows)
    asked = [*_CASE, *grid, *metrics, RELATIVE, *tables, *own, "verdict"]
    printed = [name for name in table.columns if str(name).startswith(_PRINTED)]
    several = {name for name in _VARYING if table[name].nunique() > 1}
    return [
        str(name)
        for name in dict.fromkeys((*asked, *printed))
        if name in table.columns
        and (
            name in _ALWAYS
            or name in several
            or (name not in _VARYING and table[name].notna().any())
        )
    ]


def _unit(name: str, quantities: Mapping[str, Quantity]) -> str:
    """Of a column's values; empty where it is not known (printed figures, grid axes)."""
    for ending, unit in _ENDINGS.items():
        if name.endswith(ending):
            return unit
    known = quantities.get(name)
    return SCALES[known.dimension].base if known is not None else ""


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
