"""Quantities that columns, plots and references can name, with dimension, head and usual unit.

A row is flat data with stored names in SI base units. A stored quantity reads one of them, a
derived one combines several; either is `None` where a part of it was not measured.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.errors import HarnessError
from harness.present.nearest import hint
from harness.present.units import Dimension, Unit, unit, with_unit
from harness.suite.presentation import ConventionSpec

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Quantity:
    """One thing that a row holds.

    Attributes:
        name: how suites call it, and its name in CSV files (SI base units).
        head: how tables and plots call it.
        dimension: what its units measure.
        read: its value in a row, in SI base units; `None` if not measured.
        unit: usual unit; `None` for operations, whose unit is the convention's.
        decimals: of an exact value in its usual unit.
        interval: names of the row's values that bound it, for measured quantities.
        note: what exactly it is, for the foot of a table.
    """

    name: str
    head: str
    dimension: Dimension
    read: Callable[[Row], Any] = field(repr=False)
    unit: str | None = "1"
    decimals: int = 3
    interval: tuple[str, str] | None = None
    note: str = ""

    def usual_unit(self, convention: ConventionSpec) -> Unit:
        """The unit in which it is shown when nothing else is asked for."""
        if self.unit is None:
            return Unit(convention.unit_name, convention.unit)
        return unit(self.unit, self.dimension)

    def titled(self, shown: Unit, convention: ConventionSpec) -> str:
        """Head with unit; the convention is named where the unit does not say it."""
        name = shown.name
        if self.unit is None and convention.name not in name.casefold():
            name = f"{name}, {convention.name}" if name != "1" else convention.name
        return with_unit(self.head, name)

    def number(self, row: Row) -> float | None:
        """Its value as a number; `None` for text, truth values and what was not measured."""
        value = self.read(row)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return value


def _stored(name: str) -> Callable[[Row], Any]:
    return lambda row: row.get(name)


def _sum(*names: str) -> Callable[[Row], Any]:
    def read(row: Row) -> Any:
        values = [row.get(name) for name in names]
        return None if any(value is None for value in values) else sum(values)

    return read


# Bytes per element of the dtypes that a case can have (harness.case.DType).
_ITEM_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}


def _input_bytes(row: Row) -> int | None:
    shapes, size = row.get("input"), _ITEM_BYTES.get(str(row.get("dtype")))
    if not shapes or size is None:
        return None
    return size * sum(_product(shape) for shape in shapes)


def _product(shape: Iterable[int]) -> int:
    total = 1
    for side in shape:
        total *= side
    return total


def _with_input(name: str, *, params: bool = False) -> Callable[[Row], Any]:
    def read(row: Row) -> Any:
        parts = [row.get(name), _input_bytes(row)]
        if params:
            parts.append(row.get("param_bytes"))
        return None if any(part is None for part in parts) else sum(p for p in parts if p)

    return read


def _elementwise(row: Row) -> int | None:
    kinds = row.get("elementwise_ops")
    return None if kinds is None else sum(kinds.values())


def _executed_over_algorithmic(row: Row) -> float | None:
    executed, algorithmic = row.get("matmul_macs"), row.get("algorithmic_macs")
    conv = row.get("conv_macs")
    if executed is None or conv is None or not algorithmic:
        return None
    return float((conv + executed) / algorithmic)


def _interval_share(row: Row) -> float | None:
    low, high = row.get("latency_low_seconds"), row.get("latency_high_seconds")
    middle = row.get("latency_seconds")
    if low is None or high is None or not middle:
        return None
    return float((high - low) / 2 / middle)


def _iqr_share(row: Row) -> float | None:
    low, high = row.get("latency_q1_seconds"), row.get("latency_q3_seconds")
    middle = row.get("latency_seconds")
    return None if low is None or high is None or not middle else float((high - low) / middle)


def _rate(row: Row) -> float | None:
    operations, seconds = row.get("flops"), row.get("latency_seconds")
    return None if operations is None or not seconds else float(operations / seconds)


def shape_text(shapes: Any) -> str:
    """`1x2048x128x128`; several inputs are joined by a comma."""
    if not shapes:
        return ""
    many = shapes if isinstance(shapes[0], Sequence) else [shapes]
    return ", ".join("x".join(str(side) for side in shape) for shape in many)


def _height(row: Row) -> Any:
    shapes = row.get("input")
    return shapes[0][-2] if shapes and len(shapes[0]) >= 2 else None


def _json(name: str) -> Callable[[Row], Any]:
    def read(row: Row) -> Any:
        value = row.get(name)
        return None if value is None else json.dumps(value, sort_keys=True)

    return read


def _texts() -> list[Quantity]:
    plain = ["suite", "label", "status", "cause", "module", "device", "dtype", "pass", "verdict"]
    quantities = [Quantity(name, name.capitalize(), "text", _stored(name)) for name in plain]
    quantities.append(Quantity("dtype", "Data type", "text", _stored("dtype")))
    quantities.append(Quantity("arguments", "Arguments", "text", _json("arguments")))
    quantities.append(
        Quantity("input", "Input", "text", lambda row: shape_text(row.get("input")) or None)
    )
    quantities.append(
        Quantity(
            "warnings", "Warnings", "text", lambda row: "; ".join(row.get("warnings") or ()) or None
        )
    )
    return quantities


_PEAK = "largest sum of live storages during the forward"
_LATENCY = ("latency_low_seconds", "latency_high_seconds")


def _numbers() -> list[Quantity]:
    return [
        Quantity("input_height", "Input height (pixels)", "count", _height, decimals=0),
        Quantity("params", "Parameters", "count", _stored("params"), "M"),
        Quantity("param_bytes", "Parameter memory", "bytes", _stored("param_bytes"), "MiB", 1),
        Quantity("input_bytes", "Input memory", "bytes", _input_bytes, "MiB", 1),
        Quantity("operations", "FLOPs", "operations", _stored("operations"), None),
        Quantity(
            "flops_2x",
            "FLOPs (2 per MAC)",
            "operations",
            _stored("flops"),
            "G",
            note="twice the multiply-accumulates of convolutions and matrix products",
        ),
        Quantity("macs", "MACs", "operations", _sum("conv_macs", "matmul_macs"), "G"),
        Quantity("conv_macs", "Convolution MACs", "operations", _stored("conv_macs"), "G"),
        Quantity("matmul_macs", "Matmul MACs", "operations", _stored("matmul_macs"), "G"),
        Quantity(
            "algorithmic_macs",
            "Algorithmic MACs",
            "operations",
            _stored("algorithmic_macs"),
            "G",
            note="the closed form that the module declares: every edge computed once",
        ),
        Quantity(
            "executed_over_algorithmic",
            "Executed / algorithmic MACs",
            "ratio",
            _executed_over_algorithmic,
            note="above 1 where a kernel works in tiles or pads",
        ),
        Quantity("elementwise_total", "Elementwise operations", "operations", _elementwise, "G"),
        Quantity(
            "coverage",
            "Counter coverage",
            "ratio",
            _stored("coverage"),
            "%",
            1,
            note="share of the work whose operators have a counting rule",
        ),
        Quantity(
            "live_peak_bytes",
            "Live peak",
            "bytes",
            _stored("live_peak_bytes"),
            "MiB",
            1,
            note=f"{_PEAK}, inference; input and parameters left out",
        ),
        Quantity(
            "live_peak_with_params_bytes",
            "Live peak + parameters",
            "bytes",
            _sum("live_peak_bytes", "param_bytes"),
            "MiB",
            1,
            note=f"{_PEAK}, inference, plus parameters; input left out",
        ),
        Quantity(
            "live_peak_with_input_bytes",
            "Live peak + input",
            "bytes",
            _with_input("live_peak_bytes"),
            "MiB",
            1,
            note=f"{_PEAK}, inference, plus input; parameters left out",
        ),
        Quantity(
            "live_peak_with_input_and_params_bytes",
            "Live peak + input + parameters",
            "bytes",
            _with_input("live_peak_bytes", params=True),
            "MiB",
            1,
            note=f"{_PEAK}, inference, plus input and parameters",
        ),
        Quantity(
            "live_peak_training_bytes",
            "Live peak, training",
            "bytes",
            _stored("live_peak_training_bytes"),
            "MiB",
            1,
            note="largest sum of live storages during forward and backward; input and parameters "
            "left out",
        ),
        Quantity(
            "resident_peak_bytes",
            "Resident peak",
            "bytes",
            _stored("resident_peak_bytes"),
            "MiB",
            1,
            note="largest resident set of the whole process, framework included",
        ),
        Quantity(
            "latency_seconds",
            "Latency",
            "seconds",
            _stored("latency_seconds"),
            "ms",
            interval=_LATENCY,
            note="median, with no more digits than its 95 % interval supports",
        ),
        Quantity("latency_low_seconds", "Latency, low", "seconds", _stored(_LATENCY[0]), "ms"),
        Quantity("latency_high_seconds", "Latency, high", "seconds", _stored(_LATENCY[1]), "ms"),
        Quantity(
            "latency_q1_seconds",
            "Latency, first quartile",
            "seconds",
            _stored("latency_q1_seconds"),
            "ms",
        ),
        Quantity(
            "latency_q3_seconds",
            "Latency, third quartile",
            "seconds",
            _stored("latency_q3_seconds"),
            "ms",
        ),
        Quantity(
            "latency_interval_share",
            "Latency, 95 % interval +-",
            "ratio",
            _interval_share,
            "%",
            1,
            note="half width of the 95 % interval of the median over the median",
        ),
        Quantity(
            "latency_iqr_share",
            "Latency, IQR / median",
            "ratio",
            _iqr_share,
            "%",
            1,
        ),
        Quantity(
            "flops_per_second",
            "FLOP/s (2 per MAC)",
            "operations",
            _rate,
            "G",
            1,
        ),
    ]


QUANTITIES: Mapping[str, Quantity] = {each.name: each for each in (*_texts(), *_numbers())}

# Short names of a suite. `flops` is what the suite's convention calls so, everywhere in a suite.
ALIASES: Mapping[str, str] = {
    "flops": "operations",
    "latency": "latency_seconds",
    "memory": "live_peak_bytes",
    "memory_training": "live_peak_training_bytes",
    "resident": "resident_peak_bytes",
}

_FACTORS = "factors."


def axes(rows: Iterable[Row]) -> tuple[str, ...]:
    """Grid axes that any of the rows has, in the order of their first appearance."""
    found: dict[str, None] = {}
    for row in rows:
        found.update(dict.fromkeys(row.get("factors") or {}))
    return tuple(found)


def _factor_value(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return shape_text(value) if value else ""
    return json.dumps(value, sort_keys=True) if isinstance(value, Mapping) else value


def factor(axis: str, rows: Iterable[Row]) -> Quantity:
    """The quantity that reads a grid axis; numeric where every row's value is a number."""
    values = [(row.get("factors") or {}).get(axis) for row in rows]
    present = [value for value in values if value is not None]
    numeric = bool(present) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in present
    )
    return Quantity(
        f"{_FACTORS}{axis}",
        axis,
        "count" if numeric else "text",
        lambda row: _factor_value((row.get("factors") or {}).get(axis)),
        decimals=0 if all(isinstance(value, int) for value in present) else 3,
    )


def find(name: str, rows: Collection[Row]) -> Quantity:
    """The quantity of that name.

    Args:
        name: a stored or derived quantity, a short name, `factors.<axis>` or a bare grid axis.
        rows: of the suite; they say which axes there are, and which pass `memory` means.

    Raises:
        HarnessError: no such quantity; names the nearest.
    """
    if name == "memory" and rows and all(row.get("pass") == "training" for row in rows):
        return QUANTITIES["live_peak_training_bytes"]
    known = QUANTITIES.get(ALIASES.get(name, name))
    if known is not None:
        return known
    grid = axes(rows)
    axis = name.removeprefix(_FACTORS)
    if axis in grid:
        return factor(axis, rows)
    every = [*QUANTITIES, *ALIASES, *grid, *(f"{_FACTORS}{each}" for each in grid)]
    raise HarnessError(f"unknown quantity {name!r}{hint(name, every)}")
