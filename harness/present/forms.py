"""A table as text, in the form that is asked for by name."""

import io
from typing import Literal, get_args

from harness.messages import HarnessError, suggest
from harness.present.formats import Table, csv_text, html, markdown
from harness.present.latex.source import Typesetting, latex

Format = Literal["console", "markdown", "latex", "csv", "html"]
TABLE_FORMATS: tuple[Format, ...] = get_args(Format)
CONSOLE_WIDTH = 200
"""Columns of text that is not printed at once."""


class FormatError(HarnessError):
    """No such format."""


def formatted(table: Table, name: str, form: str, typesetting: Typesetting | None = None) -> str:
    """A table as text.

    Args:
        table: what to print.
        name: the label that LaTeX refers to it by.
        form: one of `TABLE_FORMATS`; `console` is what a terminal shows, with all notes.
        typesetting: of LaTeX; of another form there is none.

    Raises:
        FormatError: no such format; names the nearest. Or a typesetting of another one.
    """
    if form == "latex":
        return latex(table, name, typesetting)
    if typesetting is not None:
        raise FormatError(f"full, page columns and best are of LaTeX, not of {form}; ask for latex")
    if form == "console":
        from harness.present.console import PrintableConsole
        from harness.present.console_table import ConsoleTable

        out = io.StringIO()
        PrintableConsole(file=out, width=CONSOLE_WIDTH).print(
            ConsoleTable(table, notes=table.footnotes)
        )
        return out.getvalue()
    makers = {"markdown": markdown, "csv": csv_text, "html": html}
    if form not in makers:
        raise FormatError(f"no format {form}; {suggest(form, TABLE_FORMATS, 'formats')}")
    return makers[form](table)
