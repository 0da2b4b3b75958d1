"""A run as everybody reads it: the last record of each case that its suite has now.

`show`, `report`, `export` and `compare` read a run through `KeptRun`; a run that is resumed and the
fast reader of many runs apply the same rule, `last_of_each`, to what they have read themselves.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from harness.case import Identity
from harness.records.description import listed_by
from harness.records.record import Record
from harness.records.run_directory import DESCRIPTION, RunDirectory, RunDirectoryError

Found = TypeVar("Found")


def last_of_each(
    found: Iterable[tuple[Identity, Found]], listed: Iterable[Identity]
) -> list[Found]:
    """What counts of a run: of each process that its suite lists what was written last.

    A case measured again (`--resume`) counts as it was last; one that was removed from the suite
    does not count.

    Args:
        found: with their identities, in the order in which they were written.
        listed: the processes of the suite's cases.

    Returns:
        In the suite's order.
    """
    last = dict(found)
    return [last[each] for each in dict.fromkeys(listed) if each in last]


def described_parts(suite: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A suite as `run.json` describes it, and all that it includes."""
    yield suite
    for part in suite.get("included") or ():
        yield from described_parts(part)


@dataclass(frozen=True)
class KeptRun:
    """A run that was kept; each of its files is read once, when it is first asked for."""

    directory: RunDirectory

    @classmethod
    def open(cls, path: Path) -> "KeptRun":
        """A run directory, or the latest run of a suite's folder.

        Raises:
            RunDirectoryError: there is no run.
        """
        return cls(RunDirectory.open(path))

    @property
    def path(self) -> Path:
        """Of the run directory."""
        return self.directory.path

    @cached_property
    def description(self) -> Mapping[str, Any]:
        """What `run.json` says."""
        return self.directory.description()

    @property
    def suite(self) -> Mapping[str, Any]:
        """The suite, as described; empty where it is not."""
        return self._part("suite")

    @property
    def suite_name(self) -> str:
        """Of the suite that was run; runs lie in a folder of its name."""
        return str(self.suite.get("suite") or self.path.parent.name)

    @property
    def environment(self) -> Mapping[str, Any]:
        """Of the machine on which the run was begun; empty where it is not described."""
        return self._part("environment")

    def _part(self, name: str) -> Mapping[str, Any]:
        found = self.description.get(name)
        return found if isinstance(found, Mapping) else {}

    @cached_property
    def listed(self) -> list[Identity]:
        """The processes of the cases that the suite has now; without a suite all that have ended.

        Raises:
            RunDirectoryError: its description cannot be read.
        """
        if not self.suite:
            return list(dict.fromkeys(record.identity for record in self._written))
        try:
            return listed_by(self.suite)
        except ValueError as error:
            raise RunDirectoryError(
                f"{self.path / DESCRIPTION}: its suite cannot be read ({error}); it was run by "
                "another version of context-harness, with which it can be shown"
            ) from error

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """The last record of each process, in the suite's order; those that have not ended lack.

        Raises:
            RunDirectoryError: they cannot be read.
        """
        return tuple(last_of_each(((r.identity, r) for r in self._written), self.listed))

    @cached_property
    def _written(self) -> list[Record]:
        return self.directory.records()

    @property
    def machine_key(self) -> str | None:
        """Of the machine that measured what was written last; `None` without records."""
        counted = set(map(id, self.records))
        return next((r.machine_key for r in reversed(self._written) if id(r) in counted), None)
