"""Markdown of a table."""

import re

from tabulate import tabulate

from harness.present.cells import Table

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&$])")


def escape(text: str) -> str:
    """Text that Markdown shows as it is, on one line of a table."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def markdown(table: Table) -> str:
    """Title, table in GitHub's dialect, footnotes as a list."""
    columns = table.shown
    body = tabulate(
        [[escape(text) for text in line] for line in table.lines],
        headers=[escape(column.head) for column in columns],
        tablefmt="pipe",
        colalign=[column.align for column in columns] if table.lines else None,
        disable_numparse=True,
    )
    parts = [f"## {escape(table.title)}", body]
    if table.footnotes:
        parts.append("\n".join(f"- {escape(line)}" for line in table.footnotes))
    return "\n\n".join(parts) + "\n"
