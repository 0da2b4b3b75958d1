"""`harness history`: each case over commits, and the commits between which it changed."""

import json
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from harness.cli.options import Only
from harness.cli.options import runs as run_names
from harness.cli.output import console, say
from harness.messages import OptionError
from harness.records.kept_run import KeptRun
from harness.records.names import DEFAULT_ROOT, find_run
from harness.records.run_directory import RunDirectoryError

if TYPE_CHECKING:
    from harness.judge.regression.history import History


_SHOWN = 50
"""Changes in the terminal; all are in `--json`."""


def history(  # noqa: PLR0917 - typer calls it with names
    suites: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SUITE]...",
            help="Names of suites, suite files, or runs of them; all if absent.",
            autocompletion=run_names,
        ),
    ] = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Folder with runs at any depth; repeatable."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="latency, memory, params, ...; or all. Repeatable."),
    ] = None,
    only: Only = None,
    machine: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="Only runs of this machine; repeatable.")
    ] = None,
    min_change: Annotated[
        float, typer.Option(metavar="PERCENT", help="Smallest change that is told.")
    ] = 2.0,
    plots: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Draw every case over commits (PNG and SVG).")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page with every case over commits."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object with every point on stdout.")
    ] = False,
) -> None:
    """Read all runs, find where each case became slower or faster, and name the commits.

    Points are runs in the order of their commits; a change is named as a range that `git log`
    takes. A page needs the extra `report` (Jinja).
    """
    from harness.judge.regression.history import ChangeLimits, read_history

    if not 0 <= min_change < float("inf"):
        raise OptionError(f"--min-change {min_change}: give a percentage of 0 or more")
    folders = runs or [DEFAULT_ROOT]
    found = read_history(
        folders,
        None if metric == ["all"] else metric or ["latency"],
        suites=[_suite_name(suite, folders[0]) for suite in suites or ()],
        labels=only or (),
        machines=machine or (),
        limits=ChangeLimits(min_change=min_change / 100),
    )
    errors = console(stderr=True)
    for warning in found.warnings:
        say(f"warning: {warning}", errors, style="yellow")
    if as_json:
        # Without line feeds: indenting tens of thousands of points takes longer than finding them.
        sys.stdout.write(json.dumps(found.as_json(), allow_nan=False) + "\n")
    else:
        _print_changes(found)
    if html is not None:
        from harness.cli.export import shown_size
        from harness.present.report.history_page import history_html
        from harness.present.write import write_whole

        write_whole(html, history_html(found).encode("utf-8"))
        say(f"page: {html} ({shown_size(html)})", errors)
    if plots is not None:
        number = _draw_all(found, plots)
        say(f"drawn: {number} plots in {plots}", errors)


def _suite_name(suite: str, root: Path) -> str:
    """The name of a suite, also of one given as its file, as a shipped one, or as a run of it."""
    from harness.suite.shipped import ENDINGS, find, named

    path = Path(suite)
    if path.suffix not in ENDINGS and named(path) is None:
        with suppress(RunDirectoryError):
            return KeptRun.open(find_run(suite, root)).suite_name
        return suite  # perhaps one that others include, of which there are no runs
    path = find(path)
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        data = YAML(typ="safe", pure=True).load(path)
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        reason = getattr(error, "strerror", None) or "not YAML"
        raise OptionError(f"{suite}: {reason}; give a suite's name or its file") from error
    name = data.get("suite") if isinstance(data, dict) else None
    return str(name or path.stem)


def _print_changes(found: "History") -> None:
    from harness.environment.git import number_between
    from harness.records.quantities.quantity import with_unit

    where = console()
    newest = sorted(found.changes, key=lambda change: change.first.run.started_at, reverse=True)
    if newest:
        table = Table(header_style="bold")
        for head in ("suite", "case", "metric", "before", "after", "change", "since", "commits"):
            numeric = head in ("before", "after", "change")
            table.add_column(head, justify="right" if numeric else "left", overflow="fold")
        for change in newest[:_SHOWN]:
            series, notes = change.series, list(change.besides)
            number = number_between(*change.commits, Path.cwd()) if change.commits else None
            if said := change.first.run.said.text:
                notes.append(said)
            if number:
                notes.insert(0, "1 commit" if number == 1 else f"{number} commits")
            texts = (
                series.suite,
                found.name_of(series),
                with_unit(series.metric.head, series.unit.name),
                f"{series.unit.scale(change.before):.4g}",
                f"{series.unit.scale(change.after):.4g}",
                change.text,
                change.first.run.started_at[:10],
                change.where + (f" ({', '.join(notes)})" if notes else ""),
            )
            table.add_row(*map(Text, texts))
        where.print(table)
        if len(newest) > _SHOWN:
            where.print(f"and {len(newest) - _SHOWN} older changes: --json has all of them")
    cases = len({(each.suite, each.case_key, each.label) for each in found.series})
    say(
        f"runs: {found.runs}; cases: {cases}; series: {len(found.series)}; "
        f"changes of at least {found.limits.min_change:.1%}: {len(found.changes)}",
        where,
    )


def _draw_all(found: "History", folder: Path) -> int:
    # matplotlib takes half a second to import.
    from harness.present.plots.canvas import render
    from harness.present.plots.history import draw_history
    from harness.present.write import write_whole

    taken: set[str] = set()
    for series in found.series:
        # Letters, digits, - and _; where two series get the same name, the later one has a number.
        parts = (series.suite, series.label, series.metric.name, series.machine_key)
        base = "-".join(re.sub(r"[^\w.]+", "_", part).strip("_.") for part in parts if part)
        base = base.encode()[:150].decode(errors="ignore")  # names of files end after 255 bytes
        name, number = base, 2
        while name in taken:
            name, number = f"{base}-{number}", number + 1
        taken.add(name)
        figure = draw_history(series, found.of(series), found.limits)
        for kind in ("png", "svg"):
            write_whole(folder / f"{name}.{kind}", render(figure, kind))
    return len(taken)
