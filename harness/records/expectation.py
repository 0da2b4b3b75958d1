"""How long a run will still take, from what the same cases took in it and in earlier ones."""

from collections.abc import Sequence
from contextlib import suppress

from harness.case import Job
from harness.records.record import Record
from harness.records.run_directory import RunDirectory, RunDirectoryError


class Expectation:
    """Expected time of what is left, from what the same cases took in this run and earlier ones."""

    def __init__(self, pending: Sequence[Job], directory: RunDirectory) -> None:
        self._known: dict[str, float] = {}
        for sibling in sorted(directory.path.parent.iterdir())[-5:]:
            # A damaged earlier run only costs the estimate.
            with suppress(RunDirectoryError):
                if sibling.is_dir() and not sibling.is_symlink():
                    earlier = RunDirectory(sibling).records()
                    self._known |= {each.case_key: each.elapsed_seconds for each in earlier}
        self._left = {job.identity: job.case.key for job in pending}
        # Kept as sums: asked after every event, with thousands of cases left.
        self._seconds = sum(self._known.get(key, 0.0) for key in self._left.values())
        self._unknown = sum(key not in self._known for key in self._left.values())
        self._taken, self._finished = 0.0, 0

    def longest_first(self, jobs: Sequence[Job]) -> list[Job]:
        """Jobs by what they took before; what nobody knows goes first, in its order."""
        return sorted(jobs, key=lambda job: -self._known.get(job.case.key, float("inf")))

    def finished(self, record: Record) -> None:
        """Take what one case needed."""
        key = self._left.pop(record.identity, None)
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
