"""A table in the terminal."""

from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from harness.present.table import Table

_STYLES = {
    "reproduced": "green",
    "differs": "red",
    "not reproducible": "yellow",
    "not judged": "dim",
}
_FAILED = ("error", "oom", "timeout", "killed", "invalid", "unsupported")


def console_table(table: Table, *, footnotes: bool = True) -> Group:
    """A rich rendering; labels are never read as markup.

    Args:
        table: what to show.
        footnotes: whether the foot is shown as well.
    """
    shown = RichTable(title=Text(table.title), title_justify="left", header_style="bold")
    for column in table.shown:
        shown.add_column(Text(column.head), justify=column.align, overflow="fold")
    for line in table.lines:
        shown.add_row(*(Text(text, style=_style(text)) for text in line))
    notes = [Text(f"- {line}", style="dim") for line in table.footnotes] if footnotes else []
    return Group(shown, *notes)


def _style(text: str) -> str:
    if text.partition(":")[0] in _FAILED:
        return "red"
    return _STYLES.get(text, "")
