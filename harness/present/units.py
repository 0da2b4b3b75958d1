"""Units: the names by which papers and tables scale stored SI base values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.errors import HarnessError
from harness.present.nearest import hint

Dimension = Literal[
    "operations",
    "count",
    "bytes",
    "seconds",
    "ratio",
    "pixels",
    "text",
    "intensity",
    "bandwidth",
    "energy",
    "power",
]

_DECIMAL = {"1": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40}

# MB is 10^6 bytes and MiB 2^20, always: the 4.9 % between them decides verdicts.
UNITS: Mapping[Dimension, Mapping[str, float]] = {
    "operations": _DECIMAL | _BINARY,
    "count": _DECIMAL | _BINARY,
    "bytes": {
        "B": 1.0,
        "kB": 1e3,
        "MB": 1e6,
        "GB": 1e9,
        "KiB": 2.0**10,
        "MiB": 2.0**20,
        "GiB": 2.0**30,
    },
    "seconds": {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9},
    "ratio": {"1": 1.0, "%": 0.01},
    "pixels": {"px": 1.0},
    "text": {"1": 1.0},
    "intensity": {"FLOP/B": 1.0},
    "bandwidth": {"B/s": 1.0, "MB/s": 1e6, "GB/s": 1e9, "TB/s": 1e12},
    "energy": {"J": 1.0, "mJ": 1e-3, "kJ": 1e3},
    "power": {"W": 1.0, "mW": 1e-3, "kW": 1e3},
}


@dataclass(frozen=True)
class Unit:
    """A named factor: a stored value divided by `factor` is the value in this unit."""

    name: str
    factor: float

    def scale(self, value: float) -> float:
        """A stored value in this unit."""
        return value / self.factor


def unit(name: str, dimension: Dimension) -> Unit:
    """The unit of that name.

    Raises:
        HarnessError: a dimension has no such unit; names the ones that it has.
    """
    known = UNITS[dimension]
    if name not in known:
        raise HarnessError(
            f"unit {name!r} does not measure {dimension}{hint(name, known)}; "
            f"known: {', '.join(known)}"
        )
    return Unit(name, known[name])


def with_unit(head: str, name: str) -> str:
    """A head with its unit; plain counts and ratios have none to name."""
    if name in ("1", ""):
        return head
    return f"{head}, {name}" if "(" in name else f"{head} ({name})"
