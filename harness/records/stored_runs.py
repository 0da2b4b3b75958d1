"""Many runs at once: the numbers of the records that count, read without making records of them."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness.measure.own import MetricError
from harness.messages import HarnessError, hint, quote
from harness.records.counted import Counted, Measured, MeasuredCase
from harness.records.kept_counts import counted_in
from harness.records.quantities.quantity import Quantity
from harness.records.quantities.registry import ALIASES, COMPARED, own_quantities
from harness.records.remarks import Remarks
from harness.records.run_directory import DESCRIPTION, RECORDS


@dataclass(frozen=True)
class StoredRun(Measured):
    """A run directory, or the part of it that was measured under the same."""

    path: Path  # the directory
    said: Remarks  # tags and note


class Measurement(NamedTuple):
    """One record, reduced to what a series needs."""

    run: int  # index into the runs
    case: MeasuredCase  # what was measured
    # of each quantity its value and the ends of its interval, one after the other
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class StoredRuns:
    """What was found below folders."""

    number: int  # of the runs that can be read
    # by the time of their start; one that went on at another commit, or under other versions,
    # stands once for each of them
    parts: tuple[StoredRun, ...]
    quantities: tuple[Quantity, ...]  # that were asked for
    present: tuple[str, ...]  # names of all that any record has
    measurements: tuple[Measurement, ...]  # in the order of the parts
    warnings: tuple[str, ...]  # what could not be read


def find_runs(folders: Iterable[Path]) -> list[Path]:
    """Run directories in and below folders; links (`latest`) are not followed."""
    found: dict[Path, None] = {}
    for folder in folders:
        found.update(dict.fromkeys(sorted(_runs_below(os.fspath(folder)))))
    return list(found)


def _runs_below(folder: str) -> Iterator[Path]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    names = {entry.name for entry in entries}
    if DESCRIPTION in names:
        if RECORDS in names:
            yield Path(folder)
        return  # tables and plots hold no runs
    for entry in entries:
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            yield from _runs_below(entry.path)


class UnknownMetricError(HarnessError):
    """A name that is neither a compared quantity nor what a user's metric has declared."""


def read_stored(folders: Iterable[Path], metrics: Sequence[str] | None) -> StoredRuns:
    """What counts of all runs below folders.

    Args:
        folders: run directories, or folders of them at any depth.
        metrics: names of `COMPARED`, their short ones, and names that users' metrics declare in
            these runs: what to read of each record; `None` is all of them.

    Raises:
        UnknownMetricError: there is no quantity of that name.
    """
    found: dict[Path, Counted | None] = {}
    for folder in folders:
        found |= counted_in(folder, find_runs([folder]))
    read = [(path, counted) for path, counted in found.items() if counted is not None]
    read.sort(key=lambda each: (each[1].begun.started_at, each[0]))
    asked = _asked(metrics, [counted for _, counted in read]) if read else ()
    parts: list[StoredRun] = []
    measurements: list[Measurement] = []
    for path, counted in read:
        said, first = Remarks.of(path), len(parts)
        parts += [StoredRun(**vars(part), path=path, said=said) for part in counted.parts]
        at = counted.at if first == 0 else [first + index for index in counted.at]
        measurements += map(Measurement, at, counted.cases, _values(counted, asked))
    lost = (*_lost(found), *_odd(read))
    present = _present([counted for _, counted in read])
    return StoredRuns(len(read), tuple(parts), asked, present, tuple(measurements), lost)


def _present(read: Iterable[Counted]) -> tuple[str, ...]:
    names = {name for counted in read for name in counted.numbers}
    own = {name for counted in read for name in counted.declared}
    return (*(name for name in COMPARED if name in names), *sorted(own & names))


def _asked(metrics: Sequence[str] | None, read: Sequence[Counted]) -> tuple[Quantity, ...]:
    """The quantities of these names; the last run says what a user's number is."""
    own: dict[str, Quantity] = {}
    for name, said in {n: each for counted in read for n, each in counted.declared.items()}.items():
        with suppress(MetricError):  # of a forged record
            own |= own_quantities([{"declared": {name: said}}])
    known = {**COMPARED, **own}
    if metrics is None:
        return tuple(known.values())
    short = {alias: name for alias, name in ALIASES.items() if name in COMPARED}
    for name in metrics:
        if name not in known and name not in short:
            said_of = hint(name, [*short, *known])
            raise UnknownMetricError(
                f"metric {quote(name)}: no such metric{said_of}; write a name or 'all'"
            )
    return tuple(known[name] for name in dict.fromkeys(short.get(n, n) for n in metrics))


def _values(counted: Counted, asked: Sequence[Quantity]) -> Iterable[tuple[float | None, ...]]:
    """Of each record; one that has none of them has `None` in their places."""
    names = [name for each in asked for name in (each.name, *(each.interval or ("", "")))]
    nothing = (None,) * len(counted.cases)
    return zip(*(counted.numbers.get(name, nothing) for name in names), strict=True)


def _lost(found: dict[Path, Counted | None]) -> list[str]:
    lost = sum(counted is None for counted in found.values())
    if not lost:
        return []
    what = f"their {DESCRIPTION} or {RECORDS} cannot be read"
    return [f"{lost} of {len(found)} runs left out: {what}"]


def _odd(read: Iterable[tuple[Path, Counted]]) -> Iterator[str]:
    for path, counted in read:
        if number := counted.bad_lines:
            what = "1 line is no record" if number == 1 else f"{number} lines are no records"
            yield f"{path / RECORDS}: {what} and left out"
