"""The quantities that a table, a plot or a comparison can name."""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from harness.measure.convention import CONVENTIONS, operations
from harness.messages import HarnessError, hint
from harness.records.quantities.derived import (
    algorithmic_matmul_macs,
    as_json,
    elementwise_total,
    executed_over_algorithmic,
    input_bytes,
    input_height,
    interval_share,
    iqr_share,
    operations_per_second,
    operations_per_second_spread,
    positions,
    reasoning_operations,
    shape_text,
    stored,
    sum_of_outputs,
    sweep_name,
    total,
    with_input,
)
from harness.records.quantities.performance import PERFORMANCE, PROCESSES
from harness.records.quantities.quantity import Dimension, Quantity, Row

# Quantities of trainings: accuracies as papers print them, in per cent, and what they took.

_MIOU = ("miou_low", "miou_high")


def _seeds(row: Row) -> int | None:
    """How many trainings the mean is of."""
    seeds = row.get("miou_seeds")
    return None if seeds is None else len(seeds)


ACCURACY: tuple[Quantity, ...] = (
    Quantity(
        "miou",
        "mIoU",
        "ratio",
        stored("miou"),
        "%",
        2,
        interval=_MIOU,
        interval_note="mean over the seeds and the 95 % interval of that mean",
        # Papers print two decimals of it, and the interval of few seeds would leave none.
        rounded=False,
        note="mean over the classes, of all validation pixels together; over several seeds the "
        "mean of theirs",
    ),
    Quantity("miou_low", "mIoU, low", "ratio", stored(_MIOU[0]), "%", 2),
    Quantity("miou_high", "mIoU, high", "ratio", stored(_MIOU[1]), "%", 2),
    Quantity("pixel_acc", "Pixel accuracy", "ratio", stored("pixel_acc"), "%", 2),
    Quantity("class_iou", "IoU by class", "text", as_json("class_iou")),
    Quantity(
        "boundary_f",
        "Boundary F",
        "ratio",
        stored("boundary_f"),
        "%",
        2,
        note="mean over the classes at the first tolerance of the evaluation",
    ),
    Quantity(
        "miou_ceiling",
        "mIoU ceiling",
        "ratio",
        stored("miou_ceiling"),
        "%",
        2,
        note="the most, in expectation, that any network can reach that sees no farther than this "
        "one; computed from the data's structure",
    ),
    Quantity(
        "reach_pixels",
        "Reach",
        "pixels",
        stored("reach_pixels"),
        "px",
        0,
        note="farthest row or column that a prediction depends on",
    ),
    Quantity("context", "Context", "text", stored("context")),
    Quantity("recipe", "Recipe", "text", stored("recipe")),
    Quantity("data_version", "Data version", "text", stored("data_version")),
    Quantity("seeds", "Seeds", "count", _seeds, decimals=0),
    Quantity("train_steps", "Training steps", "count", stored("train_steps"), decimals=0),
    Quantity("train_loss", "Training loss", "ratio", stored("train_loss")),
    Quantity("train_seconds", "Training time", "seconds", stored("train_seconds"), "s", 0),
)


# Quantities that columns, plots and references can name, with dimension, head and usual unit.
#
# A row is flat data with stored names in SI base units. A stored quantity reads one of them, a
# derived one combines several; either is `None` where a part of it was not measured.


def _texts() -> list[Quantity]:
    plain = ["suite", "label", "status", "cause", "module", "device", "dtype", "pass", "verdict"]
    quantities = [Quantity(name, name.capitalize(), "text", stored(name)) for name in plain]
    quantities.append(Quantity("dtype", "Data type", "text", stored("dtype")))
    quantities.append(Quantity("arguments", "Arguments", "text", as_json("arguments")))
    quantities.append(
        Quantity("input", "Input", "text", lambda row: shape_text(row.get("input")) or None)
    )
    quantities.append(Quantity("sweep", "Sweep", "text", sweep_name))
    quantities.append(
        Quantity(
            "warnings", "Warnings", "text", lambda row: "; ".join(row.get("warnings") or ()) or None
        )
    )
    return quantities


_PEAK = "largest sum of live storages during the forward"
_LATENCY = ("latency_low_seconds", "latency_high_seconds")


def _by_convention() -> list[Quantity]:
    """The same counters under each convention, side by side in one table."""
    return [
        Quantity(
            f"operations_{name}",
            "FLOPs",
            "operations",
            partial(operations, convention=convention),
            None,
            convention=convention,
        )
        for name, convention in CONVENTIONS.items()
    ]


