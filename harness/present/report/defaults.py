"""Plots that a report has where its rows allow them, beside those that a suite asks for."""

from collections.abc import Iterator, Sequence

from harness.present.derived import input_height
from harness.present.performance import intensity
from harness.present.quantities import ALIASES, axes
from harness.present.quantity import Row
from harness.suite.presentation import PlotSpec

_CURVE = 3  # values of an axis from which a line says more than bars
_SERIES = 12  # lines that can be told apart


def plot_specs(asked: Sequence[PlotSpec], rows: Sequence[Row]) -> list[PlotSpec]:
    """The plots of a suite: what it asks for first, then what its rows allow, none twice."""
    found = {_key(spec): spec for spec in asked}
    for spec in _allowed(rows):
        found.setdefault(_key(spec), spec)
    return list(found.values())


def _key(spec: PlotSpec) -> tuple[object, ...]:
    ys = tuple(ALIASES.get(name, name) for name in spec.ys)
    if spec.kind == "scatter":  # memory against latency and latency against memory are one plot
        return spec.kind, frozenset((ALIASES.get(spec.x or "", spec.x), *ys))
    return spec.kind, spec.x, ys


def _allowed(rows: Sequence[Row]) -> Iterator[PlotSpec]:
    swept = _sizes(rows) > 1
    costs = [name for name in ("operations", "latency_seconds") if _count(rows, name) > 1]
    memory = _memory(rows)
    if not swept:
        yield from (PlotSpec(kind="bar", y=name) for name in costs)
    if memory is not None and costs:
        yield PlotSpec(kind="scatter", x=costs[-1], y=memory)
    if any(row.get("latency_seconds") and intensity(row) for row in rows):
        yield PlotSpec(kind="roofline")
    if swept:
        for y in (*costs, *([memory] if memory else [])):
            yield PlotSpec(kind="line", x="input_height", y=y, series="sweep")
    accuracy = ["miou"] if _count(rows, "miou") > 1 else []
    for axis, series in _curves(rows):
        for y in (*accuracy, *costs[:1]):
            yield PlotSpec(kind="line", x=f"factors.{axis}", y=y, series=series)


def _memory(rows: Sequence[Row]) -> str | None:
    """The kind of memory that most rows have: of the forward, else of both directions."""
    names = ("live_peak_bytes", "live_peak_training_bytes")
    name = max(names, key=lambda each: _count(rows, each))
    return name if _count(rows, name) > 1 else None


def _count(rows: Sequence[Row], name: str) -> int:
    return sum(row.get(name) is not None for row in rows)


def _sizes(rows: Sequence[Row]) -> int:
    """Heights of the input at which the module with most of them was measured."""
    heights: dict[object, set[int | None]] = {}
    for row in rows:
        if "input" in (row.get("factors") or {}):
            heights.setdefault(row.get("module"), set()).add(input_height(row))
    return max((len(each) for each in heights.values()), default=0)


def _curves(rows: Sequence[Row]) -> Iterator[tuple[str, str | None]]:
    """Axes of numbers with enough values, each with the one other axis that splits its rows."""
    swept = [axis for axis in axes(rows) if axis != "input"]
    values = {axis: _values(rows, axis) for axis in swept}
    for axis in swept:
        others = [each for each in swept if each != axis and len(values[each]) > 1]
        is_curve = len(values[axis]) >= _CURVE and all(_is_number(v) for v in values[axis])
        if is_curve and len(others) <= 1 and all(len(values[o]) <= _SERIES for o in others):
            yield axis, f"factors.{others[0]}" if others else None


def _values(rows: Sequence[Row], axis: str) -> list[object]:
    found: list[object] = []
    for row in rows:
        value = (row.get("factors") or {}).get(axis)
        if value is not None and value not in found:
            found.append(value)
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
