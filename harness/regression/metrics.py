"""Which stored values are compared, and whether exactly or by statistics."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.present.derived import elementwise_total, stored
from harness.present.units import Dimension

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Metric:
    """One value of a case.

    Attributes:
        name: as rows have it.
        head: how tables call it.
        kind: `exact` values follow from module and input alone and are the same on every machine;
            `measured` ones vary from process to process and belong to one machine.
        dimension: of its units.
        read: its value among those of a record, in SI base units; `None` if not measured.
    """

    name: str
    head: str
    kind: Literal["exact", "measured"]
    dimension: Dimension
    read: Callable[[Values], Any] = field(repr=False)

    @property
    def seconds(self) -> bool:
        """Whether more of it is slower."""
        return self.dimension == "seconds"

    @property
    def is_measured(self) -> bool:
        """Whether it is judged by statistics, on one machine only."""
        return self.kind == "measured"


def _joules(values: Values) -> Any:
    """Energy over too short a window is a number, but no measurement."""
    return None if values.get("energy_valid") is False else values.get("energy_joules")


def _exact(name: str, head: str, dimension: Dimension) -> Metric:
    read = elementwise_total if name == "elementwise_total" else stored(name)
    return Metric(name, head, "exact", dimension, read)


def _measured(name: str, head: str, dimension: Dimension) -> Metric:
    read = _joules if name == "energy_joules" else stored(name)
    return Metric(name, head, "measured", dimension, read)


METRICS: Mapping[str, Metric] = {
    each.name: each
    for each in (
        _measured("latency_seconds", "Latency", "seconds"),
        _measured("energy_joules", "Energy", "energy"),
        _measured("resident_peak_bytes", "Resident peak", "bytes"),
        _measured("measured_peak_bytes", "Measured peak", "bytes"),
        _measured("allocator_peak_bytes", "Allocator peak", "bytes"),
        _measured("allocator_reserved_bytes", "Reserved", "bytes"),
        _exact("params", "Parameters", "count"),
        _exact("buffer_bytes", "Buffer memory", "bytes"),
        _exact("conv_macs", "Convolution MACs", "operations"),
        _exact("transposed_conv_macs", "Transposed convolution MACs", "operations"),
        _exact("matmul_macs", "Matmul MACs", "operations"),
        _exact("elementwise_total", "Elementwise operations", "operations"),
        _exact("bytes_moved", "Bytes moved", "bytes"),
        _exact("live_peak_bytes", "Live peak", "bytes"),
        _exact("live_peak_training_bytes", "Live peak, training", "bytes"),
    )
}

CASE = "case"
"""Stands for the case itself in verdicts that no single metric has: it failed."""
