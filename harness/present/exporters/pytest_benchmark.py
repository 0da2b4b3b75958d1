"""pytest-benchmark's JSON, as `pytest --benchmark-json` writes it, for `pytest-benchmark compare`.

Each case is a benchmark, grouped by suite; its rounds are the latency samples of all its processes.
"""

import json
import math
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from harness.present.exporters.exported import Exported, ExportError, figures, unique_name
from harness.records.quantities.quantity import Row
from harness.records.record import finite

VERSION = "5.3.1"
"""Of pytest-benchmark, whose layout this is and with whose reader it is tested."""

_TUKEY = 1.5  # Tukey 1977, Exploratory Data Analysis, section 2C: fences at 1.5 quartile ranges


def pytest_benchmark(run: Exported) -> str:
    """A run as pytest-benchmark's JSON; cases without a latency are left out.

    Raises:
        ExportError: no case has a latency.
    """
    benchmarks = [_benchmark(row) for row in run.measured() if _samples(row)]
    if not benchmarks:
        raise ExportError(
            f"{run.path}: no case has a latency, which is all that pytest-benchmark compares; "
            "run with --metrics latency, or export to csv or bencher"
        )
    git = run.environment.get("git") or {}
    data = {
        "machine_info": _machine_info(run.environment),
        "commit_info": {
            "id": git.get("commit") or "unknown",
            "time": None,
            "author_time": None,
            "dirty": bool(git.get("dirty")),
            "project": run.suite,
            "branch": "(unknown)",
        },
        "benchmarks": benchmarks,
        "datetime": run.started_at,
        "version": VERSION,
    }
    return json.dumps(finite(data), indent=2, allow_nan=False) + "\n"


def _samples(row: Row) -> list[float]:
    samples = row.get("latency_samples_seconds") or [row.get("latency_seconds")]
    return [sample for sample in samples if sample is not None]


def _benchmark(row: Row) -> dict[str, Any]:
    extra = {figure.metric: figure.value for figure in figures(row)}
    for name in ("module", "input", "device", "dtype", "pass", "case_key", "machine_key"):
        extra[name] = row[name]
    return {
        "group": row["suite"],
        "name": row["label"],
        "fullname": unique_name(row),
        "params": dict(row["arguments"]) or None,
        "param": None,
        "extra_info": extra | {"processes": row.get("processes", 1)},
        "options": {"timer": "perf_counter", "disable_gc": False, "warmup": True},
        "stats": stats(_samples(row)),
    }


def stats(samples: Sequence[float]) -> dict[str, Any]:
    """The statistics that pytest-benchmark keeps of a benchmark, in seconds."""
    data = sorted(samples)
    n, mean = len(data), statistics.fmean(data)
    deviation = statistics.stdev(data) if n > 1 else 0.0
    first, third = _quartiles(data)
    low, high = first - _TUKEY * (third - first), third + _TUKEY * (third - first)
    beyond_deviation = sum(abs(sample - mean) > deviation for sample in data)
    beyond_fences = bisect_left(data, low) + n - bisect_right(data, high)
    return {
        "min": data[0],
        "max": data[-1],
        "mean": mean,
        "stddev": deviation,
        "rounds": n,
        "median": statistics.median(data),
        "iqr": third - first,
        "q1": first,
        "q3": third,
        "iqr_outliers": beyond_fences,
        "stddev_outliers": beyond_deviation,
        "outliers": f"{beyond_deviation};{beyond_fences}",
        "ld15iqr": data[bisect_left(data, low)],
        "hd15iqr": data[bisect_right(data, high) - 1],
        "ops": 1 / mean if mean else 0.0,
        "total": math.fsum(data),
        "data": list(samples),
        "iterations": 1,
    }


def _quartiles(data: Sequence[float]) -> tuple[float, float]:
    """As pytest-benchmark has them: medians of the halves for an even number of samples.

    For an odd number each half has the median with a weight that makes the quartile fall between
    two order statistics: a quarter of the way for n = 4 k + 1, three quarters for n = 4 k + 3.
    """
    n = len(data)
    if n == 1:
        return data[0], data[0]
    half = n // 2
    if n % 2 == 0:
        return statistics.median(data[:half]), statistics.median(data[half:])
    k, rest = divmod(n, 4)
    if rest == 1:
        return (0.25 * data[k - 1] + 0.75 * data[k], 0.75 * data[3 * k] + 0.25 * data[3 * k + 1])
    return (0.75 * data[k] + 0.25 * data[k + 1], 0.25 * data[3 * k + 1] + 0.75 * data[3 * k + 2])


def _machine_info(environment: Mapping[str, Any]) -> dict[str, Any]:
    machine = environment.get("machine") or {}
    return {
        "node": environment.get("machine_key") or "unknown",
        "processor": machine.get("cpu") or "",
        "machine": machine.get("architecture") or "",
        "python_compiler": "",
        "python_implementation": "",
        "python_implementation_version": environment.get("python") or "",
        "python_version": environment.get("python") or "",
        "python_build": ["", ""],
        "release": environment.get("system_version") or "",
        "system": machine.get("system") or "",
        "cpu": {"brand_raw": machine.get("cpu") or "", "count": machine.get("cores")},
        "gpus": machine.get("gpus") or [],
        "libraries": environment.get("libraries") or {},
    }
