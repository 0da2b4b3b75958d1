"""What counted work means: conventions, by which papers print it, and the roof over it.

A convention makes the three counters the one number that a paper prints as "FLOPs". It is data,
never a code path: weights of the counters and a unit. Sources: OCNet Table 4
(two operations per multiply-accumulate), fvcore and thop (one), torchstat (one, plus bias, two per
element of batch norm, one per element of ReLU and per input element of pooling), GGCF section 4.3,
mmcv's `flops_counter.py` (hooks on layers, whose work is added up call by call). A suite can define
one of its own.

The roof over a case is peak arithmetic or memory bandwidth, whichever is lower: Williams, Waterman
and Patterson, "Roofline: An Insightful Visual Performance Model for Multicore Architectures"
(2009), attainable FLOP/s = min(peak FLOP/s, bandwidth x arithmetic intensity).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat

Calls = Literal["all", "last", "layers"]
"""Which calls elementwise work is counted of."""

_STORED: dict[Calls, str] = {
    "all": "elementwise_ops",
    "last": "elementwise_ops_once",
    "layers": "elementwise_ops_layers",
}


class ConventionSpec(BaseModel):
    """How counters become one printed "FLOPs": a linear combination and a unit."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$", max_length=40, description="How tables call it."
    )
    unit: PositiveFloat = Field(default=1e9, description="Operations in one printed unit.")
    unit_name: str = Field(default="G", min_length=1, max_length=40)
    conv: float = Field(default=1.0, description="Per multiply-accumulate of a convolution.")
    matmul: float = Field(default=1.0, description="Per multiply-accumulate of a matrix product.")
    transposed: float = Field(
        default=0.0, description="Added per multiply-accumulate of a transposed convolution."
    )
    elementwise: dict[str, float] = Field(
        default_factory=dict,
        description="Per elementwise operation of a kind: bias, batch_norm, relu, pool, ...",
    )
    calls: Calls = Field(
        default="all",
        description="Whose elementwise operations count: all; last (of a module without parameters "
        "that is called several times the last call alone); layers (of modules without children, "
        "call by call, functions left out).",
    )
    description: str = ""

    def elementwise_of(self, row: Mapping[str, Any]) -> Mapping[str, int]:
        """The elementwise operations of a row that count, by kind.

        A row of before those of layers were kept has those of last calls.
        """
        wanted: dict[Calls, tuple[Calls, ...]] = {
            "all": ("all",),
            "last": ("last", "all"),
            "layers": ("layers", "last", "all"),
        }
        found = (row.get(_STORED[calls]) for calls in wanted[self.calls])
        return next((each for each in found if each is not None), {})


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
            calls="last",
            description="multiply-accumulates plus bias, 2 per element of a norm, 1 per "
            "element of ReLU and of scaling, 1 per input element of pooling; a module without "
            "parameters that is called several times counts once",
        ),
        ConventionSpec(
            name="toolbox",
            unit_name="G (toolbox)",
            transposed=3,
            elementwise=_TORCHSTAT,
            calls="layers",
            description="as toolboxes for detection and segmentation count, by hooks on layers: "
            "multiply-accumulates plus bias, 2 per element of a norm, 1 per element of ReLU, 1 per "
            "input element of pooling, at every call; a transposed convolution of stride 2 at its "
            "output positions, four times its work; functions add nothing",
        ),
        ConventionSpec(
            name="gibi_macs",
            unit=2**30,
            unit_name="GiMACs",
            description="multiply-accumulates in units of 2^30",
        ),
    )
}


def as_convention(said: ConventionSpec | str) -> ConventionSpec:
    """A convention of its own, or the one of that name.

    Raises:
        KeyError: there is none of that name.
    """
    return said if isinstance(said, ConventionSpec) else CONVENTIONS[said]


def operations(row: Mapping[str, Any], convention: ConventionSpec) -> float | None:
    """Operations of a row under a convention (plain number, not yet in the convention's unit).

    Args:
        row: stored counters `conv_macs`, `matmul_macs`, `elementwise_ops` (by kind), with
            parameterless modules counted once `elementwise_ops_once`, and of layers alone
            `elementwise_ops_layers`.
        convention: weights.

    Returns:
        The weighted sum; `None` where the counters were not measured.
    """
    conv: int | None = row.get("conv_macs")
    matmul: int | None = row.get("matmul_macs")
    if conv is None or matmul is None:
        return None
    elementwise = convention.elementwise_of(row)
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
