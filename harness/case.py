"""A case and what came back from it: module, arguments, input, timing; slot, outcome."""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

# What came back from the process of one case, and from where.

Status = Literal["ok", "error", "oom", "timeout", "killed", "invalid", "unsupported"]


UNKNOWN_MACHINE = "unknown"
"""Key of a machine that was gone before it could describe itself."""


@dataclass(frozen=True)
class Place:
    """The machine that a case ran on, where that is not this one.

    Attributes:
        node: its name in the cluster.
        machine_key: hash of the machine, as `harness.environment.machine_key` makes it, or
            `UNKNOWN_MACHINE`.
        environment: as `harness.environment.describe_environment` gives it there.
    """

    node: str
    machine_key: str
    environment: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """Values, or why there are none.

    Attributes:
        status: `ok`; `error` (exception, exit); `oom` (allocation failed, or the kernel's
            out-of-memory killer); `timeout`; `killed` (a signal); `invalid` (non-finite output);
            `unsupported` (an operator that this device or dtype lacks).
        cause: one line for everything but `ok`.
        values: stored names and values of every metric that finished, also of a case that failed.
        warnings: sentences for the reader of the row.
        seconds: wall time of each metric.
        tail: last lines that a failed worker wrote to stdout and stderr.
        elapsed: seconds from the start of the process to its end.
        place: where it ran; `None`: on this machine.
    """

    status: Status
    cause: str | None = None
    values: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    tail: tuple[str, ...] = ()
    elapsed: float = 0.0
    place: Place | None = None


# A slot: the part of a machine that one case has for itself.


@dataclass(frozen=True)
class Slot:
    """What a case's process is confined to; `None` leaves it as it is.

    Attributes:
        cores: logical ones that its threads run on.
        gpu: index or UUID of the only GPU that it sees, as `CUDA_VISIBLE_DEVICES` takes it.
    """

    cores: tuple[int, ...] | None = None
    gpu: str | None = None

    def confine(self) -> None:
        """Confine this process; before CUDA is initialised, and before it starts threads."""
        if self.gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.gpu
        if self.cores and hasattr(os, "sched_setaffinity"):  # Linux only
            with suppress(OSError):  # a container may hold fewer cores than the machine has
                os.sched_setaffinity(0, self.cores)


ANYWHERE = Slot()


# How long and under which conditions a latency is sampled. Data only, no torch.

Criterion = Literal["settled_noise", "relative_stdev", "fixed", "budget"]
Cache = Literal["hot", "cold"]


@dataclass(frozen=True)
class Timing:
    """What a suite says under `latency`; `None` leaves the default of the criterion or the device.

    Attributes:
        criterion: `settled_noise` (little spread, or a spread that has settled), `relative_stdev`
            (little spread), `fixed` (so many samples), `budget` (so many seconds of samples).
        samples: how many; the least number for the two criteria of spread.
        min_time: seconds of samples that the criteria of spread ask for at least.
        max_time: seconds after which sampling ends and the unmet condition is named; the budget
            itself for `budget`.
        relative_stdev: standard deviation over mean below which the criteria of spread stop.
        cache: `hot` (passes back to back) or `cold` (caches flushed before every sample).
        cuda_graph: whether passes on CUDA are captured once and replayed.
        turns: whether the processes of a case (`repeats`) live together and sample in turns; what
            the machine does meanwhile then meets all alike.
    """

    criterion: Criterion = "settled_noise"
    samples: int | None = None
    min_time: float | None = None
    max_time: float | None = None
    relative_stdev: float | None = None
    cache: Cache = "hot"
    cuda_graph: bool = False
    turns: bool = False


DEFAULT_TIMING = Timing()


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
