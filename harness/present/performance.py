"""Quantities of the roofline model and of energy, and what is said where ceilings are unknown."""

from collections.abc import Iterable

from harness.present.derived import stored
from harness.present.quantity import Quantity, Row
from harness.roofline.roof import Roof

PEAK, BANDWIDTH = "peak_flops_per_second", "bandwidth_bytes_per_second"
"""Names under which `harness.present.roofs` adds the ceilings over a row."""


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

QUANTITIES: tuple[Quantity, ...] = (
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
