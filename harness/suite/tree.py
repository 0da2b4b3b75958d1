"""A suite file and the files that it includes: read, checked against the models, in file order."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.measure import METRICS
from harness.measure.own import is_own
from harness.messages import suggest
from harness.suite import reader
from harness.suite.document import Document, shown
from harness.suite.schema import SuiteSpec

MOST_INCLUDED = 1000
"""Files of one tree."""

DEEPEST_INCLUDE = 32
"""Files in one chain of includes."""


@dataclass(eq=False)
class Source:
    """One suite file."""

    document: Document  # the tree with its places and mistakes
    data: dict[str, Any] = field(default_factory=dict)  # the plain values
    spec: SuiteSpec | None = None  # the model; `None` when too little of the file is right
    # no key of the top level was left out of `spec`; when false, a thing that seems to lack may be
    # there, misspelt, and is not reported as missing
    complete: bool = False
    lost: frozenset[str] = frozenset()  # keys of the top level that were left out of `spec`
    lost_cases: bool = False  # some entries of `cases` were left out of `spec`
    included: "list[Source]" = field(default_factory=list)  # files it includes
    # index in the file of each entry of `spec.cases`
    original: list[int] = field(default_factory=list)

    def walk(self) -> "Iterator[Source]":
        """This file and all below, in file order."""
        yield self
        for source in self.included:
            yield from source.walk()


def read(document: Document, folder: Path) -> Source:
    """Check a suite and read what it includes; mistakes stand in the documents.

    Args:
        document: of the suite.
        folder: that its includes are taken from.
    """
    return _read(document, folder, (), {}, {})


def _read(
    document: Document,
    folder: Path,
    chain: tuple[Path, ...],
    seen: dict[Path, str],
    names: dict[str, str],
) -> Source:
    source = Source(document)
    seen[source.document.path] = source.document.shown
    _validate(source)
    name = source.data.get("suite")
    if source.spec is not None and isinstance(name, str):
        if name in names:
            what = f"another suite of this run is called {name} ({names[name]})"
            source.document.report(("suite",), what, "give each suite a name of its own")
        names.setdefault(name, source.document.shown)
    chain = (*chain, source.document.path)
    for index, name in enumerate(source.spec.include if source.spec else ()):
        target = folder / name
        if _may_include(source, index, target, chain, seen):
            below = _read(reader.read_file(target), target.parent, chain, seen, names)
            source.included.append(below)
    return source


def _may_include(
    source: Source, index: int, target: Path, chain: tuple[Path, ...], seen: dict[Path, str]
) -> bool:
    place, below = ("include", index), Path(os.path.realpath(target))
    if below in chain:
        loop = " -> ".join(shown(step) for step in (*chain[chain.index(below) :], below))
        source.document.report(place, f"include loop: {loop}", "remove one of these includes")
    elif below in seen:
        what = f"{seen[below]} is already included"
        source.document.report(place, what, "include each file once")
    elif len(chain) >= DEEPEST_INCLUDE or len(seen) >= MOST_INCLUDED:
        what = f"more than {DEEPEST_INCLUDE} includes in a chain or {MOST_INCLUDED} files"
        source.document.report(place, what, "include the files from one suite")
    elif not os.path.exists(below):  # noqa: PTH110 - of what may not be read, it says no
        beside: list[str] = []
        with suppress(OSError):
            listed = below.parent.iterdir()
            beside = [file.name for file in listed if file.suffix in {".yaml", ".yml"}]
        cure = suggest(below.name, beside, "files there")
        source.document.report(place, f"no such file: {shown(target)}", cure)
    else:
        return True
    return False


def _validate(source: Source) -> None:
    document = source.document
    if document.root is None:
        if not document.problems:
            document.report((), "empty", "begin with suite: name")
        return
    data = document.root.plain()
    if not isinstance(data, dict):
        document.report((), "expected a mapping at the top", "begin with suite: name")
        return
    source.data = data
    source.original = list(range(len(data["cases"]))) if isinstance(data.get("cases"), list) else []
    try:
        source.complete = not document.problems
        source.spec = SuiteSpec.of(data)
    except ValidationError as error:
        document.report_invalid(error, SuiteSpec)
        _salvage(source, error)


def _salvage(source: Source, error: ValidationError) -> None:
    """Keep what is right, so that the mistakes of the rest are found in the same pass."""
    data = dict(source.data)
    faulty = [detail["loc"] for detail in error.errors(include_url=False) if detail["loc"]]
    cases: dict[Any, list[Any]] = {}  # number: keys with mistakes; `None` for the entry itself
    for place in faulty:
        if place[0] == "cases" and len(place) > 1:
            cases.setdefault(place[1], []).append(place[2] if len(place) > 2 else None)
    lost = {str(place[0]) for place in faulty if place[0] != "cases" or len(place) == 1}
    if "measure" in lost and (near := _near_metrics(data["measure"])):
        data["measure"] = near
        lost.remove("measure")
    for name in lost:
        data.pop(name, None)
    source.lost = frozenset(lost)
    source.complete &= not lost
    if isinstance(data.get("cases"), list):
        kept = {i: each for i, each in enumerate(data["cases"]) if i not in cases}
        for i, keys in cases.items():
            if {*keys} == {"measure"} and (near := _near_metrics(data["cases"][i]["measure"])):
                kept[i] = {**data["cases"][i], "measure": near}
        source.original = sorted(kept)
        source.lost_cases = len(kept) < len(data["cases"])
        data["cases"] = [kept[i] for i in source.original]
        if not kept:
            del data["cases"]
    source.lost_cases |= "cases" in lost
    data.setdefault("suite", "unnamed")
    try:
        source.spec = SuiteSpec.of(data)
    except ValidationError:
        source.spec = None


def _near_metrics(said: Any) -> list[str]:
    """What `measure` may mean, so that the columns that wait for it are not reported, too."""
    names = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    known = ("static", *METRICS)
    found = [
        [name] if is_own(name) else get_close_matches(name, known, n=1)
        for name in names
        if isinstance(name, str)
    ]
    return [name for each in found for name in each]
