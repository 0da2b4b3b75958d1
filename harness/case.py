"""A case and what came back from it, and both as plain data that crosses process borders."""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import cache, cached_property
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

# What is asked.

Shape = tuple[int, ...]
Device = Literal["cpu", "cuda"]
DType = Literal["float32", "float64", "float16", "bfloat16"]
Autocast = Literal["bfloat16", "float16"]
Float32 = Literal["ieee", "tf32"]
Pass = Literal["inference", "training"]


# Options that came later are part of the key only where they are used, so that keys of earlier runs
# stay what they were.
OPTIONS = ("channels_last", "compile", "autocast", "call", "prepare", "float32")


@dataclass(frozen=True)
class Case:
    """What is measured. Plain data: it crosses process borders and is hashed."""

    module: str  # a name of `context_modules.catalog`, or `package.file:Class`
    arguments: Mapping[str, Any]  # keyword arguments of the module's constructor (JSON values)
    # one shape per positional argument of `forward`, batch first; of the tensors of `call` if it
    # has one
    inputs: tuple[Shape, ...]
    device: Device = "cpu"  # where it runs
    dtype: DType = "float32"  # floating type of parameters and inputs
    # `inference` (no gradients, eval mode) or `training` (both directions, train mode)
    pass_: Pass = "inference"
    channels_last: bool = False  # parameters and inputs of four axes in the NHWC memory format
    # the module goes through `torch.compile` before it is run on real tensors
    compile: bool = False
    autocast: Autocast | None = None  # type in which the pass runs what gains by it
    # `args` and `kwargs` of `forward` as `harness.measure.inputs` reads them, where shapes do not
    # say it all
    call: Mapping[str, Any] | None = None
    # methods of the module, or functions of a user, that make it ready before it is measured
    prepare: tuple[str, ...] = ()
    # precision of float32 products on CUDA; `None`: as PyTorch has it by default
    float32: Float32 | None = None

    @cached_property  # asked for at every step of a case's way, for thousands of cases
    def key(self) -> str:
        """Hash of exactly what is measured; equal cases have equal keys on every machine."""
        used = {name: v for name, v in as_plain(self).items() if v or name not in OPTIONS}
        canonical = json.dumps(used, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


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


@dataclass(frozen=True)
class Turn:
    """A process among those of the same case that sample in turns."""

    folder: str  # of the ring's files; on this machine, for this ring alone
    member: int  # number of the process, from 0
    members: int  # how many there are
    one_core: bool = False  # whether all of them sample on the same core; for cases of one thread


Identity = tuple[str, str, str, int]
"""Which job of a run: suite, label, key of the case, number of the process."""


@dataclass(frozen=True)
class Job:
    """A case as a suite asks for it: how it is called, what is measured, under which limits."""

    suite: str  # name of the suite that lists the case
    label: str  # its name there, unique within the suite
    case: Case  # what is measured
    metrics: tuple[str, ...]  # of `harness.measure.METRICS`, or functions of a user
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
    # what users' metrics declare, by stored name; see `harness.measure.own`
    declared: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # rules of a user for operators of their own: `mine::gram`: `package.file:rule`
    counting: Mapping[str, str] = field(default_factory=dict)
    # absolute paths of files and folders that it is made of beside what is imported and read
    depends_on: tuple[str, ...] = ()
    # set by an engine that runs the processes of a case together (`Timing.turns`)
    turn: Turn | None = None

    @property
    def identity(self) -> Identity:
        """What tells it from the other jobs of a run, and finds its records."""
        return (self.suite, self.label, self.case.key, self.replicate)


# What it runs on, and what came back.


@dataclass(frozen=True)
class Slot:
    """The part of a machine that a case has for itself; `None` leaves its process as it is."""

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
class Used:
    """What a measured module is made of; see `harness.environment.used_files`."""

    # of the user's files that were imported or read, and of what the suite says it depends on: hash
    # by path, which is told from the suite's folder where it lies there
    files: Mapping[str, str] = field(default_factory=dict)
    roots: tuple[str, ...] = ()  # `module:name` of this project that it begins from
    unfollowed: tuple[str, ...] = ()  # what it did whose result no hash knows

    def joined(self, other: "Used") -> "Used":
        """Of two processes that measured the same case."""
        return Used(
            {**self.files, **other.files},
            tuple(sorted({*self.roots, *other.roots})),
            tuple(sorted({*self.unfollowed, *other.unfollowed})),
        )


@dataclass(frozen=True)
class UsedGpu:
    """The GPU that a case was measured on, and how it was set."""

    name: str  # of the product
    uuid: str | None = None  # as the driver has it
    # `ieee` or `tf32` of float32 products in `matmul`, `conv` and `rnn`, as they were in effect
    float32: Mapping[str, str] = field(default_factory=dict)
    cudnn: Mapping[str, bool] = field(default_factory=dict)  # `enabled`, `benchmark`, ...
    # `harness.environment.gpu.GpuState` as plain data; `None` where the driver does not tell
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None  # `None`, too, where the process did not come so far


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
    used: Used | None = None  # what was measured; `None`: it ended before that was known
    gpu: UsedGpu | None = None  # `None`: nothing ran on one


# As plain data and back: the one form in which jobs, events, outcomes and records cross the border
# of a process or lie in a file. Dicts, lists, strings, numbers, `None`; a name for each field.

Read = TypeVar("Read")


def as_plain(value: Any, *, defaults: bool = True) -> Any:
    """Plain data of a dataclass, and of whatever holds some.

    Args:
        value: dataclasses, mappings, sequences and scalars, in one another.
        defaults: whether fields that have their default are written, too; without, a version that
            does not know a field can read what does not use it.
    """
    if value is None or isinstance(value, (str, int, float)):
        return value  # most are, and the questions below take longer
    if is_dataclass(value):
        named = ((each, getattr(value, each.name)) for each in fields(value))
        return {
            each.name: as_plain(said, defaults=defaults)
            for each, said in named
            if defaults or said != _default(each)
        }
    if isinstance(value, Mapping):
        return {name: as_plain(each, defaults=defaults) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_plain(each, defaults=defaults) for each in value]
    return value


MOST_LEVELS = 64
"""Of plain data in one another; suites have half as many, and recursion ends not far above."""


def from_json(text: str | bytes) -> Any:
    """Plain data of a JSON text of any origin.

    Raises:
        ValueError: it is not JSON, not UTF-8, or nested too deeply.
    """
    try:
        data = json.loads(text.decode("utf-8") if isinstance(text, bytes) else text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    below = [data] if type(data) in (dict, list) else []
    for _ in range(MOST_LEVELS):
        inner = [each.values() if type(each) is dict else each for each in below]
        below = [each for level in inner for each in level if type(each) in (dict, list)]
        if not below:
            return data
    raise ValueError("nested too deeply")


def from_plain(kind: type[Read], data: Any, **given: Any) -> Read:
    """A value from plain data of any origin, every type checked.

    Names that a dataclass does not have are ignored: a newer version wrote them.

    Args:
        kind: a dataclass, or a type as its fields have them: a scalar, `Literal`, `X | None`,
            `tuple`, `dict`, `Mapping`, `Any`.
        data: as `as_plain` makes it.
        given: fields of the dataclass that the data do not tell.

    Raises:
        ValueError: names the first part that is missing or wrong: `place node is wrong`.
    """
    value: Read = _read_fields(kind, data, given) if given else _value_of(kind, data)
    return value


def _default(of: Field[Any]) -> Any:
    return of.default if of.default_factory is MISSING else of.default_factory()


@cache  # resolved once, for thousands of records
def _fields(kind: Any) -> list[tuple[str, Any, bool]]:
    """Name, type and whether it has to be there, of each field."""
    types = get_type_hints(kind)
    return [(each.name, types[each.name], _default(each) is MISSING) for each in fields(kind)]


@cache  # of few kinds, asked for each value of thousands of records
def _parts(kind: Any) -> tuple[Any, tuple[Any, ...], bool]:
    """Origin and arguments of a type, and whether it is a dataclass."""
    return get_origin(kind), get_args(kind), is_dataclass(kind)


def _read_fields(kind: Any, data: Any, given: Mapping[str, Any]) -> Any:
    if not isinstance(data, dict):
        raise ValueError("is wrong")
    values = dict(given)
    for name, of, required in _fields(kind):
        if name in data and name not in given:
            try:
                values[name] = _value_of(of, data[name])
            except ValueError as error:
                raise ValueError(f"{name} {error}") from None
        elif required and name not in given:
            raise ValueError(f"{name} is missing")
    return kind(**values)


def _value_of(kind: Any, data: Any) -> Any:
    """A value of a type; raises `ValueError` where the data are of another."""
    if kind is Any or (is_number(data) if kind is float else kind is type(data) is not int):
        return data
    origin, inner, named = _parts(kind)
    if origin in (UnionType, Union):
        (of,) = (each for each in inner if each is not NoneType)
        return None if data is None else _value_of(of, data)
    if origin is tuple and isinstance(data, (list, tuple)):
        kinds = inner[:1] * len(data) if ... in inner else inner
        if len(kinds) != len(data):
            raise ValueError(f"has {len(data)} parts in place of {len(kinds)}")
        listed = inner in ((float, ...), (float | None, ...))
        plain = listed and all(map(is_number, data))  # thousands of samples
        return tuple(data if plain else map(_value_of, kinds, data))
    if origin in (dict, Mapping) and isinstance(data, dict):
        return {name: _value_of(inner[1], each) for name, each in data.items()}
    if named:
        return _read_fields(kind, data, {})
    types = (str,) if origin is Literal else (int, float) if kind is float else (kind,)
    fits = type(data) in types and (origin is not Literal or data in inner)  # a bool is no int
    if not fits or (kind in (int, float) and not is_number(data)):
        raise ValueError("is wrong")
    return data


def is_number(data: Any) -> bool:
    """Whether it is one that arithmetic, tables and other tools can hold: finite, 64 bits."""
    if type(data) is int:
        return -(2**63) <= data < 2**63
    return type(data) is float and math.isfinite(data)
