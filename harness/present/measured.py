"""What tables and plots wait for, and nothing measures."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

from harness.judge.part import Part
from harness.judge.relative import RELATIVE
from harness.measure import METRICS
from harness.measure.convention import ConventionSpec, operations
from harness.measure.metric import Value
from harness.present.reading import Reading, read
from harness.present.write import named_plots
from harness.records.quantities.derived import BANDWIDTH, PEAK
from harness.records.quantities.quantity import Row
from harness.suite.presentation import PlotSpec


def missing(
    reading: Reading, rows: Sequence[Row], asked: Mapping[str, Sequence[str]]
) -> tuple[str, ...]:
    """Metrics that a quantity needs and that no case measures.

    What it needs is found by reading it from rows that have a value for everything, and from the
    same without one metric: no list beside the readers could go out of date.

    Args:
        reading: of a column or an axis.
        rows: as the run will have them, with nothing measured yet.
        asked: label of a row: its metrics.

    Returns:
        Nothing where one case has all that it needs, or where no metric gives it (a label, an
        axis, a figure that is only printed). Where different cases measure the parts of it, all.
    """
    # Of thousands of cases one of each kind.
    rows = [*{_kind(row, asked): row for row in rows if row["label"] in asked}.values()]
    own = {said["metric"] for row in rows for said in (row.get("declared") or {}).values()}
    every = [*METRICS, *own]

    def has_value(metrics: Mapping[str, Sequence[str]] | None, without: str = "") -> bool:
        rest = [name for name in every if name != without]
        return any(
            quantity.read(_filled(row, metrics[row["label"]] if metrics else rest, reading))
            is not None
            for row in rows
            for quantity in _parts(reading)
        )

    if has_value(asked) or not has_value(None):
        return ()
    needed = [name for name in every if not has_value(None, name)]
    anywhere = {name for row in rows for name in asked[row["label"]]}
    return tuple(name for name in needed if name not in anywhere) or tuple(needed)


def measured_plots(
    part: Part, rows: Sequence[Row], asked: Mapping[str, Sequence[str]]
) -> dict[str, PlotSpec]:
    """The plots of a suite, by file name, but those of something that no case measures.

    Args:
        part: the suite.
        rows: its annotated rows.
        asked: label of a row: its metrics.
    """

    def is_measured(spec: PlotSpec) -> bool:
        axes = [name for name in (spec.x, *spec.ys, spec.value) if name not in (None, "input")]
        return not any(missing(read(str(name), part, rows), rows, asked) for name in axes)

    return {name: spec for name, spec in named_plots(part).items() if is_measured(spec)}


def _kind(row: Row, asked: Mapping[str, Sequence[str]]) -> tuple[object, ...]:
    """What decides whether a row has a value, its label aside."""
    named = (tuple(row.get(name) or ()) for name in ("factors", "declared"))
    return (tuple(asked[row["label"]]), row.get("pass"), *named)


def _parts(reading: Reading) -> Iterator[Any]:
    yield reading.quantity
    if reading.by is not None:
        yield from reading.by.instead.values()


def _filled(row: Row, metrics: Iterable[str], reading: Reading) -> dict[str, Any]:
    """A row with some value for everything that its metrics store."""
    names = set(metrics)
    values = {v.name: _sample(v) for name in names & METRICS.keys() for v in METRICS[name].values}
    values |= {
        name: 1.0 for name, said in (row.get("declared") or {}).items() if said["metric"] in names
    }
    if "latency" in names:
        values |= {"latency_processes_seconds": (1.0, 1.0), RELATIVE: 1.0}
    made = {**row, PEAK: 1.0, BANDWIDTH: 1.0, **values}
    convention: ConventionSpec = reading.convention
    return {**made, "operations": operations(made, convention)}


def _sample(value: Value) -> Any:
    """A value of the kind that is stored; `None` for what no table shows."""
    if value.kind is None:
        return "text" if value.dimension == "text" else 1.0
    return _sample_of(value.kind)


def _sample_of(kind: Any) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is tuple:
        return ("text",) if inner[0] is str else (1.0,)
    if origin is dict:
        below = inner[1] if get_origin(inner[1]) in {tuple, dict} else float
        return _Everything({"any": _sample_of(below)})
    return kind(1) if kind in (float, bool) else None


class _Everything(dict[str, Any]):
    """Has whatever member is asked for."""

    def get(self, _: str, __: Any = None) -> Any:
        """The same of every name."""
        return self["any"]
