"""Runs from disk: `harness.load`, `harness.load_all`."""

from pathlib import Path

from harness.api.run import Run
from harness.errors import HarnessError
from harness.records.record import Record
from harness.records.run_directory import DESCRIPTION, LATEST, RunDirectory, RunDirectoryError
from harness.records.stored_runs import find_runs
from harness.runner import DEFAULT_ROOT
from harness.suite import Suite
from harness.suite.described import suite_of
from harness.wording import suggest


def load(path: str | Path = LATEST, *, root: str | Path = DEFAULT_ROOT) -> Run:
    """A run that was kept, with the suite as it was run.

    Args:
        path: a run directory; the folder of a suite's runs, for the latest; the name of a suite in
            `root`; or `latest`, for the run in `root` that was started last.
        root: folder of run directories.

    Raises:
        RunDirectoryError: there is no run, or it cannot be read.
    """
    directory = RunDirectory.open(_place(Path(path), Path(root)))
    try:
        suite = suite_of(directory.description().get("suite") or {})
    except HarnessError as error:
        raise RunDirectoryError(f"{directory.path / DESCRIPTION}: {error}") from error
    return Run(suite, directory, _of_suite(suite, directory.records()))


def load_all(folder: str | Path = DEFAULT_ROOT) -> list[Run]:
    """Every run in and below a folder, by the time of its start."""
    runs = [load(path) for path in find_runs([Path(folder)])]
    return sorted(runs, key=lambda run: (run.started_at, run.directory.path))


def _place(path: Path, root: Path) -> Path:
    if path.exists():
        return path
    if str(path) == LATEST:
        return _last_started(root)
    if (root / path).is_dir():
        return root / path
    names = [each.name for each in root.iterdir() if each.is_dir()] if root.is_dir() else []
    raise RunDirectoryError(
        f"{path}: no such run; {suggest(path.name, names, f'suites in {root}')}"
    )


def _last_started(root: Path) -> Path:
    # Names of runs begin with their time.
    runs = [path for path in root.glob("*/*Z-*") if (path / DESCRIPTION).is_file()]
    if not runs:
        raise RunDirectoryError(f"{root}: no run here; begin one with harness run SUITE")
    return max(runs, key=lambda path: path.name)


def _of_suite(suite: Suite, records: list[Record]) -> tuple[Record, ...]:
    """The last record of each case, in the suite's order."""
    last = {(r.suite, r.label, r.case_key, r.replicate): r for r in records}
    wanted = [(job.suite, job.label, job.case.key, job.replicate) for job in suite.all_jobs()]
    return tuple(last[each] for each in wanted if each in last)
