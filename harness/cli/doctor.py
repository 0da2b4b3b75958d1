"""`harness doctor`: what is here, what is missing, what it is for and how to get it."""

import json
import platform
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from harness.cli.output import console

if TYPE_CHECKING:
    from harness.environment.equipment import Equipment


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on stdout.")] = False,
) -> None:
    """Say what of the optional equipment is here or missing, and how to get it.

    Nothing of it is needed to count or time modules on a CPU; the exit code is 0 either way.
    """
    from harness.environment.equipment import survey

    found = survey()
    if as_json:
        sys.stdout.write(json.dumps([asdict(each) for each in found], indent=1) + "\n")
        return
    where = console()
    where.print(_heading(), markup=False, soft_wrap=True)
    where.print(_table(found))
    missing = [each for each in found if not each.present]
    for each in missing:
        where.print(f"{each.name}: {each.get}", markup=False, soft_wrap=True)
    where.print(
        f"{len(found) - len(missing)} here, {len(missing)} missing; the machine itself: harness env"
    )


def _heading() -> str:
    from harness.environment.libraries import library_versions

    versions = library_versions()
    named = ", ".join(
        f"{name} {versions.get(name) or '(not installed)'}" for name in ("context-harness", "torch")
    )
    return f"python {platform.python_version()}, {named}"


def _table(found: "tuple[Equipment, ...]") -> Table:
    table = Table("", "", "found", "for", header_style="bold")
    for each in found:
        state = Text("here", style="green") if each.present else Text("missing", style="yellow")
        table.add_row(Text(each.name), state, Text(each.found), Text(each.purpose))
    return table
