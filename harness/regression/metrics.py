"""Which stored values are compared, and whether exactly or by statistics."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.present.derived import elementwise_total, stored
from harness.present.units import Dimension, Unit, unit

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Metric:
    """One value of a case.

    Attributes:
        name: as rows have it.
        head: how tables call it.
        kind: `exact` values follow from module and input alone and are the same on every machine;
            `measured` ones vary from process to process and belong to one machine.
        unit: in which it is shown.
        read: its value among those of a record, in SI base units; `None` if not measured.
    """

    name: str
    head: str
    kind: Literal["exact", "measured"]
    unit: Unit
    read: Callable[[Values], Any] = field(repr=False)

    @property
    def seconds(self) -> bool:
        """Whether more of it is slower."""
        return self.unit.name in ("s", "ms", "us", "ns")

    @property
    def is_measured(self) -> bool:
        """Whether it is judged by statistics, on one machine only."""
        return self.kind == "measured"


def _joules(values: Values) -> Any:
    """Energy over too short a window is a number, but no measurement."""
    return None if values.get("energy_valid") is False else values.get("energy_joules")


def _made(
    name: str,
    head: str,
    dimension: Dimension,
    shown: str,
    read: Callable[[Values], Any] | None = None,
    *,
    measured: bool = False,
) -> Metric:
    kind: Literal["exact", "measured"] = "measured" if measured else "exact"
    return Metric(name, head, kind, unit(shown, dimension), read or stored(name))


METRICS: Mapping[str, Metric] = {
    each.name: each
    for each in (
        _made("latency_seconds", "Latency", "seconds", "ms", measured=True),
        _made("energy_joules", "Energy", "energy", "J", _joules, measured=True),
        _made("resident_peak_bytes", "Resident peak", "bytes", "MiB", measured=True),
        _made("measured_peak_bytes", "Measured peak", "bytes", "MiB", measured=True),
        _made("allocator_peak_bytes", "Allocator peak", "bytes", "MiB", measured=True),
        _made("allocator_reserved_bytes", "Reserved", "bytes", "MiB", measured=True),
        _made("params", "Parameters", "count", "M"),
        _made("buffer_bytes", "Buffer memory", "bytes", "MiB"),
        _made("conv_macs", "Convolution MACs", "operations", "G"),
        _made("transposed_conv_macs", "Transposed convolution MACs", "operations", "G"),
        _made("matmul_macs", "Matmul MACs", "operations", "G"),
        _made("elementwise_total", "Elementwise operations", "operations", "G", elementwise_total),
        _made("bytes_moved", "Bytes moved", "bytes", "MiB"),
        _made("live_peak_bytes", "Live peak", "bytes", "MiB"),
        _made("live_peak_training_bytes", "Live peak, training", "bytes", "MiB"),
    )
}

CASE = "case"
"""Stands for the case itself in verdicts that no single metric has: it failed."""
