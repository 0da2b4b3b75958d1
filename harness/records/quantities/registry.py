"""The quantities that a table, a plot or a comparison can name: stored, derived, declared, axes.

A row is flat data with stored names in SI base units. A stored quantity reads one of them, a
derived one combines several; either is `None` where a part of it was not measured.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any

from harness.case import is_number
from harness.measure import METRICS, TRAFFIC, VALUES
from harness.measure.convention import CONVENTIONS, operations
from harness.measure.own import declared
from harness.messages import HarnessError, axis_text, hint
from harness.records.quantities import derived
from harness.records.quantities.derived import (
    FACTORS,
    as_json,
    is_shape,
    quotient,
    shape_text,
    stored,
    total,
    width,
    with_input,
)
from harness.records.quantities.members import DIAGNOSED, diagnosed, find_diagnostic, find_member
from harness.records.quantities.quantity import Quantity, Row

_LIVE_PEAK = "largest sum of live storages during the forward, inference"
_TIMES = VALUES["latency_seconds"].samples
_PLAIN = ("suite", "label", "status", "cause", "module", "device", "pass", "verdict")

_OF_CASES = (
    *(Quantity(name, name.capitalize(), read=stored(name)) for name in _PLAIN),
    Quantity("dtype", "Data type", read=stored("dtype")),
    Quantity("arguments", "Arguments", read=as_json("arguments")),
    Quantity("input", "Input", read=lambda row: shape_text(row.get("input")) or None),
    Quantity("sweep", "Sweep", read=derived.sweep_name),
    Quantity("warnings", "Warnings", read=derived.warning_text),
    Quantity("input_height", "Input height", "pixels", "px", 0, read=derived.input_height),
    Quantity(
        "positions",
        "Positions N = H W",
        "count",
        decimals=0,
        symbol="N",
        note="of the first input",
        read=derived.positions,
    ),
    Quantity(
        "input_bytes", "Input memory", "bytes", "MiB", 1, better="neither", read=derived.input_bytes
    ),
    Quantity("processes", "Processes", "count", decimals=0, read=stored("processes")),
)

_FOLLOWING: Mapping[str, tuple[Quantity, ...]] = {
    "matmul_macs": (
        Quantity("operations", "FLOPs", "operations", None, read=stored("operations")),
        Quantity(
            "flops_2x",
            "FLOPs (2 per MAC)",
            "operations",
            "G",
            note="twice the multiply-accumulates of convolutions and matrix products",
            read=stored("flops"),
        ),
        Quantity("macs", "MACs", "operations", "G", read=total("conv_macs", "matmul_macs")),
        # The same counters under each convention, side by side in one table.
        *(
            Quantity(
                f"operations_{name}",
                "FLOPs",
                "operations",
                None,
                convention=convention,
                read=partial(operations, convention=convention),
            )
            for name, convention in CONVENTIONS.items()
        ),
    ),
    "functional_output_bytes": (
        Quantity(
            "sum_of_outputs",
            "Sum of outputs",
            "bytes",
            "MiB",
            2,
            "outputs of modules in MiB plus outputs of functions in 1e6 bytes, as SRNet has",
            read=derived.sum_of_outputs,
        ),
    ),
    "algorithmic_macs": (
        Quantity(
            "algorithmic_matmul_macs",
            "Algorithmic matmul MACs",
            "operations",
            "G",
            note="the closed form that the module declares, less its convolutions",
            read=derived.algorithmic_matmul_macs,
        ),
        Quantity(
            "executed_over_algorithmic",
            "Executed / algorithmic MACs",
            "ratio",
            note="above 1 where a kernel works in tiles or pads",
            better="lower",
            read=derived.executed_over_algorithmic,
        ),
    ),
    "elementwise_ops": (
        Quantity(
            "elementwise_total",
            "Elementwise operations",
            "operations",
            "G",
            compared="exactly",
            read=derived.elementwise_total,
        ),
        Quantity(
            "reasoning_operations",
            "Reasoning operations",
            "operations",
            "G",
            note="matmul MACs plus elementwise multiplications, pooling, reductions and softmax; "
            "convolutions and their biases, norms and ReLUs, residual sums and copies left out",
            read=derived.reasoning_operations,
        ),
    ),
    "bytes_moved": (
        Quantity(
            "arithmetic_intensity",
            "Arithmetic intensity",
            "intensity",
            "FLOP/B",
            1,
            f"operations, 2 per MAC, over the {TRAFFIC}",
            read=derived.intensity,
        ),
    ),
    "live_peak_bytes": (
        Quantity(
            "live_peak_with_params_bytes",
            "Live peak + parameters",
            "bytes",
            "MiB",
            1,
            f"{_LIVE_PEAK}, plus parameters; input left out",
            read=total("live_peak_bytes", "param_bytes"),
        ),
        Quantity(
            "live_peak_with_input_bytes",
            "Live peak + input",
            "bytes",
            "MiB",
            1,
            f"{_LIVE_PEAK}, plus input; parameters left out",
            read=with_input("live_peak_bytes"),
        ),
        Quantity(
            "live_peak_with_input_and_params_bytes",
            "Live peak + input + parameters",
            "bytes",
            "MiB",
            1,
            f"{_LIVE_PEAK}, plus input and parameters",
            read=with_input("live_peak_bytes", params=True),
        ),
    ),
    "kept_peak_bytes": (
        Quantity(
            "kept_peak_with_params_bytes",
            "Live peak, names kept + parameters",
            "bytes",
            "MiB",
            1,
            f"{_LIVE_PEAK}, if what a module's forward makes and gets from other modules were "
            "released only when it returns, plus parameters; input left out",
            read=total("kept_peak_bytes", "param_bytes"),
        ),
    ),
    "measured_peak_bytes": (
        Quantity(
            "memory_prediction_error",
            "Predicted / measured - 1",
            "ratio",
            "%",
            2,
            read=derived.memory_prediction_error,
        ),
        Quantity(
            "live_peak_error",
            "Live peak / measured - 1",
            "ratio",
            "%",
            2,
            read=derived.live_peak_error,
        ),
    ),
    "latency_seconds": (
        Quantity(
            "flops_per_second",
            "FLOP/s (2 per MAC)",
            "operations",
            "G",
            1,
            better="higher",
            interval_note="operations over the median latency and the 95 % interval of that median",
            spread=derived.operations_per_second_spread,
            samples=_TIMES,
            read=quotient("flops", "latency_seconds"),
        ),
        Quantity(
            "relative",
            "Relative time",
            "ratio",
            "1",
            2,
            "times the latency of the fastest row, or of the named one: geometric mean of the "
            "ratios within rounds, with its 95 % interval; = within 2 %, ~ not sure at p < 0.01, "
            "without an interval too few processes to tell",
            better="lower",
            interval=("relative_low", "relative_high"),
            read=stored("relative"),
        ),
        Quantity(
            "throughput",
            "Throughput",
            "rate",
            "inputs/s",
            1,
            "batch size over the median latency",
            better="higher",
            interval_note="batch size over the median latency and the 95 % interval of that median",
            spread=derived.throughput_spread,
            samples=_TIMES,
            read=derived.throughput,
        ),
        Quantity(
            "fps",
            "FPS",
            "rate",
            "1",
            1,
            "inputs a second, one after another: of batch size 1 alone",
            better="higher",
            interval_note="one over the median latency and the 95 % interval of that median",
            spread=derived.fps_spread,
            samples=_TIMES,
            read=derived.fps,
        ),
        Quantity(
            "bytes_per_second",
            "Bandwidth used",
            "bandwidth",
            "GB/s",
            1,
            better="higher",
            read=quotient("bytes_moved", "latency_seconds"),
        ),
        Quantity(
            "roof",
            "Roof",
            note="what limits the case: compute, or memory bandwidth",
            read=derived.roof_name,
        ),
        Quantity(
            "attainable_flops_per_second",
            "Roof, FLOP/s",
            "operations",
            "G",
            1,
            better="neither",  # a property of the machine
            read=derived.attainable,
        ),
        Quantity(
            "share_of_roof",
            "Share of roof",
            "ratio",
            "%",
            1,
            "achieved over attainable FLOP/s, ceilings as `harness calibrate` has measured them; "
            "above 100 % where operators find their data in a cache, or ceilings were measured on "
            "a busy machine",
            better="higher",
            read=derived.share_of_roof,
        ),
        Quantity(
            "latency_spread",
            "Latency, spread over processes",
            "ratio",
            "%",
            2,
            "largest less smallest median of the processes, over the median of their medians",
            read=derived.latency_spread,
        ),
    ),
    "latency_q3_seconds": (
        Quantity(
            "latency_interval_share",
            "Latency, 95 % interval +-",
            "ratio",
            "%",
            1,
            "half width of the 95 % interval of the median over the median",
            read=width("latency_low_seconds", "latency_high_seconds", "latency_seconds", parts=2),
        ),
        Quantity(
            "latency_iqr_share",
            "Latency, IQR / median",
            "ratio",
            "%",
            1,
            read=width("latency_q1_seconds", "latency_q3_seconds", "latency_seconds"),
        ),
    ),
    "latency_flags": (Quantity("latency_flags", "Latency flags", read=derived.latency_flags),),
    "miou_seeds": (Quantity("seeds", "Seeds", "count", decimals=0, read=derived.seeds),),
    "seeds_stopped": (
        Quantity(
            "seeds_stopped",
            "Seeds ended",
            note="separated: told apart from every other row; narrow: differences known to the "
            "points asked for; limit: neither",
            read=derived.seeds_stopped,
        ),
    ),
    "class_iou": (Quantity("class_iou", "IoU by class", read=as_json("class_iou")),),
}
"""What follows from stored values, by one that it needs."""


QUANTITIES: dict[str, Quantity] = {each.name: each for each in _OF_CASES}

BROUGHT_BY: dict[str, str] = {}
"""Quantity: the metric that brings it, or the last part of it; none of what every case has."""

for _metric, _value in ((metric, value) for metric in METRICS.values() for value in metric.values):
    _brought = [Quantity(**vars(_value), read=stored(_value.name))] if _value.head else []
    _brought += _FOLLOWING.get(_value.name, ())
    QUANTITIES |= {each.name: each for each in _brought}
    BROUGHT_BY |= dict.fromkeys((each.name for each in _brought), _metric.name)

ON_CEILINGS = frozenset({"roof", "attainable_flops_per_second", "share_of_roof"})
"""Quantities that need a calibration."""

COMPARED: Mapping[str, Quantity] = {
    each.name: each
    for each in sorted(
        (quantity for quantity in QUANTITIES.values() if quantity.compared),
        key=lambda each: (not each.is_measured, each.dimension not in ("seconds", "energy")),
    )
}
"""In which runs are compared and followed: times, what else varies, then what is exact."""

CASE = "case"
"""Stands for the case itself in verdicts that no single metric has: it failed."""

# Short names of a suite. `flops` is what the suite's convention calls so, everywhere in a suite.
ALIASES: Mapping[str, str] = {
    **{m.name: m.columns[0] for m in METRICS.values() if m.columns and m.name not in m.columns},
    "memory_training": "live_peak_training_bytes",
}

RIGHT_SHARES = frozenset(v.name for v in METRICS["accuracy"].values if v.better == "higher")
"""Shares of right answers, of which few points matter."""


_OF_ROWS = {
    *("autocast", "call", "case_key", "channels_last", "compile", "convention", "declared"),
    *("elapsed_seconds", "float32", "gpu", "prepare"),
    *("factors", "machine_key", "node", "replicate", "reported", "verdicts"),
    *("latency_processes_seconds", derived.PEAK, derived.BANDWIDTH, "turns"),
    *("relative_low", "relative_high", "relative_verdict", "relative_to"),
}


_TAKEN = frozenset((*QUANTITIES, *ALIASES, *METRICS, *VALUES, *_OF_ROWS))


def is_taken(name: str) -> bool:
    """Whether a user's metric cannot store a value under that name."""
    return name in _TAKEN


