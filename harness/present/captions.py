"""What a paper has to say of a table: its setting in a line, and what changes how it is read."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.judge.order import printed_orders
from harness.judge.part import Context, Part, convention_of
from harness.judge.verdict import reference_table
from harness.present.notes import conventions, failures, formula, legend
from harness.present.reading import Reading
from harness.present.trainings import trained
from harness.records.quantities.derived import shape_text
from harness.records.quantities.quantity import Row
from harness.suite.presentation import TableSpec

# Rows that differ in one of them did not do the same work. A recipe may be what is compared.
_WORK = ("input", "pass", "dtype", "autocast", "device", "threads", "data", "data_version")


def peers(rows: Sequence[Row]) -> tuple[str, ...]:
    """One text a row: equal where values may be compared, empty where the row failed."""
    return tuple(
        repr([row.get(name) for name in _WORK]) if row.get("status") == "ok" else "" for row in rows
    )


def caption(rows: Sequence[Row]) -> str:
    """Input, data type and pass where all rows share them: `input 1×512×97×97, float32, ...`."""
    shape = _shared(rows, "input")
    words = [f"input {shape_text(shape).replace('x', '×')}" if shape else ""]
    words.append(str(_shared(rows, "dtype") or ""))
    words.append(str(_shared(rows, "pass") or ""))
    return ", ".join(filter(None, words))


def explanations(
    spec: TableSpec, part: Part, rows: Sequence[Row], readings: Sequence[Reading], context: Context
) -> tuple[str, ...]:
    """Notes without which a reader would take a figure for another one."""
    measured = [each for each in readings if any(each.text(row) is not None for row in rows)]
    counted = conventions(measured, convention_of(part))
    notes = {each.quantity.head: each.quantity.note for each in measured if each.quantity.note}
    lines = [
        spec.note or "",
        *(f"FLOPs: {each.unit_name} = {formula(each)}." for each in counted),
        *(f"{head}: {note}." for head, note in notes.items()),
        _machine(rows, measured, context),
        *trained(rows),
        _source(part, measured),
        *(f"{each.text}." for each in printed_orders(rows, part) if spec.reported),
        *(_marks(part, rows) if spec.reported else ()),
        *(failure.text for failure in failures(rows)),
    ]
    return tuple(" ".join(line.split()) for line in lines if line)


def _machine(rows: Sequence[Row], measured: Sequence[Reading], context: Context) -> str:
    """On what times and energies were taken; what is counted is the same everywhere."""
    if not any(each.quantity.is_measured for each in measured):
        return ""
    device = str(_shared(rows, "device") or "")
    names = context.machine.get("gpus" if device == "cuda" else "cpu") or device
    threads = _shared(rows, "threads")
    count = f", {threads} thread{'s' if threads > 1 else ''}" if threads else ""
    few = any(spread.few for each in measured for row in rows if (spread := each.spread(row)))
    doubt = "; too few samples to compare rows" if few else ""
    return f"Measured on {_names(names)}{count}{doubt}." if names or doubt else ""


def _names(found: Any) -> str:
    many = found if isinstance(found, (list, tuple)) else [found]
    return ", ".join(str(e.get("name") if isinstance(e, Mapping) else e) for e in many)


def _source(part: Part, measured: Sequence[Reading]) -> str:
    """Where printed figures stand."""
    table = reference_table(part)
    if table is None or all(each.by is None for each in measured):
        return ""
    return f"Paper: {table.paper}, {table.key}."


def _marks(part: Part, rows: Sequence[Row]) -> Iterator[str]:
    """What the marks of verdicts mean, of those that occur."""
    found = {each["verdict"] for row in rows for each in (row.get("verdicts") or {}).values()}
    if part.reference is not None and (said := legend(part.reference, found)):
        yield f"{said}."


def _shared(rows: Sequence[Row], name: str) -> Any:
    """The value that all rows have; `None` where they differ."""
    values = [row.get(name) for row in rows if row.get(name) is not None]
    return values[0] if values and all(value == values[0] for value in values) else None
