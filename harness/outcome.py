"""What came back from the process of one case."""

from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["ok", "error", "oom", "timeout", "killed", "invalid", "unsupported"]


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
    """

    status: Status
    cause: str | None = None
    values: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    tail: tuple[str, ...] = ()
    elapsed: float = 0.0
