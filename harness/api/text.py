"""Tables and runs as text: for terminals, papers, spreadsheets and notebooks."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from harness.judge.verdict import VerdictTally
from harness.messages import HarnessError, suggest
from harness.present.formats import Table, html

TABLE_FORMATS = ("console", "markdown", "latex", "csv", "html")
CONSOLE_WIDTH = 200
"""Columns of text that is not printed at once."""


class FormatError(HarnessError):
    """No such format."""


def formatted(table: Table, name: str, form: str, *, best: bool | None = None) -> str:
    """A table in a format.

    Args:
        table: what to print.
        name: the label that LaTeX refers to it by.
        form: one of `TABLE_FORMATS`.
        best: in LaTeX, whether best and second values are marked; as the suite asks if absent.

    Raises:
        FormatError: no such format; names the nearest.
    """
    from harness.present.formats import csv_text, markdown
    from harness.present.latex import latex

    makers = {"console": as_console, "markdown": markdown, "csv": csv_text, "html": html}
    if form == "latex":
        return latex(table, name, best=best)
    if form not in makers:
        raise FormatError(f"no format {form}; {suggest(form, TABLE_FORMATS, 'formats')}")
    return makers[form](table)


def as_console(table: Table) -> str:
    """A table as a terminal without colours would show it."""
    from rich.console import Console

    from harness.present.console import ConsoleTable

    out = io.StringIO()
    Console(file=out, width=CONSOLE_WIDTH, highlight=False).print(ConsoleTable(table))
    return out.getvalue()


def run_summary(rows: Sequence[Mapping[str, Any]], tally: VerdictTally, path: Path) -> str:
    """`12 cases: 11 ok, 1 oom; 35 reproduced, ...; results/runs/...`."""
    statuses = Counter(str(row.get("status")) for row in rows)
    counts = ", ".join(f"{number} {status}" for status, number in statuses.most_common())
    noun = "case" if len(rows) == 1 else "cases"
    parts = [f"{len(rows)} {noun}: {counts}" if rows else "no cases", str(path)]
    if tally.total:
        parts.insert(1, tally.text)
    return "; ".join(parts)


def notebook_page(title: str, line: str, tables: Sequence[Table]) -> str:
    """A run in a notebook: title, summary, tables."""
    head = f"<h4>{escape(title)}</h4><p>{escape(line)}</p>"
    return "<div>" + head + "".join(map(html, tables)) + "</div>"
