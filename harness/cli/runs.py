"""`harness runs`: what has been run, in a line each; and what people say of it, tags and a note."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from textwrap import wrap
from typing import Annotated

import typer

from harness.cli.options import Note, Tags, suites_run, tags
from harness.cli.options import runs as run_names
from harness.cli.output import console, say
from harness.messages import OptionError, escaped, quote, shorten, suggest
from harness.records.brief import Brief, brief_of
from harness.records.names import DEFAULT_ROOT, find_run, runs_below, suites_in, tags_in
from harness.records.remarks import Remarks, remark

_USUAL = 20  # runs in the terminal; all are in `--json`
_GAP, _BELOW = "  ", " " * 4
_LEAST = 12  # characters beside a line, of what was said or why it cannot be read


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

    Of a RUN that is named the command that began it is shown, too.

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
    every = runs_below(root)
    _require("--suite", suite, suites_in(root), root)
    _require("--tagged", tagged, tags_in(root), root)
    asked = [
        path
        for path in found or every
        if suite in (None, path.parent.name) and (tagged is None or tagged in Remarks.of(path).tags)
    ]
    most = limit if limit is not None else 0 if as_json else _USUAL
    shown = [brief_of(path) for path in asked[: most or None]]
    if as_json:
        sys.stdout.write(json.dumps([each.as_json() for each in shown], indent=1) + "\n")
        return
    if not asked:
        begin = f"no run in {root}; begin one with harness run SUITE"
        none = f"no such run in {root}; leave out --suite or --tagged" if found or every else begin
        say(none, console(stderr=True))
        return
    where = console()
    head, *lines = _lines(shown, Counter(_time_of(each.name) for each in every), where.width)
    say(head, where, style="bold")
    for line in lines:
        say(line, where)
    for command in filter(None, (each.command for each in shown if names)):
        say(f"{_BELOW}$ {escaped(command)}", where)
    if older := len(asked) - len(shown):
        say(f"and {older} older: --limit 0 lists all", where)


def _require(option: str, name: str | None, known: Sequence[str], root: Path) -> None:
    if name is not None and name not in known:
        cure = suggest(name, known, "names") if known else "leave it out"
        raise OptionError(f"{option} {quote(name)}: no such run in {root}; {cure}")


_FIRST_LEFT_OUT = ("machine", "commit", "started")
"""Columns that a narrow terminal goes without: a tag tells more than a machine does, and the id has
the time, too, in UTC."""


def _lines(briefs: Sequence[Brief], times: Mapping[str, int], width: int) -> Iterator[str]:
    """A head and a line for each run; what was said of it stands beside it, or below.

    Args:
        briefs: the runs to list.
        times: how many runs there are whose ids begin with a time.
        width: columns of the terminal.
    """
    columns = _columns(briefs, times)
    widths = _widths(columns, briefs, width)
    for number, each in enumerate((None, *briefs)):
        line = _GAP.join(columns[name][number].ljust(wide) for name, wide in widths.items()) + _GAP
        said = each.said.text if each else ""
        if each and each.problem:  # one line, as every run; `--json` has all of it
            yield line + shorten(each.problem, max(width - len(line), _LEAST))
        elif len(line + said) <= width or not said:
            yield (line + said).rstrip()
        else:
            yield line.rstrip()
            yield from wrap(said, width, initial_indent=_BELOW, subsequent_indent=_BELOW)


def _columns(briefs: Sequence[Brief], times: Mapping[str, int]) -> dict[str, list[str]]:
    """Texts by head, which is the first; without columns in which no run has anything."""
    columns = {
        "suite": [each.suite for each in briefs],
        "id": [each.id if times[_time_of(each.id)] > 1 else _time_of(each.id) for each in briefs],
        "started": [_local(each.started_at) for each in briefs],
        "commit": [(each.commit or "")[:7] + "*" * each.dirty for each in briefs],
        "machine": [each.machine_key or "" for each in briefs],
        "cases": [f"{each.ok}/{each.cases}" if each.cases else "" for each in briefs],
        "state": [
            f"{each.failed} failed" if each.state == "failed" else each.state for each in briefs
        ],
    }
    return {name: [name, *map(escaped, texts)] for name, texts in columns.items() if any(texts)}


def _widths(
    columns: Mapping[str, Sequence[str]], briefs: Sequence[Brief], width: int
) -> dict[str, int]:
    """Characters of the columns that fit."""
    widths = {name: max(map(len, texts)) for name, texts in columns.items()}
    problem = min(max(len(each.problem) for each in briefs), _LEAST)
    said = min(max(len(each.said.text) for each in briefs), _LEAST)
    for name in _FIRST_LEFT_OUT:
        beside = max(said, problem) if name == "machine" else problem
        if sum(widths.values()) + len(_GAP) * len(widths) + beside > width:
            widths.pop(name, None)
    return widths


def _time_of(run_id: str) -> str:
    return run_id.partition("-")[0]


def _local(started_at: str) -> str:
    """As `ls -l` has times: with the hour in this year, else with the year."""
    try:
        at = datetime.fromisoformat(started_at).astimezone()
    except (ValueError, OverflowError, OSError):
        return ""
    this_year = at.year == datetime.now().year
    return f"{at.day:2} {at:%b %H:%M}" if this_year else f"{at.day:2} {at:%b}  {at.year}"
