"""`harness list`: the modules that a suite can name."""

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from harness.cli.output import console


def list_modules(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on stdout.")] = False,
) -> None:
    """List the modules of the catalog with their paper and a one-line description."""
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
