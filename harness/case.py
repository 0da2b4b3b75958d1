"""A case: one module with its arguments on one input, device, dtype and pass."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

from harness.timing import DEFAULT_TIMING, Timing

Shape = tuple[int, ...]
Device = Literal["cpu", "cuda"]
DType = Literal["float32", "float64", "float16", "bfloat16"]
Pass = Literal["inference", "training"]


# Options that came later are part of the key only where they are used, so that keys of earlier runs
# stay what they were.
_OPTIONS = ("channels_last", "compile")


@dataclass(frozen=True)
class Case:
    """What is measured. Plain data: it crosses process borders and is hashed.

    Attributes:
        module: a name of `context_modules.catalog`, or `package.file:Class`.
        arguments: keyword arguments of the module's constructor (JSON values).
        inputs: one shape per positional argument of `forward`, batch first.
        device: where it runs.
        dtype: floating type of parameters and inputs.
        pass_: `inference` (no gradients, eval mode) or `training` (both directions, train mode).
        channels_last: parameters and inputs of four axes in the NHWC memory format.
        compile: the module goes through `torch.compile` before it is run on real tensors.
    """

    module: str
    arguments: Mapping[str, Any]
    inputs: tuple[Shape, ...]
    device: Device = "cpu"
    dtype: DType = "float32"
    pass_: Pass = "inference"
    channels_last: bool = False
    compile: bool = False

    @cached_property  # asked for at every step of a case's way, for thousands of cases
    def key(self) -> str:
        """Hash of exactly what is measured; equal cases have equal keys on every machine."""
        used = {name: v for name, v in asdict(self).items() if v or name not in _OPTIONS}
        canonical = json.dumps(used, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Turn:
    """A process among those of the same case that sample in turns.

    Attributes:
        folder: of the ring's files; on this machine, for this ring alone.
        member: number of the process, from 0.
        members: how many there are.
        one_core: whether all of them sample on the same core; for cases of one thread.
    """

    folder: str
    member: int
    members: int
    one_core: bool = False


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
        timing: how the latency is sampled.
        replicate: number, from 1, of this process among those of the same case.
        force: run also what is predicted not to fit into the free memory.
        accuracy: recipe, data and evaluation of the metric `accuracy`, as plain data; with
            `judge: False` beside them it trains and judges nothing.
        machine: key of the machines that may run it; `None`: any.
        turn: set by an engine that runs the processes of a case together (`Timing.turns`).
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
    timing: Timing = DEFAULT_TIMING
    replicate: int = 1
    force: bool = False
    accuracy: Mapping[str, Any] | None = None
    machine: str | None = None
    turn: Turn | None = None
