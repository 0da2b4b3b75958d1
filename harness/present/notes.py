"""Footnotes: what a table's numbers mean, and everything about them that needs saying."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.judge.counterpart import EXPONENT, EXPONENT_TOLERANCE
from harness.judge.order import printed_orders
from harness.judge.part import Context, Part, convention_of
from harness.judge.verdict import reference_table, tally_of, unmatched
from harness.measure.convention import ConventionSpec
from harness.messages import listed
from harness.present.formats import FEW, MARKS, Column
from harness.present.reading import Reading
from harness.present.trainings import separation, trained
from harness.records.origin import commits_of
from harness.records.quantities.derived import shape_text, sweep_name, uncalibrated
from harness.records.quantities.quantity import Row
from harness.records.quantities.registry import ON_CEILINGS, find
from harness.suite.presentation import ReferenceSpec, TableSpec

_MOST_LABELS = 10  # of cases that failed alike

_POWERS = {1e9: "1e9", 2.0**30: "2^30", 1e6: "1e6", 1.0: "1"}


def footnotes(
    spec: TableSpec, part: Part, rows: Sequence[Row], readings: Sequence[Reading], context: Context
) -> tuple[str, ...]:
    """Lines for the foot of a table, in a fixed order."""
    lines = [note for note in (spec.note, part.note) if note]
    lines += _meanings(readings, convention_of(part))
    if any(reading.quantity.sampled(row) for reading in readings for row in rows):
        lines.append(SPREADS)
    lines += setup(rows)
    lines += trained(rows)
    lines += pairs("Versions", context.versions)
    lines += _commits(rows)
    lines += pairs("Machine", context.machine)
    lines += [f"Warning, whole run: {text}" for text in context.warnings]
    if any(reading.quantity.name in ON_CEILINGS for reading in readings):
        lines += uncalibrated(rows)
    lines += _reference(part, rows)
    lines += _judgements(rows)
    # Suites carry notes by label; what else has the shape of a part need not.
    notes: Mapping[str, str] = getattr(part, "notes", None) or {}
    labels = [str(row.get("label")) for row in rows]
    lines += [f"{label}: {notes[label]}" for label in labels if notes.get(label)]
    lines += [failure.text for failure in failures(rows)]
    lines += _coverage(rows)
    lines += _witness(rows)
    lines += _warning_lines(rows)
    return tuple(" ".join(line.split()) for line in lines)


TOO_FEW = f"{FEW} too few samples to compare rows: --repeats 5 measures each in five processes"
"""Said once where measured figures have that mark."""
SPREADS = (
    "± covers the 95 % interval of a figure, whose ends stand there where it is lopsided; n: of "
    "how many samples of one process, processes, or seeds."
)


def needed(part: Part, rows: Sequence[Row], columns: Iterable[Column]) -> tuple[str, ...]:
    """The lines of a foot without which a table would be misread.

    Failures, what `~` means, which accuracies differ by more than their seeds do, and whether rows
    stand as the paper's where figures themselves are not judged.
    """
    shown = {column.stored: column for column in columns if column.shown}
    cells = [cell for column in shown.values() for cell in column.cells]
    lines = [failure.text for failure in failures(rows)]
    if any(cell.spread is not None and cell.spread.few for cell in cells):
        lines.append(TOO_FEW)
    if "miou" in shown:
        lines += separation(rows)
    beside = [each for each in printed_orders(rows, part) if f"{each.figure}_reported" in shown]
    lines += [f"{each.text}." for each in beside]
    return tuple(" ".join(line.split()) for line in lines)


def warned(rows: Sequence[Row]) -> str:
    """`7 of 12 rows carry a warning`; empty where none does."""
    doubtful = sum(bool(row.get("warnings")) for row in rows)
    return f"{doubtful} of {len(rows)} rows carry a warning" if doubtful else ""


def reasons(part: Part, rows: Sequence[Row]) -> tuple[str, ...]:
    """The lines of a foot that say what stands behind the verdicts."""
    lines = [*_reference(part, rows), *_judgements(rows)]
    return tuple(" ".join(line.split()) for line in lines)


def marked(rows: Sequence[Row], columns: Iterable[Column]) -> str:
    """`61 of 67 judged figures agree ✓, 0 differ, 6 explained †`: how many have which mark.

    Empty where no shown column has any.
    """
    if not any(cell.verdict for column in columns if column.shown for cell in column.cells):
        return ""
    tally = tally_of(rows)
    said = {word: (number, text) for word, number, text in tally.counts}
    agree = f"{tally.agrees} of {tally.judged} judged figures"
    words = [f"{agree} agree {MARKS['agrees']}" if tally.agrees else f"{agree} agree"]
    for word in ("differs", "explained", "not reproducible"):
        number, text = said[word]
        if number or word == "differs":
            words.append(f"{text} {MARKS[word]}" if number else text)
    return ", ".join(words)


@dataclass(frozen=True)
class Failure:
    """Cases that ended in the same way, and did not end well."""

    status: str  # how they ended
    cause: str  # in one line; empty where none was recorded
    labels: tuple[str, ...]  # of the cases, in their order

    @property
    def text(self) -> str:
        """`A: error: cause`, `14 cases: error: cause: A, B, C and 11 more`."""
        said = ": ".join(filter(None, (self.status, self.cause)))
        if len(self.labels) == 1:
            return f"{self.labels[0]}: {said}"
        return f"{len(self.labels)} cases: {said}: {listed(self.labels, _MOST_LABELS)}"


def failures(rows: Iterable[Row]) -> list[Failure]:
    """What failed: equal causes once, in the order of the first case of each."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.get("status") != "ok":
            cause = " ".join(str(row.get("cause") or "").split())
            key = (str(row.get("status") or "not run"), cause)
            found.setdefault(key, []).append(str(row.get("label")))
    return [Failure(*key, tuple(labels)) for key, labels in found.items()]


