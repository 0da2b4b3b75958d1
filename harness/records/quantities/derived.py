"""Readers of rows: stored values, and those that follow from several; `None` if one is missing."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from harness.measure.convention import Roof
from harness.messages import axis_text, with_axes
from harness.records.quantities.quantity import Quantity, Row


def stored(name: str) -> Callable[[Row], Any]:
    """Reads a stored value."""
    return lambda row: row.get(name)


def total(*names: str) -> Callable[[Row], Any]:
    """Reads a sum of stored values."""

    def read(row: Row) -> Any:
        values = [row.get(name) for name in names]
        return None if any(value is None for value in values) else sum(values)

    return read


def quotient(top: str, bottom: str) -> Callable[[Row], float | None]:
    """Reads one stored value over another; `None` where that is 0."""

    def read(row: Row) -> float | None:
        above, below = row.get(top), row.get(bottom)
        return None if above is None or not below else float(above / below)

    return read


def width(low: str, high: str, over: str, parts: int = 1) -> Callable[[Row], float | None]:
    """Reads the distance of two stored values, or a part of it, over a third."""

    def read(row: Row) -> float | None:
        first, last, middle = row.get(low), row.get(high), row.get(over)
        if first is None or last is None or not middle:
            return None
        return float((last - first) / parts / middle)

    return read


intensity = quotient("flops", "bytes_moved")
"""Operations (2 per MAC) over the bytes that operators read and write."""


# Bytes per element of the dtypes that a case can have (harness.case.DType).
_ITEM_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}


def input_bytes(row: Row) -> int | None:
    """Bytes of the inputs: stored, or from their shapes and data type."""
    if row.get("input_bytes") is not None:
        return int(row["input_bytes"])
    shapes, size = row.get("input"), _ITEM_BYTES.get(str(row.get("dtype")))
    if not shapes or size is None:
        return None
    return size * sum(_product(shape) for shape in shapes)


def _product(shape: Iterable[int]) -> int:
    total = 1
    for side in shape:
        total *= side
    return total


def with_input(name: str, *, params: bool = False) -> Callable[[Row], Any]:
    """Reads stored bytes plus those of the inputs, and of the parameters if asked for."""

    def read(row: Row) -> Any:
        parts = [row.get(name), input_bytes(row)]
        if params:
            parts.append(row.get("param_bytes"))
        return None if any(part is None for part in parts) else sum(p for p in parts if p)

    return read


def elementwise_total(row: Row) -> int | None:
    """Elementwise operations of all kinds."""
    kinds = row.get("elementwise_ops")
    return None if kinds is None else sum(kinds.values())


def executed_over_algorithmic(row: Row) -> float | None:
    """MACs that ran over those of the closed form that the module declares."""
    executed, algorithmic = row.get("matmul_macs"), row.get("algorithmic_macs")
    conv = row.get("conv_macs")
    if executed is None or conv is None or not algorithmic:
        return None
    return float((conv + executed) / algorithmic)


def algorithmic_matmul_macs(row: Row) -> int | None:
    """The closed form less the convolutions: products of matrices by their edges alone."""
    algorithmic, conv = row.get("algorithmic_macs"), row.get("conv_macs")
    return None if algorithmic is None or conv is None else int(algorithmic - conv)


def sum_of_outputs(row: Row) -> float | None:
    """Outputs of modules in MiB plus outputs of functions in 1e6 bytes, as bytes of that MiB."""
    modules, functions = row.get("module_output_bytes"), row.get("functional_output_bytes")
    if modules is None or functions is None:
        return None
    return float(modules + functions * 2**20 / 1e6)


def operations_per_second_spread(row: Row) -> tuple[float, float] | None:
    """Operations over both ends of the interval of the median latency, the slower first."""
    operations = row.get("flops")
    low, high = row.get("latency_low_seconds"), row.get("latency_high_seconds")
    if operations is None or not low or not high:
        return None
    return float(operations / high), float(operations / low)


def throughput(row: Row) -> float | None:
    """Inputs a second: the batch size, first of the first input's sizes, over the latency."""
    batch, seconds = _batch(row), row.get("latency_seconds")
    return None if batch is None or not seconds else float(batch / seconds)


