"""One entry of a suite that makes cases: its axes, checked and written out as combinations."""

import functools
import itertools
import json
import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from harness.instantiate import shown_name
from harness.messages import LONGEST_LABEL, axis_text, quote, shorten, suggest, with_axes
from harness.suite.document import Document, validated
from harness.suite.schema import CASE_AXES, CASE_AXIS_TYPES, Conditions, SuiteSpec

Combination = dict[str, Any]


def identity_of(value: Any) -> str:
    """Equal for equal JSON values; unlike Python's `==`, 1 is not true and 1.0 is not 1."""
    return json.dumps(value, sort_keys=True)


def matching(
    combinations: Sequence[Combination],
    pattern: Mapping[str, Any],
    axes: Mapping[str, Sequence[Any]],
) -> set[int]:
    """Indices of the combinations that have every value of a pattern.

    Args:
        combinations: made from `axes`.
        pattern: values of some axes.
        axes: values by axis. Combinations hold these very objects, so that each is compared once
            and not once per combination.
    """
    same = {
        axis: {id(value) for value in axes[axis] if identity_of(value) == identity_of(wanted)}
        for axis, wanted in pattern.items()
    }
    return {
        index
        for index, combination in enumerate(combinations)
        if all(id(combination[axis]) in values for axis, values in same.items())
    }


Place = tuple[str | int, ...]


@dataclass(eq=False)
class Recipe:
    """A case or a grid of cases."""

    document: Document  # the file
    place: Place  # where the entry stands; the root for a grid at the top level
    spec: Conditions  # what it says
    forced: Combination  # case-level axes that the command line replaces by one value
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

    def label(self, module: str, combination: Combination) -> str:
        """Name of a case: the entry's, a template filled in, or the module and its axes."""
        for axis, value in combination.items():  # each value is written once
            if (axis, id(value)) not in self._texts:
                self._texts[axis, id(value)] = axis_text(value)
        texts = {axis: self._texts[axis, id(value)] for axis, value in combination.items()}
        label = self.spec.label
        module = shown_name(module)
        if label is None:
            return with_axes(module, {a: v for a, v in texts.items() if a != "module"})
        if not texts or not _is_template(label):
            return with_axes(label, texts)
        known = {**texts, "module": module}
        fields = string.Formatter().parse(label)
        filled = (text + (known[axis] if axis is not None else "") for text, axis, _, _ in fields)
        return shorten("".join(filled), LONGEST_LABEL)

    def check_label(self) -> bool:
        """Whether the label, if it is a template such as `k={kernel_size}`, can be filled in."""
        template = self.spec.label
        if template is None or not self.axes or not _is_template(template):
            return True
        axes = {*self.axes, "module"}
        cure = "write {axis} for each axis, {{ and }} for braces"
        try:
            fields = list(string.Formatter().parse(template))
        except ValueError as error:
            self.report(("label",), f"not a template ({error})", cure)
            return False
        for _, axis, form, conversion in fields:
            if axis is not None and (form or conversion):
                self.report(("label",), f"{{{axis}}} has a format", cure)
                return False
            if axis is not None and axis not in axes:
                cure = suggest(axis, axes, "axes") if axis else cure
                self.report(("label",), f"unknown axis {axis or '{}'}", cure)
                return False
        return True

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
        grid, zipped = self.spec.grid, self.spec.zip_
        together = min(map(len, zipped.values()), default=1)
        if (number := math.prod(map(len, grid.values())) * together) > most:
            what = f"{number} combinations, {most} more cases are allowed"
            self.report(("grid",), what, "take fewer values or split the suite")
            return None
        made = [dict(zip(grid, row, strict=True)) for row in itertools.product(*grid.values())]
        if zipped:  # the zipped axes vary fastest, then the last of the grid
            values = zip(*zipped.values(), strict=True)
            rows = [dict(zip(zipped, row, strict=True)) for row in values]
            made = [{**each, **row} for each in made for row in rows]
        return self._without_excluded(made)

    def _check_axes(self) -> None:
        spec = self.spec
        for kind, axes in (("grid", spec.grid), ("zip", spec.zip_)):
            for axis, values in axes.items():
                self._check_values(kind, axis, values)
                key = "pass_" if axis == "pass" else axis
                if getattr(spec, key) is not None if axis in CASE_AXES else axis in spec.with_:
                    what = f"{quote(axis)} has a fixed value here, too"
                    self.report((kind, axis), what, "keep the axis or the value", key=True)
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
                validated(adapter, values)
            except ValidationError as error:
                prefix = (*self.place, kind, axis)
                self.document.report_invalid(error, SuiteSpec, prefix)
        seen: set[str] = set()
        for index, value in enumerate(values if kind == "grid" else ()):
            identity = identity_of(value)
            if identity in seen:
                what = f"the axis already has the value {quote(identity)}"
                self.report((kind, axis, index), what, "write each value once")
            seen.add(identity)

    def _without_excluded(self, combinations: list[Combination]) -> list[Combination] | None:
        mistakes = len(self.document.problems)
        dropped: set[int] = set()
        for index, pattern in enumerate(self.spec.exclude):
            for axis in pattern.keys() - set(self.axes):
                cure = suggest(axis, self.axes, "axes")
                self.report(("exclude", index, axis), "unknown axis", cure, key=True)
            if pattern.keys() <= set(self.axes):
                found = matching(combinations, pattern, self._values)
                if not found:
                    cure = "correct its values or remove it"
                    self.report(("exclude", index), "matches no combination", cure)
                dropped |= found
        kept = [c for index, c in enumerate(combinations) if index not in dropped]
        if not kept and len(self.document.problems) == mistakes:
            cure = "exclude fewer combinations"
            self.report(("exclude",), "no combination is left", cure, key=True)
        if len(self.document.problems) > mistakes:
            return None
        # Axes that the command line fixes take its value; combinations that become equal merge.
        forced = {axis: value for axis, value in self.forced.items() if axis in self.axes}
        if not forced:
            return kept
        merged = ({**combination, **forced} for combination in kept)
        return list({identity_of(combination): combination for combination in merged}.values())


def _is_template(text: str) -> bool:
    return "{" in text or "}" in text
