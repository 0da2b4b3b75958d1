"""How long a run will still take."""

from harness.case import Job
from harness.identity import identity, identity_of
from harness.records.record import Record
from harness.records.run_directory import RunDirectory, RunDirectoryError


class Expectation:
    """Expected time of what is left, from what the same cases took before.

    Args:
        pending: cases that are to be measured.
        directory: of this run; earlier ones lie beside it.
    """

    def __init__(self, pending: list[Job], directory: RunDirectory) -> None:
        self._known = _earlier_seconds(directory)
        self._left = {identity(job): job.case.key for job in pending}
        # Kept as sums: asked after every event, with thousands of cases left.
        self._seconds = sum(self._known.get(key, 0.0) for key in self._left.values())
        self._unknown = sum(key not in self._known for key in self._left.values())
        self._taken, self._finished = 0.0, 0

    def finished(self, record: Record) -> None:
        """Take what one case needed."""
        key = self._left.pop(identity_of(record), None)
        if key is not None:
            self._seconds -= self._known.get(key, 0.0)
            self._unknown -= key not in self._known
        self._taken += record.elapsed_seconds
        self._finished += 1

    def remaining(self) -> float | None:
        """Seconds; `None` before anything is known."""
        if self._unknown and not self._finished:
            return None
        typical = self._taken / self._finished if self._finished else 0.0
        return max(0.0, self._seconds) + self._unknown * typical


def _earlier_seconds(directory: RunDirectory) -> dict[str, float]:
    seconds: dict[str, float] = {}
    for sibling in sorted(directory.path.parent.iterdir())[-5:]:
        if sibling.is_dir() and not sibling.is_symlink():
            try:
                records = RunDirectory(sibling).records()
            except RunDirectoryError:
                continue  # a damaged earlier run only costs the estimate
            seconds.update({r.case_key: r.elapsed_seconds for r in records})
    return seconds
