"""HTML of a table, as notebooks show it: one element, its style within."""

from collections.abc import Sequence
from html import escape

from harness.present.cells import Column, Table

# Told apart by text as well; readable on white and on the black of dark notebooks.
_COLOURS = {"reproduced": "#1a8a5a", "differs": "#d0473d", "not reproducible": "#a87400"}
_CELL = "padding:0.2em 0.6em;white-space:nowrap"


def html(table: Table) -> str:
    """A `<table>` with title and heads, its footnotes folded below; all text is escaped."""
    heads = "".join(_head(column) for column in table.shown)
    body = "".join(_line(table.shown, line) for line in table.lines)
    return (
        "<div style='overflow-x:auto;margin:0.5em 0 1em'>"
        f"<table><caption style='text-align:left'><b>{escape(table.title)}</b></caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
        f"{_footnotes(table.footnotes)}</div>"
    )


def _head(column: Column) -> str:
    style = f"text-align:{column.align};padding:0.2em 0.6em"
    return f"<th scope='col' style='{style}'>{escape(column.head)}</th>"


def _line(columns: Sequence[Column], texts: Sequence[str]) -> str:
    cells = (_cell(column, text) for column, text in zip(columns, texts, strict=True))
    return f"<tr>{''.join(cells)}</tr>"


def _cell(column: Column, text: str) -> str:
    colour = f";color:{_COLOURS[text]}" if text in _COLOURS else ""
    return f"<td style='text-align:{column.align};{_CELL}{colour}'>{escape(text)}</td>"


def _footnotes(lines: Sequence[str]) -> str:
    if not lines:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<details><summary>Notes ({len(lines)})</summary><ul>{items}</ul></details>"
