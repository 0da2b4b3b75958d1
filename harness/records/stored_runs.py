"""Many runs at once: what DuckDB reads from their files without making records of them."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.case import Identity, from_json
from harness.messages import HarnessError
from harness.records.description import listed_by, sound
from harness.records.kept_run import last_of_each
from harness.records.remarks import Remarks
from harness.records.run_directory import DESCRIPTION, RECORDS
from harness.records.setting import machine_of, setting_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


OWN_DISTRIBUTION = "context-harness"


class MissingDuckDBError(HarnessError):
    """The extra that reads many runs is not installed."""


@dataclass(frozen=True)
class StoredRun:
    """A run directory, as its `run.json` describes it."""

    path: Path  # the directory
    suite: str  # name of the suite that was run
    started_at: str  # UTC, ISO 8601; orders as text
    commit: str | None  # of the checkout, 40 hexadecimal digits; `None` outside one
    dirty: bool  # whether files differed from that commit
    threads: int | None  # CPU threads of cases that leave the number to PyTorch
    # what may change a time besides the code: versions, settings, kernel, governor, driver
    setting: Mapping[str, str]
    machine: str = ""  # its processor and accelerators, with their key; empty if not told
    listed: tuple[Identity, ...] = ()  # the processes of the cases that its suite has
    said: Remarks = field(default_factory=Remarks)  # tags and note


class Measurement(NamedTuple):
    """One record, reduced to what a series needs."""

    run: int  # index into the runs asked for
    suite: str  # that lists the case
    label: str  # of the case there
    case_key: str  # hash of what was measured
    machine_key: str  # of the machine
    replicate: int  # number of the process
    condition: tuple[Any, ...]  # threads, cache and CUDA graph; what has to be alike in one series
    values: tuple[float | None, ...]  # of the expressions asked for, in their order

    @property
    def identity(self) -> Identity:
        """That of the record."""
        return (self.suite, self.label, self.case_key, self.replicate)


def connect() -> "DuckDBPyConnection":
    """A database in memory.

    Raises:
        MissingDuckDBError: DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingDuckDBError(
            "DuckDB, which reads many runs at once, is not installed; "
            "pip install 'context-harness[history]'"
        ) from error
    database = duckdb.connect()
    # In a notebook without ipywidgets there is no bar, and it may not be turned off either.
    with suppress(duckdb.InvalidInputException):
        database.execute("SET enable_progress_bar = false")
    return database


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


def read_runs(database: "DuckDBPyConnection", paths: Sequence[Path]) -> tuple[list[StoredRun], str]:
    """Runs by the time of their start, and a sentence on those that cannot be read (or nothing)."""
    import duckdb

    files = [str(path / DESCRIPTION) for path in paths]
    try:
        rows = database.execute(_DESCRIPTIONS, [files]).fetchall() if files else []
        described = cache(from_json)  # runs of one suite mostly describe it alike
        runs = [
            _stored_run(
                Path(name).parent,
                {
                    "suite": described(suite),
                    "started_at": at,
                    "environment": from_json(text or "{}"),
                },
            )
            for name, suite, at, text in rows
        ]
    except (duckdb.Error, *_ODD):  # one bad file stops the query; then each is read apart
        runs = [run for path in paths if (run := _read_apart(path)) is not None]
    lost = len(paths) - len(runs)
    warning = f"{lost} of {len(paths)} runs left out: their {DESCRIPTION} cannot be read"
    return sorted(runs, key=lambda run: (run.started_at, run.path)), warning if lost else ""


_ODD = (ValueError, RecursionError, KeyError, TypeError, AttributeError)
"""What a description of another form than a run's leads to."""

_DESCRIPTIONS = """
    SELECT filename, suite, started_at, environment
    FROM read_json(?, filename = true, columns = {
        suite: 'JSON', started_at: 'VARCHAR', environment: 'JSON'})
"""


def _read_apart(path: Path) -> StoredRun | None:
    try:
        return _stored_run(path, from_json((path / DESCRIPTION).read_bytes()))
    except (OSError, *_ODD):
        return None