def _counted(convention: ConventionSpec) -> str:
    words = f": {convention.description}" if convention.description else ""
    return f"{definition(convention)}{words}."


def formula(convention: ConventionSpec) -> str:
    """A convention as the sum that it is: `(2 conv MACs + 2 matmul MACs) / 1e9`."""
    weights = {
        "conv MACs": convention.conv,
        "transposed conv MACs": convention.transposed,
        "matmul MACs": convention.matmul,
    }
    weights.update({kind.replace("_", " "): w for kind, w in convention.elementwise.items()})
    terms = [
        name if weight == 1 else f"{weight:g} {name}" for name, weight in weights.items() if weight
    ]
    return f"({' + '.join(terms)}) / {_POWERS.get(convention.unit, f'{convention.unit:g}')}"


def _meanings(readings: Sequence[Reading], convention: ConventionSpec) -> list[str]:
    lines = [_counted(each) for each in conventions(readings, convention)]
    notes = {r.quantity.head: r.quantity.note for r in readings if r.quantity.note}
    notes |= {
        each.head: "least-squares slope of the logarithm over that of "
        f"{each.by.over.symbol or each.by.over.head}, in the row of the largest size"
        for each in readings
        if each.by is not None and each.by.over is not None
    }
    return lines + [f"{head}: {note}." for head, note in notes.items()]


def conventions(
    readings: Iterable[Reading], convention: ConventionSpec
) -> tuple[ConventionSpec, ...]:
    """The conventions that readings are counted by, each once; the suite's own is `convention`."""
    found = {
        each.name: each
        for reading in readings
        if reading.quantity.unit is None
        for each in (reading.quantity.convention or convention,)
    }
    return tuple(found.values())


def definition(convention: ConventionSpec) -> str:
    """`FLOPs, convention macs: GMACs = (conv MACs + matmul MACs) / 1e9`."""
    return f"FLOPs, convention {convention.name}: {convention.unit_name} = {formula(convention)}"


def setup(rows: Sequence[Row]) -> list[str]:
    """Device, data type, pass, input and threads: said once where all rows share them."""
    shared = []
    for name in ("device", "dtype", "float32", "autocast", "pass", "input", "threads"):
        text = shape_text if name == "input" else lambda value: str(value or "")
        values = list(dict.fromkeys(text(row.get(name)) for row in rows))
        present = [value for value in values if value]
        # A case that was not timed may have no number of threads.
        if len(present) == 1 and (len(values) == 1 or name == "threads"):
            shared.append(f"{name} {present[0]}")
        elif present:
            shared.append(f"{name} by row ({', '.join(present)})")
    return [f"Measured with {'; '.join(shared)}."] if shared else []


def _commits(rows: Sequence[Row]) -> list[str]:
    """Which rows were measured at which commit, where they differ."""
    found = commits_of(rows)
    if len(found) < 2:
        return []
    return [f"Commit {commit}: {', '.join(labels)}." for commit, labels in found.items()]


def pairs(head: str, values: Mapping[str, Any]) -> list[str]:
    """`Head: key value, key value.`, or nothing."""
    known = [_pair(key, value) for key, value in values.items() if value not in (None, "", [])]
    return [f"{head}: {', '.join(known)}."] if known else []


