"""Kept runs as one page."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.api.run import Run, load
from harness.messages import HarnessError
from harness.present.write import write_whole
from harness.suite.suite import Suite

if TYPE_CHECKING:
    from harness.present.report.tables import ReportedRun


def report(
    runs: Run | str | Path | Sequence[Run | str | Path], out: str | Path | None = None
) -> Path:
    """Write runs as one HTML file that needs neither network nor server.

    Args:
        runs: one or several, each a run or what `harness.load` takes; the same one counts once.
        out: the file; if absent `report.html` in the run's directory, of several runs here.

    Returns:
        The file.

    Raises:
        HarnessError: a run cannot be read or has no records, Jinja is not installed, or the file
            cannot be written.
    """
    from harness.present.report.page import report_html

    given = [runs] if isinstance(runs, (Run, str, Path)) else runs
    found = [each if isinstance(each, Run) else load(each) for each in given]
    loaded = {run.directory.path.resolve(): run for run in found}
    reported = [_reported(run) for run in loaded.values()]
    content = report_html(_with_pictures(list(loaded.values()), reported))
    place = next(iter(loaded)) if len(loaded) == 1 else Path()
    file = place / "report.html" if out is None else Path(out)
    write_whole(file, content.encode("utf-8"))
    return file


def _reported(run: Run) -> "ReportedRun":
    from harness.present.report.tables import ReportedPart, ReportedRun

    path = run.directory.path
    if not run.records:
        raise HarnessError(f"{path}: no case of this run has ended; nothing to report")
    context, description = run.context, run.directory.description()
    try:
        run.rows()
    except HarnessError as error:
        # Of a run from elsewhere the printed figures may be missing here; its own numbers are not.
        run = Run(_unreferenced(run.suite), run.directory, run.records)
        said = f"printed figures and verdicts are left out: {error}"
        context = replace(context, warnings=(*context.warnings, said))
    every = [ReportedPart(part, run.part_rows(part)) for part in run.suite.parts()]
    parts = tuple(each for each in every if each.rows)
    return ReportedRun(path, description, context, parts, run.records, run.total)


def _with_pictures(runs: Sequence[Run], reported: "list[ReportedRun]") -> "list[ReportedRun]":
    """Runs with pictures of their trained networks, where these are at hand."""
    if not any(
        row.get("train_keys") for run in reported for part in run.parts for row in part.rows
    ):
        return reported  # PyTorch and the data need not be opened
    from harness.api.pictures import kept_networks
    from harness.present.report.pictures import MOST_LOADED, MOST_PICTURES, is_small, pictures_of

    left, found = MOST_PICTURES, []
    for run, each in zip(runs, reported, strict=True):
        parts = []
        for part in each.parts:
            suite = next(one for one in run.suite.parts() if one.name == part.part.name)
            kept = kept_networks(each.path, suite, part.rows, MOST_LOADED) if left else ()
            drawn = pictures_of({name: one for name, one in kept if is_small(one)}, left)
            left -= len(drawn)
            parts.append(replace(part, pictures=drawn))
        found.append(replace(each, parts=tuple(parts)))
    return found


def _unreferenced(suite: Suite) -> Suite:
    included = tuple(_unreferenced(each) for each in suite.included)
    return replace(suite, reference=None, included=included)
