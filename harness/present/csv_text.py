"""CSV of a table: stored values in SI base units under their stored names."""

import csv
import io
import json
import re
from typing import Any

from harness.present.cells import Table

# Spreadsheets run a cell that starts so as a formula (OWASP, "CSV Injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?")


def safe(value: Any) -> str:
    """A value as text; text that a spreadsheet would run gets an apostrophe in front."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    # The csv module leaves a lone carriage return unquoted, and readers end the line there.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    dangerous = text.startswith(_FORMULA) and _NUMBER.fullmatch(text) is None
    return f"'{text}" if dangerous else text


def csv_text(table: Table) -> str:
    """One header line, then one line per row; numbers in full precision, blank if not measured.

    Printed figures stand as printed, in the unit that their name ends with.
    """
    columns = {column.stored: column for column in reversed(table.columns)}
    ordered = [column for column in table.columns if columns[column.stored] is column]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([safe(column.stored) for column in ordered])
    for cells in zip(*(column.cells for column in ordered), strict=True):
        writer.writerow([safe(cell.raw) for cell in cells])
    return out.getvalue()
