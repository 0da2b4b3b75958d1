"""A suite file as far as it is right, in which its tables, plots and reference are looked up."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.suite.suite import Suite
from harness.suite.tree import Source

_MAKE_LABELS = {"module", "label", "grid", "zip", "exclude", "cases"}


@dataclass(frozen=True)
class Draft:
    """One file of a tree, which may have mistakes, and every case that can be told from others."""

    source: Source  # the file
    suite: Suite  # its cases, also those with mistakes; what it includes is left out
    asked: Mapping[str, tuple[str, ...]]  # label of a case: what the file measures of it
    is_open: bool  # whether an entry is so wrong that nobody knows its cases

    @property
    def has_cases(self) -> bool:
        """Whether the file has cases of its own; of one that only includes nothing is shown."""
        return bool(self.suite.jobs or self.source.data.keys() & {"cases", "module", "grid", "zip"})

    @property
    def labels(self) -> frozenset[str] | None:
        """The labels of all cases; `None` where those of some are not known."""
        labels = {job.label for job in self.suite.jobs}
        if self.is_open or self.source.lost & _MAKE_LABELS:
            return None
        for case in self._lost_cases():
            label = case.get("label", case.get("module")) if isinstance(case, dict) else None
            if not isinstance(label, str) or case.keys() & {"grid", "zip"}:
                return None
            labels.add(label)
        return frozenset(labels)

    @property
    def axes(self) -> frozenset[str]:
        """Names of all axes, also of grids with mistakes."""
        grids = (each.get(key) for each in self._entries() for key in ("grid", "zip"))
        return frozenset(axis for grid in grids if isinstance(grid, dict) for axis in grid)

    @property
    def measured(self) -> frozenset[str]:
        """Everything that stands under a `measure`, whether there is such a metric or not."""
        said = [each.get("measure") for each in self._entries()]
        names = [name for each in said for name in (each if isinstance(each, list) else [each])]
        return frozenset(name for name in names if isinstance(name, str))

    def _entries(self) -> Iterator[dict[str, Any]]:
        cases = self.source.data.get("cases")
        yield self.source.data
        yield from (
            each for each in (cases if isinstance(cases, list) else ()) if isinstance(each, dict)
        )

    def _lost_cases(self) -> Iterator[Any]:
        cases = self.source.data.get("cases")
        for index, case in enumerate(cases if isinstance(cases, list) else ()):
            if index not in self.source.original:
                yield case


Check = Callable[[Draft], None]
"""Looks up what a file asks to see; mistakes go to its document."""
