"""Rows of a run: replicates joined, machines told apart, roofs of their machine beside them."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.judge.statistics.intervals import median_interval, quartiles
from harness.measure.roofline.calibration import Calibration, load
from harness.records.quantities.derived import BANDWIDTH, PEAK
from harness.records.quantities.quantity import Row

# Machines: times of different machines do not stand in one column unless that was asked for.

_TIMED = ("latency_", "energy_", "compile_seconds")
"""How the stored names begin of what depends on the machine; counts do not."""


def one_machine(rows: Sequence[Row], mix: bool = False) -> list[dict[str, Any]]:
    """Rows whose times are all of one machine: of the one that most of them were measured on.

    Args:
        rows: of one suite, one per process.
        mix: leave the times of the others where they are.

    Returns:
        The rows; those of other machines without their times (or, mixed, with them), and with a
        warning that says so.
    """
    shown = main_machine(rows)
    return [
        dict(row)
        if shown is None or not is_timed(row) or str(row.get("machine_key")) == shown
        else _foreign(row, shown, mix)
        for row in rows
    ]


def main_machine(rows: Sequence[Row]) -> str | None:
    """Key of the machine whose times are shown; `None` where nothing was timed."""
    keys = Counter(str(row.get("machine_key")) for row in rows if is_timed(row))
    return max(keys, key=lambda key: keys[key]) if keys else None


def is_timed(row: Row) -> bool:
    """Whether a row has a value that depends on the machine's speed."""
    return any(row.get(name) is not None for name in _timed_names(row))


def _timed_names(row: Row) -> list[str]:
    return [name for name in row if name.startswith(_TIMED)]


def _foreign(row: Row, shown: str, mix: bool) -> dict[str, Any]:
    where = _where(row)
    if mix:
        said = f"its times are of another machine ({where}) than those of most rows ({shown})"
        return {**row, "warnings": [*(row.get("warnings") or ()), said]}
    said = (
        f"its times are of another machine ({where}) than those of most rows ({shown}) and are not "
        "shown beside them; --resume --mix-machines shows them"
    )
    blank: Mapping[str, Any] = dict.fromkeys(_timed_names(row))
    return {**row, **blank, "warnings": [*(row.get("warnings") or ()), said]}


def _where(row: Row) -> str:
    node, key = row.get("node"), row.get("machine_key")
    return f"{key}, node {node}" if node else str(key)


# Replicates: several processes of one case become one row, the median of theirs.


def combine(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One row per case, in the order of the first processes.

    A number that differs between the processes becomes its median. The latency is the median of the
    processes' medians, with the interval of that median: samples within a process share its memory
    layout and its machine's mood, so processes are what is independent.

    `latency_processes_seconds` has the median of each process, `latency_samples_seconds` every
    sample of all; `processes` counts those that ran. One process that failed makes the row failed,
    and the cause says which.

    Args:
        rows: of one run; those of one case agree in suite, label and key.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        case = (row.get("suite"), row.get("label"), row.get("case_key"))
        groups.setdefault(case, []).append(row)
    return [_combined(group) for group in groups.values()]


def _combined(group: Sequence[Row]) -> dict[str, Any]:
    if len(group) == 1:
        return dict(group[0])
    fine = [row for row in group if row.get("status") == "ok"] or group
    made = {**fine[0], **{name: _middle(name, fine) for name in _differing(fine)}}
    made |= {
        "processes": len(group),
        "warnings": _warnings(group),
        "latency_flags": _united("latency_flags", group),
        "elapsed_seconds": sum(row.get("elapsed_seconds") or 0.0 for row in group),
    }
    made.pop("replicate", None)
    return made | _latency(fine) | _failure(group)


def _differing(rows: Sequence[Row]) -> list[str]:
    """Names of numbers that all rows have and on which they do not agree."""
    return [
        name
        for name in rows[0]
        if all(_is_number(row.get(name)) for row in rows)
        and any(row[name] != rows[0][name] for row in rows)
    ]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _middle(name: str, rows: Sequence[Row]) -> float:
    return float(statistics.median(row[name] for row in rows))


def _united(name: str, rows: Sequence[Row]) -> list[Any]:
    return list(dict.fromkeys(item for row in rows for item in row.get(name) or ()))


def _warnings(group: Sequence[Row]) -> list[str]:
    """Each warning once; of the latencies, in how many processes which flag was raised."""
    latency = set(_united("latency_warnings", group))
    warnings = [each for each in _united("warnings", group) if each not in latency]
    raised = Counter(flag for row in group for flag in row.get("latency_flags") or ())
    if raised:
        counts = ", ".join(f"{flag} in {count}" for flag, count in raised.items())
        warnings.append(f"latency of {len(group)} processes: {counts}")
    return warnings


def _latency(rows: Sequence[Row]) -> dict[str, Any]:
    medians = [row["latency_seconds"] for row in rows if row.get("latency_seconds") is not None]
    if not medians:
        return {}
    interval = median_interval(medians)
    first, third = quartiles(medians)
    return {
        "latency_seconds": interval.median,
        "latency_low_seconds": interval.low,
        "latency_high_seconds": interval.high,
        "latency_confidence": interval.confidence,
        "latency_q1_seconds": first,
        "latency_q3_seconds": third,
        "latency_processes_seconds": medians,
        "latency_samples_seconds": [
            sample for row in rows for sample in row.get("latency_samples_seconds") or ()
        ],
    }


def _failure(group: Sequence[Row]) -> dict[str, Any]:
    for number, row in enumerate(group, 1):
        if row.get("status") != "ok":
            cause = f"process {number} of {len(group)}: {row.get('cause') or row.get('status')}"
            return {"status": row.get("status"), "cause": cause}
    return {}


def with_roofs(
    rows: Sequence[dict[str, Any]], folders: Sequence[Path], threads: int | None
) -> list[dict[str, Any]]:
    """Rows with the ceilings of their machine, device, threads and data type, where known.

    Args:
        rows: of a run.
        folders: in which calibrations are looked up, the first that has one.
        threads: of the rows that leave the number to PyTorch.

    Raises:
        CalibrationError: a file of calibrations is damaged.
    """
    keys = {str(row["machine_key"]) for row in rows if row.get("machine_key")}
    known = {key: load(key, folders) for key in keys}
    return [row | _ceilings(row, known.get(str(row.get("machine_key"))), threads) for row in rows]


def _ceilings(
    row: dict[str, Any], calibration: Calibration | None, threads: int | None
) -> dict[str, float]:
    if calibration is None:
        return {}
    entry = calibration.entry(str(row.get("device")), row.get("threads") or threads)
    roof = None if entry is None else entry.roof(str(row.get("dtype")))
    if roof is None:
        return {}
    return {PEAK: roof.flops_per_second, BANDWIDTH: roof.bytes_per_second}