def throughput_spread(row: Row) -> tuple[float, float] | None:
    """The batch size over both ends of the interval of the median latency, the slower first."""
    batch = _batch(row)
    low, high = row.get("latency_low_seconds"), row.get("latency_high_seconds")
    return None if batch is None or not low or not high else (batch / high, batch / low)


def fps(row: Row) -> float | None:
    """Inputs a second that come one after another; a batch has only a throughput."""
    return throughput(row) if _batch(row) == 1 else None


def fps_spread(row: Row) -> tuple[float, float] | None:
    """`throughput_spread` of a batch of one."""
    return throughput_spread(row) if _batch(row) == 1 else None


def _batch(row: Row) -> int | None:
    shapes = row.get("input")
    return int(shapes[0][0]) if shapes and shapes[0] else None


# Of the work between the convolutions: what squeezes, relates and scales. Bias, batch norm and ReLU
# belong to the convolutions; copies and residual sums are no reasoning.
REASONING_KINDS = ("mul", "pool", "reduce", "softmax")


def reasoning_operations(row: Row) -> int | None:
    """Matmul MACs and the elementwise operations of the reasoning, convolutions left out."""
    matmul, kinds = row.get("matmul_macs"), row.get("elementwise_ops")
    if matmul is None or kinds is None:
        return None
    return int(matmul + sum(kinds.get(kind, 0) for kind in REASONING_KINDS))


def seeds(row: Row) -> int | None:
    """How many trainings the mean accuracy is of."""
    found = row.get("miou_seeds")
    return None if found is None else len(found)


def seeds_stopped(row: Row) -> str | None:
    """Why rounds of seeds gave it no more."""
    found = row.get("seeds_stopped")
    return None if found is None else str(found["why"])


def warning_text(row: Row) -> str | None:
    """The sentences for the reader in one line."""
    return "; ".join(row.get("warnings") or ()) or None


def positions(row: Row) -> int | None:
    """Positions of the first input: the product of its sides behind batch and channels."""
    shapes = row.get("input")
    return _product(shapes[0][2:]) if shapes and len(shapes[0]) > 2 else None


def is_shape(value: Sequence[Any]) -> bool:
    """Whether `shape_text` can write it: one shape, or several."""
    shapes = value if value and isinstance(value[0], (list, tuple)) else [value]
    return all(
        isinstance(shape, (list, tuple)) and all(isinstance(side, int) for side in shape)
        for shape in shapes
    )


def shape_text(shapes: Any) -> str:
    """`1x2048x128x128`; several inputs are joined by a comma."""
    if not shapes:
        return ""
    many = shapes if isinstance(shapes[0], Sequence) else [shapes]
    return ", ".join("x".join(str(side) for side in shape) for shape in many)


def input_height(row: Row) -> Any:
    """Height of the first input."""
    shapes = row.get("input")
    return shapes[0][-2] if shapes and len(shapes[0]) >= 2 else None


def as_json(name: str) -> Callable[[Row], Any]:
    """Reads a stored structure as JSON text with sorted keys."""

    def read(row: Row) -> Any:
        value = row.get(name)
        return None if value is None else json.dumps(value, sort_keys=True)

    return read


PEAK, BANDWIDTH = "peak_flops_per_second", "bandwidth_bytes_per_second"
"""Names under which `harness.present.rows` adds the ceilings over a row."""


def roof_of(row: Row) -> Roof | None:
    """The roof over a row; `None` where its machine is not calibrated for it."""
    peak, bandwidth = row.get(PEAK), row.get(BANDWIDTH)
    return Roof(peak, bandwidth) if peak and bandwidth else None


def roof_name(row: Row) -> str | None:
    """Which roof limits a row: `compute` or `memory`."""
    roof, flops, moved = roof_of(row), row.get("flops"), row.get("bytes_moved")
    return None if roof is None or flops is None or not moved else roof.bound(flops, moved)