def _numbers() -> list[Quantity]:
    return [
        Quantity("input_height", "Input height", "pixels", input_height, "px", 0),
        Quantity(
            "positions",
            "Positions N = H W",
            "count",
            positions,
            decimals=0,
            symbol="N",
            note="of the first input",
        ),
        Quantity("params", "Parameters", "count", stored("params"), "M"),
        Quantity("param_bytes", "Parameter memory", "bytes", stored("param_bytes"), "MiB", 1),
        Quantity("input_bytes", "Input memory", "bytes", input_bytes, "MiB", 1),
        Quantity("operations", "FLOPs", "operations", stored("operations"), None),
        Quantity(
            "flops_2x",
            "FLOPs (2 per MAC)",
            "operations",
            stored("flops"),
            "G",
            note="twice the multiply-accumulates of convolutions and matrix products",
        ),
        Quantity("macs", "MACs", "operations", total("conv_macs", "matmul_macs"), "G"),
        *_by_convention(),
        Quantity("conv_macs", "Convolution MACs", "operations", stored("conv_macs"), "G"),
        Quantity("matmul_macs", "Matmul MACs", "operations", stored("matmul_macs"), "G"),
        Quantity(
            "algorithmic_macs",
            "Algorithmic MACs",
            "operations",
            stored("algorithmic_macs"),
            "G",
            note="the closed form that the module declares: every edge computed once",
        ),
        Quantity(
            "algorithmic_matmul_macs",
            "Algorithmic matmul MACs",
            "operations",
            algorithmic_matmul_macs,
            "G",
            note="the closed form that the module declares, less its convolutions",
        ),
        Quantity(
            "executed_over_algorithmic",
            "Executed / algorithmic MACs",
            "ratio",
            executed_over_algorithmic,
            note="above 1 where a kernel works in tiles or pads",
        ),
        Quantity(
            "elementwise_total", "Elementwise operations", "operations", elementwise_total, "G"
        ),
        Quantity(
            "reasoning_operations",
            "Reasoning operations",
            "operations",
            reasoning_operations,
            "G",
            note="matmul MACs plus elementwise multiplications, pooling, reductions and softmax; "
            "convolutions and their biases, norms and ReLUs, residual sums and copies left out",
        ),
        Quantity(
            "affinity_elements",
            "Affinity elements",
            "count",
            stored("affinity_elements"),
            decimals=0,
            note="elements of the relations between positions, channels or nodes that the module "
            "declares for one forward at batch 1; logits and their softmax count once",
        ),
        Quantity(
            "coverage",
            "Counter coverage",
            "ratio",
            stored("coverage"),
            "%",
            1,
            note="share of the work whose operators have a counting rule",
        ),
        Quantity(
            "live_peak_bytes",
            "Live peak",
            "bytes",
            stored("live_peak_bytes"),
            "MiB",
            1,
            note=f"{_PEAK}, inference; input and parameters left out",
        ),
        Quantity(
            "sum_of_outputs",
            "Sum of outputs",
            "bytes",
            sum_of_outputs,
            "MiB",
            2,
            note="outputs of modules in MiB plus outputs of functions in 1e6 bytes, as SRNet has",
        ),
        Quantity(
            "live_peak_with_params_bytes",
            "Live peak + parameters",
            "bytes",
            total("live_peak_bytes", "param_bytes"),
            "MiB",
            1,
            note=f"{_PEAK}, inference, plus parameters; input left out",
        ),
        Quantity(
            "live_peak_with_input_bytes",
            "Live peak + input",
            "bytes",
            with_input("live_peak_bytes"),
            "MiB",
            1,
            note=f"{_PEAK}, inference, plus input; parameters left out",
        ),
        Quantity(
            "live_peak_with_input_and_params_bytes",
            "Live peak + input + parameters",
            "bytes",
            with_input("live_peak_bytes", params=True),
            "MiB",
            1,
            note=f"{_PEAK}, inference, plus input and parameters",
        ),
        Quantity(
            "live_peak_training_bytes",
            "Live peak, training",
            "bytes",
            stored("live_peak_training_bytes"),
            "MiB",
            1,
            note="largest sum of live storages during forward and backward; input and parameters "
            "left out",
        ),
        Quantity(
            "resident_peak_bytes",
            "Resident peak",
            "bytes",
            stored("resident_peak_bytes"),
            "MiB",
            1,
            note="largest resident set of the whole process, framework included",
        ),
        Quantity(
            "latency_seconds",
            "Latency",
            "seconds",
            stored("latency_seconds"),
            "ms",
            interval=_LATENCY,
            interval_note="median and the 95 % interval of the median",
            note="median, with no more digits than its 95 % interval supports",
        ),
        Quantity("latency_low_seconds", "Latency, low", "seconds", stored(_LATENCY[0]), "ms"),
        Quantity("latency_high_seconds", "Latency, high", "seconds", stored(_LATENCY[1]), "ms"),
        Quantity(
            "latency_q1_seconds",
            "Latency, first quartile",
            "seconds",
            stored("latency_q1_seconds"),
            "ms",
        ),
        Quantity(
            "latency_q3_seconds",
            "Latency, third quartile",
            "seconds",
            stored("latency_q3_seconds"),
            "ms",
        ),
        Quantity(
            "latency_interval_share",
            "Latency, 95 % interval +-",
            "ratio",
            interval_share,
            "%",
            1,
            note="half width of the 95 % interval of the median over the median",
        ),
        Quantity(
            "latency_iqr_share",
            "Latency, IQR / median",
            "ratio",
            iqr_share,
            "%",
            1,
        ),
        Quantity(
            "flops_per_second",
            "FLOP/s (2 per MAC)",
            "operations",
            operations_per_second,
            "G",
            1,
            spread=operations_per_second_spread,
            interval_note="operations over the median latency and the 95 % interval of that median",
        ),
    ]


