"""`harness runs`: what has been run, in a line each; and what people say of it, tags and a note."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from textwrap import wrap
from typing import Annotated

import typer

from harness.api.measure import OptionError
from harness.cli.options import Note, Tags, suites_run, tags
from harness.cli.options import runs as run_names
from harness.cli.output import console, say
from harness.messages import escaped, quote, suggest
from harness.records.brief import Brief, brief_of
from harness.records.names import find_run, runs_below, suites_in, tags_in
from harness.records.remarks import Remarks, remark
from harness.runner import DEFAULT_ROOT

_USUAL = 20  # runs in the terminal; all are in `--json`
_GAP, _BELOW = "  ", " " * 4


def runs(  # noqa: PLR0917 - typer calls it with names
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Only these: their suites, `latest`, ids, tags or paths.",
            autocompletion=run_names,
        ),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only runs of this suite.", autocompletion=suites_run),
    ] = None,
    tagged: Annotated[
        str | None,
        typer.Option(metavar="TAG", help="Only runs with this tag.", autocompletion=tags),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help=f"So many at most, 0 for all; {_USUAL}, in JSON all, if absent.",
        ),
    ] = None,
    tag: Tags = None,
    untag: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Take a tag away; repeatable.", autocompletion=tags),
    ] = None,
    note: Note = None,
    root: Annotated[
        Path, typer.Option("--runs", metavar="DIR", help="Folder of the runs.")
    ] = DEFAULT_ROOT,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on stdout.")] = False,
) -> None:
    """List runs, the one that was started last first; with --tag, --untag, --note say so of RUN.

    cases: those that ended well, of all. state: complete, failed (so many cases), interrupted,
    running, unreadable. A commit with * had changed files.
    """
    found = [find_run(name, root) for name in names or ()]
    if tag or untag or note is not None:
        if not found:
            raise OptionError(
                "--tag, --untag and --note: of which run? name it, as in harness runs latest"
            )
        for path in found:
            remark(path, tag or (), untag=untag or (), note=note)
    _require("--suite", suite, suites_in(root), root)
    _require("--tagged", tagged, tags_in(root), root)
    asked = [
        path
        for path in found or runs_below(root)
        if suite in (None, path.parent.name) and (tagged is None or tagged in Remarks.of(path).tags)
    ]
    most = limit if limit is not None else 0 if as_json else _USUAL
    shown = [brief_of(path) for path in asked[: most or None]]
    if as_json:
        sys.stdout.write(json.dumps([each.as_json() for each in shown], indent=1) + "\n")
        return
    if not asked:
        say(f"no run in {root}; begin one with harness run SUITE", console(stderr=True))
        return
    where = console()
    head, *lines = _lines(shown, where.width)
    say(head, where, style="bold")
    for line in lines:
        say(line, where)
    if older := len(asked) - len(shown):
        say(f"and {older} older: --limit 0 lists all", where)


def _require(option: str, name: str | None, known: Sequence[str], root: Path) -> None:
    if name is not None and name not in known:
        cure = suggest(name, known, "names") if known else "leave it out"
        raise OptionError(f"{option} {quote(name)}: no such run in {root}; {cure}")


_FIRST_LEFT_OUT = ("machine", "commit", "started")
"""Columns that a narrow terminal goes without; the id has the time, too, in UTC."""


def _lines(briefs: Sequence[Brief], width: int) -> Iterator[str]:
    """A head and a line for each run; what was said of it stands beside it, or below."""
    ids = Counter(map(_time_of, briefs))
    columns = {
        "suite": [each.suite for each in briefs],
        # As short as it can be given; nothing that is listed is called alike.
        "id": [_time_of(each) if ids[_time_of(each)] == 1 else each.id for each in briefs],
        "started": [_local(each.started_at) for each in briefs],
        "commit": [(each.commit or "")[:7] + "*" * each.dirty for each in briefs],
        "machine": [each.machine_key or "" for each in briefs],
        "cases": [f"{each.ok}/{each.cases}" if each.cases else "" for each in briefs],
        "state": [
            f"{each.failed} failed" if each.state == "failed" else each.state for each in briefs
        ],
    }
    columns = {name: [name, *map(escaped, texts)] for name, texts in columns.items()}
    widths = {name: max(map(len, texts)) for name, texts in columns.items()}
    for name in _FIRST_LEFT_OUT:
        if sum(widths.values()) + len(_GAP) * (len(widths) - 1) > width:
            del widths[name]
    for number, each in enumerate((None, *briefs)):
        cells = [columns[name][number].ljust(wide) for name, wide in widths.items()]
        said = "" if each is None else " ".join(filter(None, (each.said.text, each.problem)))
        whole = _GAP.join([*cells, said])
        if not said or len(whole) <= width:
            yield whole.rstrip()
            continue
        yield _GAP.join(cells).rstrip()
        yield from wrap(said, width, initial_indent=_BELOW, subsequent_indent=_BELOW)


def _time_of(run: Brief) -> str:
    return run.id.partition("-")[0]


def _local(started_at: str) -> str:
    """As `ls -l` has times: with the hour in this year, else with the year."""
    try:
        at = datetime.fromisoformat(started_at).astimezone()
    except (ValueError, OverflowError, OSError):
        return ""
    this_year = at.year == datetime.now().year
    return f"{at.day:2} {at:%b %H:%M}" if this_year else f"{at.day:2} {at:%b}  {at.year}"