def _stored_run(path: Path, described: Mapping[str, Any]) -> StoredRun:
    description = sound(described)
    suite, environment = description["suite"], description.get("environment") or {}
    git = environment.get("git") or {}
    setting = setting_of(environment)
    setting.pop(OWN_DISTRIBUTION, None)  # follows from the commit
    return StoredRun(
        path,
        suite["suite"] or path.parent.name,
        description.get("started_at") or "",
        git.get("commit"),
        bool(git.get("dirty")),
        environment.get("threads"),
        setting,
        machine_of(environment),
        tuple(listed_by(suite)),
        Remarks.of(path),
    )


def read_measurements(
    database: "DuckDBPyConnection",
    runs: Sequence[StoredRun],
    structure: Mapping[str, str],
    expressions: Sequence[str],
) -> tuple[list[StoredRun], list[Measurement], list[str]]:
    """What counts of the records of runs (`last_of_each`), and warnings about lines that are none.

    A run that went on at another commit, or under other versions, stands once for each of them.

    Args:
        structure: stored names that the expressions read, with their SQL types.
        expressions: SQL over `values`, each a number or NULL.

    A last line that a killed process left without its line feed is no record and no warning.
    """
    if not runs:
        return [], [], []
    names = {str(run.path / RECORDS): index for index, run in enumerate(runs)}
    fields = ", ".join(f"{name} {kind}" for name, kind in structure.items())
    query = _RECORDS.format(fields=fields, values=", ".join(expressions))
    found: list[list[tuple[Identity, tuple[StoredRun, Measurement]]]] = [[] for _ in runs]
    bad = dict.fromkeys(names, 0)
    for name, *row in database.execute(query, [list(names)]).fetchall():
        if None in row[:4]:
            bad[name] += 1
            continue
        run, (suite, label, key, machine, replicate, threads, *how) = names[name], row[:8]
        commit, dirty, versions = row[8:11]
        condition = (runs[run].threads if threads is None else threads, *how)
        case = (suite, label, key, machine, replicate)
        measurement = Measurement(run, *case, condition, tuple(row[11:]))
        at = runs[run]
        if versions is not None:
            versions.pop(OWN_DISTRIBUTION, None)
            at = replace(at, commit=commit, dirty=bool(dirty), setting=at.setting | versions)
        found[run].append((measurement.identity, (at, measurement)))
    parts: list[StoredRun] = []
    counted = []
    for whole, written in zip(runs, found, strict=True):
        first = len(parts)
        for at, measurement in last_of_each(written, whole.listed):
            if at not in parts[first:]:
                parts.append(at)
            counted.append(measurement._replace(run=parts.index(at, first)))
    return parts, counted, _line_warnings(bad)


# `ignore_errors` gives a row of NULLs for a line that is no JSON object.
_RECORDS = """
    SELECT filename, suite, label, case_key, machine_key, coalesce(replicate, 1),
        coalesce(values.threads, threads), timing.cache, timing.cuda_graph,
        origin.commit, origin.dirty, origin.versions, {values}
    FROM read_json(?, format = 'newline_delimited', filename = true, ignore_errors = true,
        columns = {{suite: 'VARCHAR', label: 'VARCHAR', case_key: 'VARCHAR',
            machine_key: 'VARCHAR', replicate: 'INTEGER', threads: 'INTEGER',
            timing: 'STRUCT(cache VARCHAR, cuda_graph BOOLEAN)',
            origin: 'STRUCT(commit VARCHAR, dirty BOOLEAN, versions MAP(VARCHAR, VARCHAR))',
            values: 'STRUCT(threads INTEGER, {fields})'}})
"""


def _line_warnings(bad: Mapping[str, int]) -> list[str]:
    warnings = []
    for name, number in bad.items():
        lines = number
        if number:
            with Path(name).open("rb") as file:
                file.seek(-1, os.SEEK_END)
                lines -= file.read(1) != b"\n"  # the last one is no whole line
        if lines:
            what = "1 line is no record" if lines == 1 else f"{lines} lines are no records"
            warnings.append(f"{name}: {what} and left out")
    return warnings