QUANTITIES: Mapping[str, Quantity] = {
    each.name: each for each in (*_texts(), *_numbers(), *ACCURACY, *PERFORMANCE, *PROCESSES)
}

# Short names of a suite. `flops` is what the suite's convention calls so, everywhere in a suite.
ALIASES: Mapping[str, str] = {
    "flops": "operations",
    "latency": "latency_seconds",
    "memory": "live_peak_bytes",
    "memory_training": "live_peak_training_bytes",
    "resident": "resident_peak_bytes",
    "allocator": "allocator_peak_bytes",
    "memory_model": "measured_peak_bytes",
    "energy": "energy_joules",
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


Values = Mapping[str, Any]


@dataclass(frozen=True)
class Metric:
    """One value of a case."""

    name: str  # as rows have it
    head: str  # how tables call it
    # `exact` values follow from module and input alone and are the same on every machine;
    # `measured` ones vary from process to process and belong to one machine
    kind: Literal["exact", "measured"]
    dimension: Dimension  # of its units
    # its value among those of a record, in SI base units; `None` if not measured
    read: Callable[[Values], Any] = field(repr=False)

    @property
    def seconds(self) -> bool:
        """Whether more of it is slower."""
        return self.dimension == "seconds"

    @property
    def is_measured(self) -> bool:
        """Whether it is judged by statistics, on one machine only."""
        return self.kind == "measured"


def _joules(values: Values) -> Any:
    """Energy over too short a window is a number, but no measurement."""
    return None if values.get("energy_valid") is False else values.get("energy_joules")


def _exact(name: str, head: str, dimension: Dimension) -> Metric:
    read = elementwise_total if name == "elementwise_total" else stored(name)
    return Metric(name, head, "exact", dimension, read)


def _measured(name: str, head: str, dimension: Dimension) -> Metric:
    read = _joules if name == "energy_joules" else stored(name)
    return Metric(name, head, "measured", dimension, read)


METRICS: Mapping[str, Metric] = {
    each.name: each
    for each in (
        _measured("latency_seconds", "Latency", "seconds"),
        _measured("energy_joules", "Energy", "energy"),
        _measured("resident_peak_bytes", "Resident peak", "bytes"),
        _measured("measured_peak_bytes", "Measured peak", "bytes"),
        _measured("allocator_peak_bytes", "Allocator peak", "bytes"),
        _measured("allocator_reserved_bytes", "Reserved", "bytes"),
        _exact("params", "Parameters", "count"),
        _exact("buffer_bytes", "Buffer memory", "bytes"),
        _exact("conv_macs", "Convolution MACs", "operations"),
        _exact("transposed_conv_macs", "Transposed convolution MACs", "operations"),
        _exact("matmul_macs", "Matmul MACs", "operations"),
        _exact("elementwise_total", "Elementwise operations", "operations"),
        _exact("bytes_moved", "Bytes moved", "bytes"),
        _exact("live_peak_bytes", "Live peak", "bytes"),
        _exact("live_peak_training_bytes", "Live peak, training", "bytes"),
    )
}

CASE = "case"
"""Stands for the case itself in verdicts that no single metric has: it failed."""
