"""Rows of a run: replicates joined, machines told apart, roofs of their machine beside them."""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from harness.case import is_number
from harness.judge.statistics.intervals import median_interval, quartiles
from harness.measure.convention import ConventionSpec, Roof
from harness.records.origin import main_versions
from harness.records.quantities.derived import BANDWIDTH, PEAK
from harness.records.quantities.quantity import Row
from harness.records.record import Record

RoofOf = Callable[[Row], Roof | None]
"""What says the roof over a row, by its machine, device, threads and data type."""

# How the stored names begin of what depends on the machine; counts do not.
_TIMED = ("latency_", "energy_", "compile_seconds")


def rows_of(
    records: Iterable[Record], suite: str, convention: ConventionSpec | str, *, mix: bool = False
) -> list[dict[str, Any]]:
    """The rows of one suite of a run, one per case, in the order of the records.

    Args:
        convention: what it calls FLOPs.
        mix: whether times of different machines may stand in one column.
    """
    own = [record.row(convention) for record in records if record.suite == suite]
    return combine(one_machine(own, mix))


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
    versions = main_versions(row for row in rows if _times(row))
    made = []
    for row in rows:
        times = _times(row)
        if not times or str(row.get("machine_key")) == shown:
            made.append(_with_other_versions(row, versions) if times else dict(row))
            continue
        node = f", node {row['node']}" if row.get("node") else ""
        said = (
            f"its times are of another machine ({row.get('machine_key')}{node}) than those of most "
            f"rows ({shown})"
        )
        if not mix:
            said += " and are not shown beside them; --resume --mix-machines shows them"
        blank: Mapping[str, Any] = {} if mix else dict.fromkeys(times)
        made.append({**row, **blank, "warnings": [*(row.get("warnings") or ()), said]})
    return made


def main_machine(rows: Sequence[Row]) -> str | None:
    """Key of the machine whose times are shown; `None` where nothing was timed."""
    keys = Counter(str(row.get("machine_key")) for row in rows if _times(row))
    return max(keys, key=lambda key: keys[key]) if keys else None


def _with_other_versions(row: Row, usual: Mapping[str, str]) -> dict[str, Any]:
    """The row, with a warning where its times are of other versions than those of most rows."""
    own = row.get("versions") or {}
    others = [
        f"{name} {own.get(name, 'none')} instead of {usual.get(name, 'none')}"
        for name in dict.fromkeys((*own, *usual))
        if own and own.get(name) != usual.get(name)
    ]
    if not others:
        return dict(row)
    said = f"its times are of other versions than those of most rows: {', '.join(others)}"
    return {**row, "warnings": [*(row.get("warnings") or ()), said]}


def _times(row: Row) -> list[str]:
    """Names of what depends on the machine's speed; none where none of them has a value."""
    names = [name for name in row if name.startswith(_TIMED)]
    return names if any(row[name] is not None for name in names) else []


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
    return [dict(group[0]) if len(group) == 1 else _combined(group) for group in groups.values()]


def _combined(group: Sequence[Row]) -> dict[str, Any]:
    fine = [row for row in group if row.get("status") == "ok"] or group
    made = {**fine[0]}
    for name in made:
        values = [row.get(name) for row in fine]
        if all(map(is_number, values)) and any(value != values[0] for value in values):
            made[name] = float(statistics.median(row[name] for row in fine))
    made |= {
        "processes": len(group),
        "warnings": _united_warnings(group),
        "latency_flags": _united("latency_flags", group),
        "elapsed_seconds": sum(row.get("elapsed_seconds") or 0.0 for row in group),
    }
    made.pop("replicate", None)
    made |= _latency_of_processes(fine)
    for number, row in enumerate(group, 1):
        if row.get("status") != "ok":
            cause = f"process {number} of {len(group)}: {row.get('cause') or row.get('status')}"
            return made | {"status": row.get("status"), "cause": cause}
    return made


def _united(name: str, rows: Sequence[Row]) -> list[Any]:
    return list(dict.fromkeys(item for row in rows for item in row.get(name) or ()))


def _united_warnings(group: Sequence[Row]) -> list[str]:
    """Each warning once; of the latencies, in how many processes which flag was raised."""
    latency = set(_united("latency_warnings", group))
    warnings = [each for each in _united("warnings", group) if each not in latency]
    raised = Counter(flag for row in group for flag in row.get("latency_flags") or ())
    if raised:
        counts = ", ".join(f"{flag} in {count}" for flag, count in raised.items())
        warnings.append(f"latency of {len(group)} processes: {counts}")
    return warnings


def _latency_of_processes(rows: Sequence[Row]) -> dict[str, Any]:
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


def with_roofs(rows: Sequence[dict[str, Any]], roof_of: RoofOf) -> list[dict[str, Any]]:
    """Rows with the ceilings of their machine where they are known."""
    made = []
    for row in rows:
        roof = roof_of(row)
        known = {PEAK: roof.flops_per_second, BANDWIDTH: roof.bytes_per_second} if roof else {}
        made.append(row | known)
    return made
