"""The commands that only tell: `validate`, `env`, `doctor`, `schema`."""

import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from harness.cli.options import Repeats, SuiteFile
from harness.cli.output import busy, console, say, strangers
from harness.engines.process.imports import probe
from harness.present.check import check
from harness.suite.loader import load
from harness.suite.suite import Overrides


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on stdout.")] = False,
) -> None:
    """Say what of the optional equipment is here or missing, and how to get it.

    Nothing of it is needed to count or time modules on a CPU; the exit code is 0 either way.
    """
    from harness.environment.equipment import survey
    from harness.environment.machine import library_versions

    found = survey()
    if as_json:
        sys.stdout.write(json.dumps([asdict(each) for each in found], indent=1) + "\n")
        return
    where = console()
    versions = library_versions()
    named = ", ".join(
        f"{name} {versions.get(name) or '(not installed)'}" for name in ("context-harness", "torch")
    )
    say(f"python {platform.python_version()}, {named}", where)
    table = Table("", "", "found", "for", header_style="bold")
    for each in found:
        state = Text("here", style="green") if each.present else Text("missing", style="yellow")
        table.add_row(Text(each.name), state, Text(each.found), Text(each.purpose))
    where.print(table)
    missing = [each for each in found if not each.present]
    for each in missing:
        say(f"{each.name}: {each.get}", where)
    here = len(found) - len(missing)
    where.print(f"{here} here, {len(missing)} missing; the machine itself: harness env")


def environment(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Show the environment that a run on this machine records."""
    from harness.environment.machine import describe_environment

    found = describe_environment()
    if as_json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return
    table = Table(show_header=False)
    for name, value in _flat({n: v for n, v in found.items() if n != "warnings"}):
        table.add_row(Text(name, style="bold"), Text(value))
    console().print(table)
    for warning in found["warnings"]:
        say(f"warning: {warning}", style="yellow")


def _flat(data: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in data.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            for index, each in enumerate(value):
                rows += _flat(each, f"{prefix}{name}.{index}.")
        else:
            shown = "none" if value in (None, []) else str(value)
            rows.append((prefix + name, shown))
    return rows


def schema() -> None:
    """Print the JSON Schema of suite files; editors complete and check with it."""
    from harness.suite.schema import json_schema

    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")


def validate(suite_file: SuiteFile, repeats: Repeats = None) -> None:
    """Check SUITE and what it includes: every mistake at once, one line each, exit code 2."""
    with busy("reading the suite"), strangers():
        suite = load(suite_file, Overrides(repeats=repeats), probe, check)
    parts, jobs = suite.parts(), suite.all_jobs()
    say(
        f"{suite_file}: {len(jobs)} {'case' if len(jobs) == 1 else 'cases'} in "
        f"{len(parts)} {'suite' if len(parts) == 1 else 'suites'}, no mistakes"
    )
