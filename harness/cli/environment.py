"""`harness env`: the machine and versions that a run would record."""

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from harness.cli.output import console


def environment(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Show the environment that a run on this machine records."""
    from harness.environment import describe_environment

    found = describe_environment()
    if as_json:
        sys.stdout.write(json.dumps(found, indent=1) + "\n")
        return
    table = Table(show_header=False)
    for name, value in _flat({n: v for n, v in found.items() if n != "warnings"}):
        table.add_row(Text(name, style="bold"), Text(value))
    console().print(table)
    for warning in found["warnings"]:
        console().print(f"warning: {warning}", markup=False, soft_wrap=True, style="yellow")


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
