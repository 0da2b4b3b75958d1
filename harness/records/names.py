"""What a run is called: its folder, its suite, `latest`, its id or the beginning of one, a tag."""

from pathlib import Path

from harness.messages import hint, quote
from harness.records.remarks import DATED, Remarks
from harness.records.run_directory import DESCRIPTION, LATEST, RunDirectory, RunDirectoryError

DEFAULT_ROOT = Path("results/runs")
"""Folder of the suites' folders of runs, where no other is given."""


class UnknownRunError(RunDirectoryError):
    """No run is called so, or several are."""


def find_run(name: str | Path, root: Path) -> Path:
    """The directory of the run that a name means.

    A name is, and the first that there is counts: the path of a run directory or of a suite's
    folder, which stands for its latest run, from the current directory or from `root`; `latest`,
    the run that was started last; an id, or the beginning of one (its date at least) that no other
    run has; a tag, of several runs the one that was started last. With a folder or a suite before
    it, `SUITE/latest` or `FOLDER/TAG`, only runs in there are meant.

    Args:
        name: of a run.
        root: folder of the suites' folders.

    Raises:
        UnknownRunError: no run is called so, with the nearest names; or several, with theirs.
        RunDirectoryError: the folder is there and holds no run.
    """
    place = Path(name)
    # A suite's file is called `ocnet_table4` where its runs are in `ocnet-table4`.
    for path in (place, root / place, root / str(name).replace("_", "-")):
        if (found := RunDirectory.find(path)) is not None:
            return found.path
    above = () if place.parent == Path() else (place.parent, root / place.parent)
    runs = next(filter(None, map(runs_below, above)), [] if above else runs_below(root))
    if found_run := _among(runs, place.name, str(name)):
        return found_run.resolve()
    if _is_there(place):
        return RunDirectory.open(place).path  # which says what is missing
    text = quote(str(name))
    if not runs_below(root):
        raise UnknownRunError(
            f"{root}: no run here; begin one with harness run SUITE"
            if text == LATEST
            else f"{text}: no such run, and {root} has none; begin one with harness run SUITE"
        )
    near = hint(
        text, [LATEST, *suites_in(root), *tags_in(root), *(run.name for run in runs_below(root))]
    )
    raise UnknownRunError(f"{text}: no such run{near}; harness runs lists all of {root}")


def _among(runs: list[Path], name: str, text: str) -> Path | None:
    """The run of that id or tag, `latest` included, among some."""
    if name == LATEST:
        return runs[0] if runs else None
    if not DATED.match(name):
        return next((run for run in runs if name in Remarks.of(run).tags), None)
    begun = [run for run in runs if run.name.startswith(name)]
    if len(begun) > 1:
        known = [f"{run.parent.name}/{run.name}" for run in begun]
        more = f" and {len(known) - 3} more" if len(known) > 3 else ""
        raise UnknownRunError(
            f"{quote(text)}: {len(known)} runs are called so; write one of "
            f"{', '.join(known[:3])}{more}"
        )
    return begun[0] if begun else None


def runs_below(folder: Path) -> list[Path]:
    """Run directories in a folder and in its folders, the one that was started last first."""
    # Names of runs begin with their time. Links (`latest`) name a run that is there anyway.
    found = (
        path
        for pattern in ("*Z-*", "*/*Z-*")
        for path in folder.glob(pattern)
        if not path.is_symlink() and (path / DESCRIPTION).is_file()
    )
    return sorted(found, key=lambda run: (run.name, run.parent.name), reverse=True)


def suites_in(root: Path) -> list[str]:
    """Names of the suites of which there are runs, each once."""
    return sorted({run.parent.name for run in runs_below(root)})


def tags_in(root: Path) -> list[str]:
    """Tags of all runs, each once."""
    return sorted({tag for run in runs_below(root) for tag in Remarks.of(run).tags})


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # no file system has a name of such a length
        return False