def _pair(key: str, value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"{key} {' + '.join(_item(each) for each in value)}"
    if key.endswith("_gib"):
        return f"{key.removesuffix('_gib')} {value} GiB"
    return f"{key} {_item(value)}"


def _item(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    rest = ", ".join(_pair(key, each) for key, each in value.items() if key != "name")
    name = str(value.get("name", ""))
    return f"{name} ({rest})" if name and rest else name or rest


def _reference(part: Part, rows: Sequence[Row]) -> list[str]:
    table, reference = reference_table(part), part.reference
    if table is None or reference is None:
        return []
    caption = f', "{table.caption}"' if table.caption else ""
    tally = tally_of(rows)
    found = {each["verdict"] for row in rows for each in (row.get("verdicts") or {}).values()}
    lines = [
        f"Reported: {table.paper}, {table.key}{caption}.",
        *([f"{legend(reference, found)}."] if tally.judged else []),
        *([f"{tally.text}."] if tally.total else []),
        *_orders(part, rows),
    ]
    missing = unmatched(rows, part)
    if missing:
        lines.append(f"Printed rows without one of ours: {', '.join(missing)}.")
    return lines


def _orders(part: Part, rows: Sequence[Row]) -> list[str]:
    return [f"{each.text}." for each in printed_orders(rows, part)]


def legend(reference: ReferenceSpec, found: Container[str]) -> str:
    """What the marks of verdicts mean, of those that occur."""
    means = {"agrees": f"agrees: {_within(reference)}", "explained": "explained by arithmetic"}
    return "; ".join(f"{MARKS[v]} {means.get(v, v)}" for v in MARKS if v in found)


def _within(reference: ReferenceSpec) -> str:
    """What agrees, of figures and of exponents, whichever there are."""
    own = [
        f"{key} within {100 * each.tolerance:g} %"
        for key, each in reference.figures.items()
        if each.over is None
        and each.tolerance is not None
        and each.tolerance != reference.tolerance
    ]
    words = [
        f"exponent of {key} within {each.tolerance or EXPONENT_TOLERANCE:g}"
        for key, each in reference.figures.items()
        if each.over is not None
    ]
    if not words or len(words) < len(reference.figures):
        listed = f" ({', '.join(own)})" if own else ""
        words.insert(
            0,
            f"within {100 * reference.tolerance:g} % plus half a unit of the last printed "
            f"digit{listed}",
        )
    return "; ".join(words)


def _judgements(rows: Sequence[Row]) -> list[str]:
    """Why figures do not agree, or are not judged; equal reasons stand once."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        for figure, each in (row.get("verdicts") or {}).items():
            if each["reason"] and each["verdict"] is not None:
                key = (each["verdict"], figure, each["reason"])
                # An exponent is that of a sweep, not of the row where it ends.
                whole = each["unit"] == EXPONENT.name
                name = sweep_name(row) if whole else str(row.get("label"))
                found.setdefault(key, []).append(name)
    lines = []
    for (verdict, figure, reason), labels in found.items():
        # That a figure is not judged goes for the whole column.
        who = figure if verdict == "not judged" else f"{', '.join(labels)}, {figure}"
        mark = f"{MARKS[verdict]} " if verdict in MARKS else ""
        lines.append(f"{mark}{who}: {verdict}: {reason}.".replace("..", "."))
    return lines


def _coverage(rows: Sequence[Row]) -> list[str]:
    lines = []
    for row in rows:
        share = find("coverage", rows).number(row)
        uncounted: Mapping[str, int] = row.get("uncounted_ops") or {}
        if not uncounted and (share is None or share >= 1):
            continue
        # Rounded down, so that what is not complete never reads 100.
        covered = "" if share is None else f"counters cover {int(min(share, 1.0) * 1000) / 10:g} %"
        names = ", ".join(f"{name} ({calls}x)" for name, calls in sorted(uncounted.items()))
        named = f"no counting rule for {names}" if names else ""
        lines.append(f"{row.get('label')}: {'; '.join(p for p in (covered, named) if p)}.")
    return lines


def _witness(rows: Sequence[Row]) -> list[str]:
    """Where the second witness counts otherwise; its shape is `harness.measure.witness`'s."""
    lines = []
    for row in rows:
        witness: Mapping[str, Any] = row.get("witness") or {}
        for kind in ("conv", "matmul"):
            found = witness.get(kind) or {}
            if found.get("agree") is False:
                at = shape_text(witness.get("input"))
                lines.append(
                    f"{row.get('label')}: witnesses disagree about {kind} MACs"
                    f"{f' at {at}' if at else ''}: ours {found.get('ours')}, "
                    f"fvcore {found.get('fvcore')}."
                )
    return lines


def _warning_lines(rows: Iterable[Row]) -> list[str]:
    found: dict[str, list[str]] = {}
    for row in rows:
        for warning in row.get("warnings") or ():
            found.setdefault(str(warning), []).append(str(row.get("label")))
    return [f"Warning, {', '.join(labels)}: {text}" for text, labels in found.items()]