def own_quantities(rows: Iterable[Row]) -> dict[str, Quantity]:
    """What users' metrics gave the rows, by stored name."""
    return {
        name: Quantity(**vars(value), read=stored(name)) for name, value in declared(rows).items()
    }


def axes(rows: Iterable[Row]) -> tuple[str, ...]:
    """Grid axes that any of the rows has, in the order of their first appearance."""
    found: dict[str, None] = {}
    for row in rows:
        found.update(dict.fromkeys(row.get("factors") or {}))
    return tuple(found)


def factor(axis: str, rows: Iterable[Row]) -> Quantity:
    """The quantity that reads a grid axis; numeric where every row's value is a number."""
    values = [(row.get("factors") or {}).get(axis) for row in rows]
    present = [value for value in values if value is not None]
    numeric = bool(present) and all(map(is_number, present))

    def read(row: Row) -> Any:
        value = (row.get("factors") or {}).get(axis)
        if isinstance(value, (list, tuple)):
            return shape_text(value) if is_shape(value) else axis_text(list(value))
        return json.dumps(value, sort_keys=True) if isinstance(value, Mapping) else value

    return Quantity(
        f"{FACTORS}{axis}",
        axis,
        "count" if numeric else "text",
        decimals=0 if all(isinstance(value, int) for value in present) else 3,
        read=read,
    )


def find(name: str, rows: Collection[Row]) -> Quantity:
    """The quantity of that name.

    Args:
        name: a quantity, one that a user's metric gives the rows, a short name, one of a class or a
            diagnostic (`class_iou.<class>`), `factors.<axis>` or a bare grid axis.
        rows: of the suite; they say which axes there are, and which pass `memory` means.

    Raises:
        HarnessError: no such quantity; names the nearest.
    """
    if name == "memory" and rows and all(row.get("pass") == "training" for row in rows):
        return QUANTITIES["live_peak_training_bytes"]
    if (known := QUANTITIES.get(ALIASES.get(name, name))) is not None:
        return known
    own = own_quantities(rows)
    if name in own:
        return own[name]
    if (of_one := find_member(name, rows)) is not None:
        return of_one
    grid = axes(rows)
    axis = name.removeprefix(FACTORS)
    if axis in grid:
        return factor(axis, rows)
    if (diagnostic := find_diagnostic(name, rows)) is not None:
        return diagnostic
    every = [*QUANTITIES, *ALIASES, *own, *grid, *(f"{FACTORS}{each}" for each in grid)]
    every += [*DIAGNOSED, *diagnosed(rows)]
    raise HarnessError(f"unknown quantity {name!r}{hint(name, every)}")
