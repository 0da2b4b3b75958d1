"""What the shipped suites are: titles, printed tables, cases, and how long they take.

`python -m harness.suite.listing RUN... > suites/durations.json` renews the times that are shipped:
those of the run directories that are named.
"""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.measure import STATIC
from harness.messages import HarnessError
from harness.records.kept_run import KeptRun
from harness.records.record import Record
from harness.suite import reader, tree
from harness.suite.expand import number_of_cases
from harness.suite.schema import SuiteSpec
from harness.suite.shipped import FOLDER, shipped
from harness.suite.suite import Suite
from harness.suite.tree import Source

_DURATIONS = FOLDER / "durations.json"

Durations = Mapping[str, Mapping[str, tuple[int, float]]]
"""`static` (what is counted alone) and `whole`: by suite, without what it includes, how many cases
there were and their seconds, one after another."""


@dataclass(frozen=True)
class Listed:
    """A shipped suite."""

    name: str  # as commands take it
    suite: str  # its own name, and that of the folder of its runs
    title: str
    regenerates: tuple[str, ...]  # printed tables that stand beside its rows: `OCNet Table 4`
    cases: int  # what it includes counted, too
    static_seconds: float | None  # of its static metrics alone; `None` where nothing is known
    whole_seconds: float | None  # of all that it asks for, trainings from nothing


def listed(root: Path) -> list[Listed]:
    """Every shipped suite, in the order of `shipped`; a file with mistakes is none.

    Args:
        root: folder of run directories; what took its time there goes before what is shipped.
    """
    sources = {
        name: tree.read(reader.read_file(path), path.parent) for name, path in shipped().items()
    }
    names = {part: None for source in sources.values() for part, _ in _parts(source)}
    known = (durations(_latest(root, names)), shipped_durations())
    return [
        _listed(name, source, spec, known)
        for name, source in sources.items()
        if (spec := source.spec) is not None and not source.document.problems
    ]


def _latest(root: Path, suites: Iterable[str]) -> Iterator[KeptRun]:
    for suite in suites:
        with suppress(HarnessError):  # it has no run
            yield KeptRun.open(root / suite)


def durations(runs: Iterable[KeptRun]) -> Durations:
    """What suites took in runs; of several of one suite the last counts. Unreadable ones do not."""
    found: dict[str, dict[str, tuple[int, float]]] = {"static": {}, "whole": {}}
    for run in runs:
        by_suite: dict[str, list[Record]] = defaultdict(list)
        with suppress(HarnessError):
            for record in run.records:
                by_suite[record.suite].append(record)
        for suite, records in by_suite.items():
            static = all(set(record.metrics) <= set(STATIC) for record in records)
            seconds = sum(map(_seconds, records))
            found["static" if static else "whole"][suite] = (len(records), round(seconds, 1))
    return found


def _seconds(record: Record) -> float:
    """Of a case's process, with the trainings that it has found kept."""
    trained = float(record.values.get("train_seconds") or 0.0)
    done_here = record.seconds.get("accuracy", 0.0) >= trained
    return record.elapsed_seconds + (0.0 if done_here else trained)


def shipped_durations() -> dict[str, Any]:
    """What suites took where that was measured for this list, and `machine`: where that was."""
    data: dict[str, Any] = json.loads(_DURATIONS.read_text(encoding="utf-8"))
    return data


def expected_seconds(suite: Suite) -> float | None:
    """What its cases took where shipped times were measured; `None` where some are not shipped."""
    known, total = shipped_durations(), 0.0
    for part in suite.parts():
        static = all(set(job.metrics) <= set(STATIC) for job in part.jobs)
        cases, took = _took(known, "static" if static else "whole", part.name, static)
        if cases != len(part.jobs):
            return None
        total += took
    return total or None


def _listed(name: str, source: Source, spec: SuiteSpec, known: Sequence[Durations]) -> Listed:
    parts = dict(_parts(source))
    counted = {part.spec.suite for part in source.walk() if part.spec and _is_static(part.spec)}

    def seconds(extent: str) -> float | None:
        for each in known:
            found = [
                _took(each, extent, part, part in counted and each is known[-1]) for part in parts
            ]
            if [cases for cases, _ in found] == list(parts.values()):
                return sum(took for _, took in found)
        return None

    references = [part.spec.reference for part in source.walk() if part.spec is not None]
    printed = [_printed(each.paper, each.table) for each in references if each is not None]
    return Listed(
        name,
        spec.suite,
        spec.title or spec.suite,
        tuple(dict.fromkeys(printed)),
        sum(parts.values()),
        seconds("static"),
        seconds("whole"),
    )


def _took(known: Durations, extent: str, part: str, counted: bool) -> tuple[int, float]:
    """Cases and seconds of a suite; where all of it is counted the whole is what is static."""
    nothing = (0, 0.0)
    found = known[extent].get(part, nothing)
    return known["static"].get(part, nothing) if counted and found == nothing else found


def _is_static(spec: SuiteSpec) -> bool:
    """Whether a suite asks for nothing but what is counted."""
    said = [each.measure or "static" for each in (spec, *(spec.cases or ()))]
    names = {name for each in said for name in ((each,) if isinstance(each, str) else each)}
    return names <= {"static", *STATIC}


def _parts(source: Source) -> Iterator[tuple[str, int]]:
    """Name and number of cases of each suite of a tree that has cases of its own."""
    for part in source.walk():
        if part.spec is not None and (cases := number_of_cases(part)):
            yield part.spec.suite, cases


def _printed(paper: str, table: str) -> str:
    """`ocnet`, `table4` as `OCNet Table 4`."""
    words = re.sub(r"(?<=[a-z])(?=[0-9])", " ", table)
    name = paper if paper in _NO_PAPERS else paper.upper().replace("NET", "Net")
    return f"{name} {words[:1].upper()}{words[1:]}"


_NO_PAPERS = ("hamburger", "imgclsmob", "mmsegmentation", "timm", "torchvision")
"""Libraries whose tables are printed, too; their names are in small letters."""


if __name__ == "__main__":
    given = [KeptRun.open(Path(run)) for run in sys.argv[1:]]
    environments = [run.environment for run in given]
    machines = {f"{m['cpu']}, {m['cores']} cores" for m in (e["machine"] for e in environments)}
    warnings = [warning for each in environments for warning in each.get("warnings") or ()]
    if any(warning.startswith("noisy machine") for warning in warnings):
        machines.add("beside other work")
    written = {"machine": ", ".join(sorted(machines)), **durations(given)}
    sys.stdout.write(json.dumps(written, indent=1, sort_keys=True) + "\n")
