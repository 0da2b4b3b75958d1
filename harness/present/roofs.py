"""Roofs over rows: the ceilings of the machine that a row was measured on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.present.performance import BANDWIDTH, PEAK
from harness.roofline.calibration import Calibration, load


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
