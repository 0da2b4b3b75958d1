"""What came back from the process of one case, and from where."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

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
