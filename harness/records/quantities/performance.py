"""Quantities of the roofline model, of energy and of the spread between processes."""

from collections.abc import Iterable

from harness.measure.roof import Roof
from harness.records.quantities.derived import stored
from harness.records.quantities.quantity import Quantity, Row

PEAK, BANDWIDTH = "peak_flops_per_second", "bandwidth_bytes_per_second"
"""Names under which `harness.present.rows` adds the ceilings over a row."""


def roof_of(row: Row) -> Roof | None:
    """The roof over a row; `None` where its machine is not calibrated for it."""
    peak, bandwidth = row.get(PEAK), row.get(BANDWIDTH)
    return Roof(peak, bandwidth) if peak and bandwidth else None


def intensity(row: Row) -> float | None:
    """Operations (2 per MAC) over the bytes that operators read and write."""
    flops, moved = row.get("flops"), row.get("bytes_moved")
    return None if flops is None or not moved else float(flops / moved)


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


def _bytes_per_second(row: Row) -> float | None:
    moved, seconds = row.get("bytes_moved"), row.get("latency_seconds")
    return None if moved is None or not seconds else float(moved / seconds)


_TRAFFIC = (
    "bytes that every operator reads and writes, views and allocations left out; a cache may spare "
    "the memory some of them"
)

PERFORMANCE: tuple[Quantity, ...] = (
    Quantity("bytes_moved", "Bytes moved", "bytes", stored("bytes_moved"), "MiB", 1, note=_TRAFFIC),
    Quantity(
        "arithmetic_intensity",
        "Arithmetic intensity",
        "intensity",
        intensity,
        "FLOP/B",
        1,
        note=f"operations, 2 per MAC, over the {_TRAFFIC}",
    ),
    Quantity("bytes_per_second", "Bandwidth used", "bandwidth", _bytes_per_second, "GB/s", 1),
    Quantity(
        "roof", "Roof", "text", roof_name, note="what limits the case: compute, or memory bandwidth"
    ),
    Quantity("attainable_flops_per_second", "Roof, FLOP/s", "operations", attainable, "G", 1),
    Quantity(
        "share_of_roof",
        "Share of roof",
        "ratio",
        share_of_roof,
        "%",
        1,
        note="achieved over attainable FLOP/s, ceilings as `harness calibrate` has measured them; "
        "above 100 % where operators find their data in a cache, or ceilings were measured on a "
        "busy machine",
    ),
    Quantity(
        "energy_joules",
        "Energy",
        "energy",
        stored("energy_joules"),
        "J",
        3,
        note="of one pass by the GPU's own counter over at least 1 s, idle power of the board "
        "included",
    ),
    Quantity("energy_watts", "Mean power", "power", stored("energy_watts"), "W", 1),
)

ON_CEILINGS = frozenset({"roof", "attainable_flops_per_second", "share_of_roof"})
"""Quantities that need a calibration."""


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


# Quantities of processes and of the allocators: what the memory model and replicates give.


def memory_prediction_error(row: Row) -> float | None:
    """Predicted over measured peak, less 1."""
    predicted, measured = row.get("predicted_peak_bytes"), row.get("measured_peak_bytes")
    return None if predicted is None or not measured else float(predicted / measured - 1)


def live_peak_error(row: Row) -> float | None:
    """The live peak of the row's pass over its measured peak, less 1."""
    training = row.get("pass") == "training"
    live = row.get("live_peak_training_bytes" if training else "live_peak_bytes")
    measured = row.get("measured_peak_bytes")
    return None if live is None or not measured else float(live / measured - 1)


def latency_spread(row: Row) -> float | None:
    """Largest less smallest median of the processes, over the median of all."""
    medians, middle = row.get("latency_processes_seconds"), row.get("latency_seconds")
    return None if not medians or not middle else float((max(medians) - min(medians)) / middle)


def _flags(row: Row) -> str | None:
    return ", ".join(row.get("latency_flags") or ()) or None


PROCESSES: tuple[Quantity, ...] = (
    Quantity(
        "predicted_peak_bytes",
        "Predicted peak",
        "bytes",
        stored("predicted_peak_bytes"),
        "MiB",
        1,
        note="live storages when an operator begins plus all that this operator, run alone at the "
        "same size, takes of the allocator; largest over the pass; input and parameters left out",
    ),
    Quantity(
        "measured_peak_bytes",
        "Measured peak",
        "bytes",
        stored("measured_peak_bytes"),
        "MiB",
        1,
        note="peak of one real pass: on the CPU what its allocator was asked for, as the profiler "
        "records it, on CUDA max_memory_allocated; input and parameters left out",
    ),
    Quantity(
        "memory_prediction_error",
        "Predicted / measured - 1",
        "ratio",
        memory_prediction_error,
        "%",
        2,
    ),
    Quantity("live_peak_error", "Live peak / measured - 1", "ratio", live_peak_error, "%", 2),
    Quantity(
        "predicted_peak_operator", "Operator at the peak", "text", stored("predicted_peak_operator")
    ),
    Quantity(
        "allocator_peak_bytes",
        "Allocator peak",
        "bytes",
        stored("allocator_peak_bytes"),
        "MiB",
        1,
        note="max_memory_allocated of one pass on CUDA over what was allocated before it; input "
        "and parameters left out",
    ),
    Quantity(
        "allocator_reserved_bytes",
        "Reserved",
        "bytes",
        stored("allocator_reserved_bytes"),
        "MiB",
        1,
        note="max_memory_reserved of the process, everything included",
    ),
    Quantity("threads", "Threads", "count", stored("threads"), decimals=0),
    Quantity("processes", "Processes", "count", stored("processes"), decimals=0),
    Quantity(
        "latency_spread",
        "Latency, spread over processes",
        "ratio",
        latency_spread,
        "%",
        2,
        note="largest less smallest median of the processes, over the median of their medians",
    ),
    Quantity("latency_flags", "Latency flags", "text", _flags),
    Quantity("latency_cache", "Cache", "text", stored("latency_cache")),
    Quantity(
        "compile_seconds",
        "Compilation",
        "seconds",
        stored("compile_seconds"),
        "ms",
        0,
        note="first pass of the compiled module, the compilation in it",
    ),
)
