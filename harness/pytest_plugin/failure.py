"""The failure of a case as a test."""

from collections.abc import Sequence

from harness.errors import HarnessError


class CaseFailedError(HarnessError):
    """A case has no timing.

    Args:
        status: as in a record: `oom`, `timeout`, `killed`, `error`, `invalid`, `unsupported`.
        cause: one line.
        tail: last lines of output and traceback.
    """

    def __init__(self, status: str, cause: str | None, tail: Sequence[str] = ()) -> None:
        super().__init__("\n".join((f"{status}: {cause or 'no cause is known'}", *tail)))
