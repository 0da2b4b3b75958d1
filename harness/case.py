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
    """The machine that a case ran on, where that is not this one."""

    node: str  # its name in the cluster
    # hash of the machine, as `harness.environment.machine_key` makes it, or `UNKNOWN_MACHINE`
    machine_key: str
    # as `harness.environment.describe_environment` gives it there
    environment: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """Values, or why there are none."""

    # `ok`; `error` (exception, exit); `oom` (allocation failed, or the kernel's out-of-memory
    # killer); `timeout`; `killed` (a signal); `invalid` (non-finite output); `unsupported` (an
    # operator that this device or dtype lacks)
    status: Status
    cause: str | None = None  # one line for everything but `ok`
    # stored names and values of every metric that finished, also of a case that failed
    values: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()  # sentences for the reader of the row
    seconds: dict[str, float] = field(default_factory=dict)  # wall time of each metric
    tail: tuple[str, ...] = ()  # last lines that a failed worker wrote to stdout and stderr
    elapsed: float = 0.0  # seconds from the start of the process to its end
    place: Place | None = None  # where it ran; `None`: on this machine


# A slot: the part of a machine that one case has for itself.


@dataclass(frozen=True)
class Slot:
    """What a case's process is confined to; `None` leaves it as it is."""

    cores: tuple[int, ...] | None = None  # logical ones that its threads run on
    # index or UUID of the only GPU that it sees, as `CUDA_VISIBLE_DEVICES` takes it
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
    """What a suite says under `latency`; `None`: the default of the criterion or the device."""

    # `settled_noise` (little spread, or a spread that has settled), `relative_stdev` (little
    # spread), `fixed` (so many samples), `budget` (so many seconds of samples)
    criterion: Criterion = "settled_noise"
    samples: int | None = None  # how many; the least number for the two criteria of spread
    min_time: float | None = None  # seconds of samples that the criteria of spread ask for at least
    # seconds after which sampling ends and the unmet condition is named; the budget itself for
    # `budget`
    max_time: float | None = None
    # standard deviation over mean below which the criteria of spread stop
    relative_stdev: float | None = None
    # `hot` (passes back to back) or `cold` (caches flushed before every sample)
    cache: Cache = "hot"
    cuda_graph: bool = False  # whether passes on CUDA are captured once and replayed
    # whether the processes of a case (`repeats`) live together and sample in turns; what the
    # machine does meanwhile then meets all alike
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
    """What is measured. Plain data: it crosses process borders and is hashed."""

    module: str  # a name of `context_modules.catalog`, or `package.file:Class`
    arguments: Mapping[str, Any]  # keyword arguments of the module's constructor (JSON values)
    inputs: tuple[Shape, ...]  # one shape per positional argument of `forward`, batch first
    device: Device = "cpu"  # where it runs
    dtype: DType = "float32"  # floating type of parameters and inputs
    # `inference` (no gradients, eval mode) or `training` (both directions, train mode)
    pass_: Pass = "inference"
    channels_last: bool = False  # parameters and inputs of four axes in the NHWC memory format
    # the module goes through `torch.compile` before it is run on real tensors
    compile: bool = False

    @cached_property  # asked for at every step of a case's way, for thousands of cases
    def key(self) -> str:
        """Hash of exactly what is measured; equal cases have equal keys on every machine."""
        used = {name: v for name, v in asdict(self).items() if v or name not in _OPTIONS}
        canonical = json.dumps(used, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Turn:
    """A process among those of the same case that sample in turns."""

    folder: str  # of the ring's files; on this machine, for this ring alone
    member: int  # number of the process, from 0
    members: int  # how many there are
    one_core: bool = False  # whether all of them sample on the same core; for cases of one thread


Identity = tuple[str, str, str, int]
"""Of a process of a case within a run: suite, label, key of the case, number of the process."""


@dataclass(frozen=True)
class Job:
    """A case as a suite asks for it: how it is called, what is measured, under which limits."""

    suite: str  # name of the suite that lists the case
    label: str  # its name there, unique within the suite
    case: Case  # what is measured
    metrics: tuple[str, ...]  # names of `harness.measure.METRICS`
    timeout: float  # seconds until the case is ended
    threads: int | None = None  # CPU threads; `None` leaves PyTorch's default
    seed: int = 0  # of parameters and inputs
    # folders put in front of `sys.path`, for a user's own modules
    search_path: tuple[str, ...] = ()
    # values of the grid's axes that made this case, for tables and plots
    factors: Mapping[str, Any] = field(default_factory=dict)
    timing: Timing = DEFAULT_TIMING  # how the latency is sampled
    replicate: int = 1  # number, from 1, of this process among those of the same case
    force: bool = False  # run also what is predicted not to fit into the free memory
    # recipe, data and evaluation of the metric `accuracy`, as plain data; with `judge: False`
    # beside them it trains and judges nothing
    accuracy: Mapping[str, Any] | None = None
    machine: str | None = None  # key of the machines that may run it; `None`: any
    # set by an engine that runs the processes of a case together (`Timing.turns`)
    turn: Turn | None = None

    @property
    def identity(self) -> Identity:
        """By which its record is found again."""
        return (self.suite, self.label, self.case.key, self.replicate)
