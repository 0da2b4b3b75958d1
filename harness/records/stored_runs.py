"""Many runs at once: what DuckDB reads from their files without making records of them."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.messages import HarnessError
from harness.records.run_directory import DESCRIPTION, RECORDS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


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
    # what may change a time besides the code: versions, kernel, governor, driver
    setting: Mapping[str, str]


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
        described = [
            (Path(name).parent, suite, at, _object(text)) for name, suite, at, text in rows
        ]
    except duckdb.Error:  # one bad file stops the query; then each is read apart
        described = list(filter(None, map(_read_apart, paths)))
    runs = [_run(*each) for each in described]
    lost = len(paths) - len(runs)
    warning = f"{lost} of {len(paths)} runs left out: their {DESCRIPTION} cannot be read"
    return sorted(runs, key=lambda run: (run.started_at, run.path)), warning if lost else ""


_DESCRIPTIONS = """
    SELECT filename, suite.suite, started_at, environment
    FROM read_json(?, filename = true, columns = {
        suite: 'STRUCT(suite VARCHAR)', started_at: 'VARCHAR', environment: 'JSON'})
"""


def _object(text: str | None) -> Mapping[str, Any]:
    found = json.loads(text or "{}")
    return found if isinstance(found, dict) else {}


def _read_apart(path: Path) -> tuple[Path, str | None, str | None, Mapping[str, Any]] | None:
    try:
        data = json.loads((path / DESCRIPTION).read_text(encoding="utf-8"))
        return path, data["suite"]["suite"], data["started_at"], data["environment"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return None


def _run(
    path: Path, suite: str | None, started_at: str | None, environment: Mapping[str, Any]
) -> StoredRun:
    git = environment.get("git") or {}
    return StoredRun(
        path,
        suite or path.parent.name,
        started_at or "",
        git.get("commit"),
        bool(git.get("dirty")),
        environment.get("threads"),
        _setting(environment),
    )


_APART = ("context-harness",)
"""The harness's own version follows from the commit."""


def _setting(environment: Mapping[str, Any]) -> dict[str, str]:
    libraries = environment.get("libraries") or {}
    found = {
        "python": environment.get("python"),
        **{name: value for name, value in libraries.items() if name not in _APART},
        "governor": environment.get("governor"),
        "system": environment.get("system_version"),
    }
    return {name: str(value) for name, value in found.items() if value is not None}


def read_measurements(
    database: "DuckDBPyConnection",
    runs: Sequence[StoredRun],
    structure: Mapping[str, str],
    expressions: Sequence[str],
) -> tuple[list[Measurement], list[str]]:
    """The records of runs, in their order, and warnings about lines that are none.

    Args:
        database: of `connect`.
        runs: to read.
        structure: stored names that the expressions read, with their SQL types.
        expressions: SQL over `values`, each a number or NULL.

    A last line that a killed process left without its line feed is no record and no warning.
    """
    if not runs:
        return [], []
    names = {str(run.path / RECORDS): index for index, run in enumerate(runs)}
    fields = ", ".join(f"{name} {kind}" for name, kind in structure.items())
    query = _RECORDS.format(fields=fields, values=", ".join(expressions))
    found, bad = [], dict.fromkeys(names, 0)
    for name, suite, label, key, machine, replicate, *rest in database.execute(
        query, [list(names)]
    ).fetchall():
        if suite is None or label is None or key is None or machine is None:
            bad[name] += 1
            continue
        threads, cache, graph, *values = rest
        if threads is None:
            threads = runs[names[name]].threads
        condition = (threads, cache, graph)
        case = (suite, label, key, machine, replicate)
        found.append(Measurement(names[name], *case, condition, tuple(values)))
    return found, _warnings(bad)


# `ignore_errors` gives a row of NULLs for a line that is no JSON object.
_RECORDS = """
    SELECT filename, suite, label, case_key, machine_key, coalesce(replicate, 1),
        coalesce(values.threads, threads), timing.cache, timing.cuda_graph, {values}
    FROM read_json(?, format = 'newline_delimited', filename = true, ignore_errors = true,
        columns = {{suite: 'VARCHAR', label: 'VARCHAR', case_key: 'VARCHAR',
            machine_key: 'VARCHAR', replicate: 'INTEGER', threads: 'INTEGER',
            timing: 'STRUCT(cache VARCHAR, cuda_graph BOOLEAN)',
            values: 'STRUCT(threads INTEGER, {fields})'}})
"""


def _warnings(bad: Mapping[str, int]) -> list[str]:
    warnings = []
    for name, number in bad.items():
        lines = number - _is_truncated(Path(name)) if number else 0
        if lines:
            what = "1 line is no record" if lines == 1 else f"{lines} lines are no records"
            warnings.append(f"{name}: {what} and left out")
    return warnings


def _is_truncated(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
