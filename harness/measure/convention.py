"""What counted work means: conventions, by which papers print it, and the roof over it.

A convention makes the three counters the one number that a paper prints as "FLOPs". It is data,
never a code path: weights of the counters and a unit. Sources: OCNet Table 4
(two operations per multiply-accumulate), fvcore and thop (one), torchstat (one, plus bias, two per
element of batch norm, one per element of ReLU and per input element of pooling), GGCF section 4.3.

The roof over a case is peak arithmetic or memory bandwidth, whichever is lower: Williams, Waterman
and Patterson, "Roofline: An Insightful Visual Performance Model for Multicore Architectures"
(2009), attainable FLOP/s = min(peak FLOP/s, bandwidth x arithmetic intensity).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat


class ConventionSpec(BaseModel):
    """How counters become one printed "FLOPs": a linear combination and a unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    unit: PositiveFloat = 1e9
    unit_name: str = "G"
    conv: float = 1.0
    matmul: float = 1.0
    transposed: float = Field(
        default=0.0, description="Added per multiply-accumulate of a transposed convolution."
    )
    elementwise: dict[str, float] = Field(default_factory=dict)
    repeats: bool = Field(
        default=True,
        description="False: a module called twice counts once, as hook-based counters do.",
    )
    description: str = ""


_TORCHSTAT = {"bias": 1.0, "batch_norm": 2.0, "group_norm": 2.0, "relu": 1.0, "pool": 1.0}

CONVENTIONS: dict[str, ConventionSpec] = {
    spec.name: spec
    for spec in (
        ConventionSpec(
            name="flops",
            unit_name="GFLOPs",
            conv=2,
            matmul=2,
            description="two operations per multiply-accumulate of convolutions and "
            "matrix products",
        ),
        ConventionSpec(
            name="macs",
            unit_name="GMACs",
            description="one per multiply-accumulate of convolutions and matrix products",
        ),
        ConventionSpec(
            name="torchstat",
            unit_name="G (torchstat)",
            # Scaling counts: SRNet's printed 0.00947 for SE is pooling, scaling and 0.03 M MACs.
            elementwise=_TORCHSTAT | {"mul": 1.0},
            repeats=False,
            description="multiply-accumulates plus bias, 2 per element of a norm, 1 per "
            "element of ReLU and of scaling, 1 per input element of pooling; a module without "
            "parameters that is called several times counts once",
        ),
        ConventionSpec(
            name="toolbox",
            unit_name="G (toolbox)",
            transposed=3,
            elementwise=_TORCHSTAT,
            repeats=False,
            description="as detection toolboxes count: multiply-accumulates plus bias, 2 per "
            "element of a norm, 1 per element of ReLU, 1 per input element of pooling; a "
            "transposed convolution of stride 2 at its output positions, four times its work; a "
            "module without parameters that is called several times counts once",
        ),
        ConventionSpec(
            name="gibi_macs",
            unit=2**30,
            unit_name="GiMACs",
            description="multiply-accumulates in units of 2^30",
        ),
    )
}


def operations(row: Mapping[str, Any], convention: ConventionSpec) -> float | None:
    """Operations of a row under a convention (plain number, not yet in the convention's unit).

    Args:
        row: stored counters `conv_macs`, `matmul_macs`, `elementwise_ops` (by kind), and
            `elementwise_ops_once`, the same with parameterless modules counted once.
        convention: weights.

    Returns:
        The weighted sum; `None` where the counters were not measured.
    """
    conv: int | None = row.get("conv_macs")
    matmul: int | None = row.get("matmul_macs")
    if conv is None or matmul is None:
        return None
    stored = "elementwise_ops" if convention.repeats else "elementwise_ops_once"
    elementwise: Mapping[str, int] = row.get(stored) or row.get("elementwise_ops") or {}
    return (
        convention.conv * conv
        + convention.transposed * (row.get("transposed_conv_macs") or 0)
        + convention.matmul * matmul
        + sum(weight * elementwise.get(kind, 0) for kind, weight in convention.elementwise.items())
    )


@dataclass(frozen=True)
class Roof:
    """What a machine can do at most with one data type."""

    flops_per_second: float  # peak, two operations per multiply-accumulate
    bytes_per_second: float  # bandwidth of the memory, reads and writes together

    @property
    def ridge(self) -> float:
        """Arithmetic intensity (FLOP per byte) at which both roofs meet."""
        return self.flops_per_second / self.bytes_per_second

    def attainable(self, intensity: float) -> float:
        """FLOP/s under the roof at an arithmetic intensity in FLOP per byte."""
        return min(self.flops_per_second, self.bytes_per_second * intensity)

    def bound(self, flops: float, moved: float) -> Literal["compute", "memory"]:
        """Which roof limits work of so many operations and bytes; compute at the ridge itself."""
        enough = flops / self.flops_per_second >= moved / self.bytes_per_second
        return "compute" if enough else "memory"

    def least_seconds(self, flops: float, moved: float) -> float:
        """Time below which the machine cannot do the work.

        Over the measured time this is achieved FLOP/s over attainable FLOP/s, and it stays defined
        for work without any counted operation, which bandwidth alone limits.
        """
        return max(flops / self.flops_per_second, moved / self.bytes_per_second)
