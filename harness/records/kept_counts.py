"""What counts of many runs, kept between commands: a run is read again when its files change.

Kept in the user's cache, a file for each folder of runs. Whatever is not exactly what this code has
written of exactly these files is read anew, so that nothing but time depends on it.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pydantic_core

from harness.environment.files import cache_folder, write_atomically
from harness.records.counted import (
    UNREADABLE,
    Counted,
    Lists,
    Measured,
    MeasuredCase,
    read_counted,
)
from harness.records.run_directory import DESCRIPTION, RECORDS

SETTLED = 2.0
"""Seconds after which a change of a file has another time than the one before, everywhere."""

_State = list[list[int]]
"""Of the files of a run: what changes when they do."""


def counted_in(folder: Path, runs: Sequence[Path]) -> dict[Path, Counted | None]:
    """What counts of the runs below a folder; `None` of those that cannot be read.

    Args:
        folder: of the runs.
        runs: directories in it, or itself.
    """
    place = _place_of(folder)
    kept = _read(place)
    found: dict[Path, Counted | None] = {}
    keeping: dict[str, tuple[_State, Counted]] = {}
    lists: Lists = {}
    now = time.time()
    for run in runs:
        name = str(run.relative_to(folder))
        state = _state(run)  # before they are read: what is written meanwhile is another state
        before = kept.get(name)
        if before is not None and before[0] == state:
            found[run], keeping[name] = before[1], before
            continue
        found[run] = None
        with suppress(*UNREADABLE):
            found[run] = counted = read_counted(run, lists)
            if _is_settled(state, now):
                keeping[name] = (state, counted)
    if keeping != kept:
        with suppress(OSError):  # a folder that cannot be written costs the next command its time
            write_atomically(place, _signed(_as_text(keeping)))
    return found


def _place_of(folder: Path) -> Path:
    name = hashlib.sha256(str(folder.resolve()).encode(errors="surrogateescape")).hexdigest()
    return cache_folder("history") / name


def _state(run: Path) -> _State:
    """Whoever puts size and time of a file back to what they were changes its `ctime`."""
    states = []
    with suppress(OSError):
        for name in (DESCRIPTION, RECORDS):
            found = (run / name).stat()
            states.append(
                [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]
            )
    return states


def _is_settled(state: _State, now: float) -> bool:
    """Whether the next change of the files gives them another state than this one."""
    last = max((time for each in state for time in each[-2:]), default=0)
    return len(state) == 2 and last / 1e9 < now - SETTLED


@cache
def _code() -> str:
    """Hash of what decides how records are read: of other code nothing is kept."""
    harness = Path(__file__).parents[1]
    files = [*(harness / "records").rglob("*.py"), *(harness / "measure").glob("*.py")]
    digest = hashlib.sha256()
    for path in sorted([*files, harness / "case.py"]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _signed(text: str) -> str:
    return f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}"


def _as_text(runs: Mapping[str, tuple[_State, Counted]]) -> str:
    cases: dict[MeasuredCase, int] = {}  # the same ones in every run
    said = {
        name: {
            "state": state,
            "begun": vars(counted.begun),
            "parts": [vars(part) for part in counted.parts],
            "at": counted.at,
            "cases": [cases.setdefault(case, len(cases)) for case in counted.cases],
            "numbers": counted.numbers,
            "declared": counted.declared,
            "bad_lines": counted.bad_lines,
        }
        for name, (state, counted) in runs.items()
    }
    data = {"code": _code(), "runs": said, "cases": list(cases)}
    return json.dumps(data, separators=(",", ":"))


def _read(place: Path) -> dict[str, tuple[_State, Counted]]:
    """What is kept; nothing where it is damaged or of other code."""
    with suppress(*UNREADABLE):
        digest, _, text = place.read_bytes().partition(b"\n")
        if digest.decode() != hashlib.sha256(text).hexdigest():
            return {}
        data = pydantic_core.from_json(text)
        if data["code"] == _code():
            cases = [MeasuredCase._make((*case[:-1], tuple(case[-1]))) for case in data["cases"]]
            return {
                name: (run["state"], _counted(run, cases)) for name, run in data["runs"].items()
            }
    return {}


def _counted(run: Mapping[str, Any], cases: Sequence[MeasuredCase]) -> Counted:
    return Counted(
        Measured(**run["begun"]),
        tuple(Measured(**part) for part in run["parts"]),
        tuple(run["at"]),
        tuple(cases[index] for index in run["cases"]),
        {name: tuple(numbers) for name, numbers in run["numbers"].items()},
        run["declared"],
        run["bad_lines"],
    )
