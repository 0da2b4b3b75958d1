"""Which stored values are compared, and whether exactly or by statistics."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One stored value of a case.

    Attributes:
        name: as records have it, in SI base units.
        head: how tables call it.
        kind: `exact` values follow from module and input alone and are the same on every machine;
            `measured` ones vary from process to process and belong to one machine.
        seconds: whether more of it is slower.
    """

    name: str
    head: str
    kind: Literal["exact", "measured"]
    seconds: bool = False


_EXACT = {
    "params": "Parameters",
    "buffer_bytes": "Buffer memory",
    "conv_macs": "Convolution MACs",
    "transposed_conv_macs": "Transposed convolution MACs",
    "matmul_macs": "Matmul MACs",
    "elementwise_total": "Elementwise operations",
    "bytes_moved": "Bytes moved",
    "live_peak_bytes": "Live peak",
    "live_peak_training_bytes": "Live peak, training",
}
_MEASURED = {
    "latency_seconds": "Latency",
    "energy_joules": "Energy",
    "resident_peak_bytes": "Resident peak",
    "measured_peak_bytes": "Measured peak",
    "allocator_peak_bytes": "Allocator peak",
    "allocator_reserved_bytes": "Reserved",
}

METRICS: Mapping[str, Metric] = {
    **{name: Metric(name, head, "exact") for name, head in _EXACT.items()},
    **{
        name: Metric(name, head, "measured", seconds=name == "latency_seconds")
        for name, head in _MEASURED.items()
    },
}
