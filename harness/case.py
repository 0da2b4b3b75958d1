"""A case: one module with its arguments on one input, device, dtype and pass."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Shape = tuple[int, ...]
Device = Literal["cpu", "cuda"]
DType = Literal["float32", "float64", "float16", "bfloat16"]
Pass = Literal["inference", "training"]


@dataclass(frozen=True)
class Case:
    """What is measured. Plain data: it crosses process borders and is hashed.

    Attributes:
        module: a name of `modules.catalog`, or `package.file:Class`.
        arguments: keyword arguments of the module's constructor (JSON values).
        inputs: one shape per positional argument of `forward`, batch first.
        device: where it runs.
        dtype: floating type of parameters and inputs.
        pass_: `inference` (no gradients, eval mode) or `training` (forward and backward, train mode).
    """

    module: str
    arguments: Mapping[str, Any]
    inputs: tuple[Shape, ...]
    device: Device = "cpu"
    dtype: DType = "float32"
    pass_: Pass = "inference"

    @property
    def key(self) -> str:
        """Hash of exactly what is measured; equal cases have equal keys on every machine."""
        canonical = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Job:
    """A case as a suite asks for it: how it is called, what is measured, under which limits.

    Attributes:
        suite: name of the suite that lists the case.
        label: its name there, unique within the suite.
        case: what is measured.
        metrics: names of `harness.measure.METRICS`.
        timeout: seconds until the case is ended.
        threads: CPU threads; `None` leaves PyTorch's default.
        seed: of parameters and inputs.
        search_path: folders put in front of `sys.path`, for a user's own modules.
        factors: values of the grid's axes that made this case, for tables and plots.
    """

    suite: str
    label: str
    case: Case
    metrics: tuple[str, ...]
    timeout: float
    threads: int | None = None
    seed: int = 0
    search_path: tuple[str, ...] = ()
    factors: Mapping[str, Any] = field(default_factory=dict)
