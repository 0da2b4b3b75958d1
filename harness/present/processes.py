"""Quantities of processes and of the allocators: what the memory model and replicates give."""

from harness.present.derived import stored
from harness.present.quantity import Quantity, Row


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


QUANTITIES: tuple[Quantity, ...] = (
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
