"""`harness list`: the modules of the catalog, and the suites that come with the harness."""

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from harness.cli.output import console, say
from harness.messages import OptionError, suggest

MODULES, SUITES = "modules", "suites"
_KINDS = (MODULES, SUITES)


def _kinds(incomplete: str) -> list[str]:
    return [kind for kind in _KINDS if kind.startswith(incomplete)]


def list_(
    what: Annotated[
        str,
        typer.Argument(
            metavar="modules|suites",
            help="Modules with their paper, or suites with what they regenerate and how long they "
            "take.",
            autocompletion=_kinds,
        ),
    ] = MODULES,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on stdout.")] = False,
) -> None:
    """List the modules of the catalog, or the suites that can be run by their name."""
    if what not in _KINDS:
        raise OptionError(f"list {what}: no such list; {suggest(what, _KINDS, 'lists')}")
    if what == SUITES:
        _list_suites(as_json)
    else:
        _list_modules(as_json)


def _list_modules(as_json: bool) -> None:
    from context_modules.catalog import CATALOG

    if as_json:
        sys.stdout.write(json.dumps([asdict(entry) for entry in CATALOG], indent=1) + "\n")
        return
    table = Table(header_style="bold")
    for head in ("module", "paper", "description"):
        table.add_column(head, overflow="fold")
    for entry in CATALOG:
        table.add_row(Text(entry.name), Text(entry.paper), Text(entry.description))
    where = console()
    where.print(table)
    where.print("arguments, shapes and costs: harness show MODULE", markup=False)


def _list_suites(as_json: bool) -> None:
    from harness.runner import DEFAULT_ROOT
    from harness.suite.listing import listed, shipped_durations

    found = listed(DEFAULT_ROOT)
    if as_json:
        sys.stdout.write(json.dumps([asdict(each) for each in found], indent=1) + "\n")
        return
    table = Table(header_style="bold")
    table.add_column("suite", no_wrap=True)
    table.add_column("what it regenerates")
    for head in ("cases", "static", "whole"):
        table.add_column(head, justify="right", no_wrap=True)
    for each in found:
        untold = [name for name in each.regenerates if name not in each.title]
        what = f"{each.title} ({', '.join(untold)})" if untold else each.title
        times = map(_rough, (each.static_seconds, each.whole_seconds))
        table.add_row(Text(each.name), Text(what), str(each.cases), *times)
    where = console()
    where.print(table)
    say(
        "static, whole: time of `--metrics static` and of everything, one case after another; of "
        f"the latest run in {DEFAULT_ROOT}, else on {shipped_durations()['machine']}; nothing "
        "where neither is known",
        where,
    )
    say("to run one: harness run SUITE; to change one: harness init --from SUITE", where)


def _rough(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
