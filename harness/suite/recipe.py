"""One entry of a suite that makes cases: its axes, checked and written out as combinations."""

import functools
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from harness.case import DType, Pass
from harness.suite import explain, grid, label
from harness.suite.document import Document
from harness.suite.grid import Combination
from harness.suite.schema import CASE_AXES, Conditions, Input, ModuleName, SuiteSpec
from harness.wording import quote, suggest

CASE_AXIS_TYPES: dict[str, TypeAdapter[Any]] = {
    "module": TypeAdapter(list[ModuleName]),
    "input": TypeAdapter(list[Input]),
    "dtype": TypeAdapter(list[DType]),
    "pass": TypeAdapter(list[Pass]),
}
assert set(CASE_AXIS_TYPES) == set(CASE_AXES)

Place = tuple[str | int, ...]


@dataclass(eq=False)
class Recipe:
    """A case or a grid of cases.

    Attributes:
        document: the file.
        place: where the entry stands; the root for a grid at the top level.
        spec: what it says.
        forced: case-level axes that the command line replaces by one value.
    """

    document: Document
    place: Place
    spec: Conditions
    forced: Combination
    _texts: dict[tuple[str, int], str] = field(default_factory=dict)

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the axes, in the order of the file, zipped ones last."""
        return tuple(dict.fromkeys((*self.spec.grid, *self.spec.zip_)))

    def place_of(self, axis: str, value: Any) -> Place:
        """Where the value of an axis stands."""
        kind = "grid" if axis in self.spec.grid else "zip"
        index = self._indices.get((axis, id(value)))
        return (*self.place, kind, axis, *(() if index is None else (index,)))

    def texts(self, combination: Combination) -> dict[str, str]:
        """The values of a combination as labels write them, each written once."""
        for axis, value in combination.items():
            if (axis, id(value)) not in self._texts:
                self._texts[axis, id(value)] = label.show(value)
        return {axis: self._texts[axis, id(value)] for axis, value in combination.items()}

    @functools.cached_property
    def _values(self) -> dict[str, list[Any]]:
        return {**self.spec.grid, **self.spec.zip_}

    @functools.cached_property
    def _indices(self) -> dict[tuple[str, int], int]:
        """Axis and identity of the object: its first index; combinations hold the same objects."""
        return {
            (axis, id(values[index])): index
            for axis, values in self._values.items()
            for index in reversed(range(len(values)))
        }

    def report(self, place: Place, what: str, cure: str, *, key: bool = False) -> None:
        """Add a mistake at a place below this entry."""
        self.document.report((*self.place, *place), what, cure, key=key)

    def combinations(self, most: int) -> list[Combination] | None:
        """Every combination that is left after `exclude`; `None` after reporting a mistake.

        Args:
            most: number of cases that the tree of suites may still add.
        """
        mistakes = len(self.document.problems)
        self._check_axes()
        if len(self.document.problems) > mistakes:
            return None
        if (number := grid.count(self.spec.grid, self.spec.zip_)) > most:
            what = f"{number} combinations, {most} more cases are allowed"
            self.report(("grid",), what, "take fewer values or split the suite")
            return None
        return self._without_excluded(grid.combinations(self.spec.grid, self.spec.zip_))

    def _check_axes(self) -> None:
        spec = self.spec
        for kind, axes in (("grid", spec.grid), ("zip", spec.zip_)):
            for axis, values in axes.items():
                self._check_values(kind, axis, values)
                self._check_fixed(kind, axis)
        for axis in spec.zip_.keys() & spec.grid.keys():
            what = f"{quote(axis)} is an axis of grid, too"
            self.report(("zip", axis), what, "keep it in one of the two", key=True)
        if len({len(values) for values in spec.zip_.values()}) > 1:
            lengths = ", ".join(f"{quote(a)} has {len(v)}" for a, v in spec.zip_.items())
            cure = "give each the same number of values or use grid"
            self.report(("zip",), f"axes of unequal length ({lengths})", cure, key=True)
        if spec.exclude and not self.axes:
            cure = "remove it or add grid or zip"
            self.report(("exclude",), "nothing to exclude from", cure, key=True)

    def _check_values(self, kind: str, axis: str, values: list[Any]) -> None:
        if (adapter := CASE_AXIS_TYPES.get(axis)) is not None:
            try:
                explain.validate(adapter, values)
            except ValidationError as error:
                prefix = (*self.place, kind, axis)
                explain.report(self.document, error, SuiteSpec, prefix)
        seen: set[str] = set()
        for index, value in enumerate(values if kind == "grid" else ()):
            identity = grid.identity(value)
            if identity in seen:
                what = f"the axis already has the value {quote(identity)}"
                self.report((kind, axis, index), what, "write each value once")
            seen.add(identity)

    def _check_fixed(self, kind: str, axis: str) -> None:
        fixed = axis in self.spec.with_
        if axis in CASE_AXES:
            fixed = getattr(self.spec, "pass_" if axis == "pass" else axis) is not None
        if fixed:
            what = f"{quote(axis)} has a fixed value here, too"
            self.report((kind, axis), what, "keep the axis or the value", key=True)

    def _without_excluded(self, combinations: list[Combination]) -> list[Combination] | None:
        mistakes = len(self.document.problems)
        dropped: set[int] = set()
        for index, pattern in enumerate(self.spec.exclude):
            for axis in pattern.keys() - set(self.axes):
                cure = suggest(axis, self.axes, "axes")
                self.report(("exclude", index, axis), "unknown axis", cure, key=True)
            if pattern.keys() <= set(self.axes):
                found = grid.matching(combinations, pattern, self._values)
                if not found:
                    cure = "correct its values or remove it"
                    self.report(("exclude", index), "matches no combination", cure)
                dropped |= found
        kept = [c for index, c in enumerate(combinations) if index not in dropped]
        if not kept and len(self.document.problems) == mistakes:
            cure = "exclude fewer combinations"
            self.report(("exclude",), "no combination is left", cure, key=True)
        return None if len(self.document.problems) > mistakes else self._forced(kept)

    def _forced(self, combinations: list[Combination]) -> list[Combination]:
        """Axes that the command line fixes take its value; combinations that become equal merge."""
        forced = {axis: value for axis, value in self.forced.items() if axis in self.axes}
        if not forced:
            return combinations
        merged = ({**combination, **forced} for combination in combinations)
        return list({grid.identity(combination): combination for combination in merged}.values())