def attainable(row: Row) -> float | None:
    """FLOP/s that the roof allows at a row's arithmetic intensity."""
    roof, at = roof_of(row), intensity(row)
    return None if roof is None or at is None else roof.attainable(at)


def share_of_roof(row: Row) -> float | None:
    """Achieved over attainable FLOP/s; of the bandwidth where nothing but elements is worked on."""
    roof, flops, moved = roof_of(row), row.get("flops"), row.get("bytes_moved")
    seconds = row.get("latency_seconds")
    if roof is None or flops is None or not moved or not seconds:
        return None
    return roof.least_seconds(flops, moved) / float(seconds)


def uncalibrated(rows: Iterable[Row]) -> list[str]:
    """One line per device and thread count whose rows were timed and have no roof."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.get("latency_seconds") is not None and roof_of(row) is None:
            threads = row.get("threads") if row.get("device") == "cpu" else None
            option = "" if threads is None else f" --threads {threads}"
            command = f"harness calibrate --device {row.get('device')}{option}"
            found.setdefault(command, []).append(str(row.get("dtype")))
    return [
        f"No roof of {', '.join(dict.fromkeys(dtypes))} is known for the machine of these rows; "
        f"run `{command}` on it."
        for command, dtypes in found.items()
    ]


def memory_prediction_error(row: Row) -> float | None:
    """Predicted over measured peak, less 1."""
    found = quotient("predicted_peak_bytes", "measured_peak_bytes")(row)
    return None if found is None else found - 1


def live_peak_error(row: Row) -> float | None:
    """The live peak of the row's pass over its measured peak, less 1."""
    live = "live_peak_training_bytes" if row.get("pass") == "training" else "live_peak_bytes"
    found = quotient(live, "measured_peak_bytes")(row)
    return None if found is None else found - 1


def latency_spread(row: Row) -> float | None:
    """Largest less smallest median of the processes, over the median of all."""
    medians, middle = row.get("latency_processes_seconds"), row.get("latency_seconds")
    return None if not medians or not middle else float((max(medians) - min(medians)) / middle)


def latency_flags(row: Row) -> str | None:
    """What the samples of the latency show, in one line."""
    return ", ".join(row.get("latency_flags") or ()) or None


# Sweep: the rows that one entry of a suite makes of one module along a swept axis.

INPUT = "input"
FACTORS = "factors."


def axis_of(over: Quantity) -> str:
    """The grid axis behind a quantity that rows are fitted over; the input by default."""
    return over.name.removeprefix(FACTORS) if over.name.startswith(FACTORS) else INPUT


def sweep_name(row: Row, axis: str = INPUT) -> str:
    """The label of a row without the value of its swept axis: the name that its sweep goes by.

    `Non-local (input=1x512x64x64)` and `Non-local 1x512x64x64` (from the template
    `Non-local {input}`) both belong to `Non-local`; a row that no grid made is its own sweep.
    """
    name = str(row.get("label"))
    factors: Mapping[str, Any] = row.get("factors") or {}
    if axis not in factors:
        return name
    texts = {each: axis_text(_as_lists(value)) for each, value in factors.items()}
    # A label without a template gets its axes appended, `module` only where the label is given.
    for listed in (texts, {each: text for each, text in texts.items() if each != "module"}):
        appended = with_axes("", listed)
        if appended and name.endswith(appended):
            rest = {each: text for each, text in listed.items() if each != axis}
            return with_axes(name.removesuffix(appended), rest)
    before, found, after = name.rpartition(texts[axis])
    if not found:
        return name
    # Without what a removed value leaves: `NL ()`, `NL, , k=3`, two spaces.
    whole = re.sub(r"\(\s*\)|\[\s*\]", "", f"{before}{after}")
    return " ".join(re.sub(r"[\s,;]*([,;])", r"\1", whole).split()).strip(" ,;:@=")


def sweeps(rows: Iterable[Row], axis: str = INPUT) -> dict[str, list[Row]]:
    """Rows by sweep, in the order of first appearance."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(sweep_name(row, axis), []).append(row)
    return found


def _as_lists(value: Any) -> Any:
    return [_as_lists(each) for each in value] if isinstance(value, (list, tuple)) else value
