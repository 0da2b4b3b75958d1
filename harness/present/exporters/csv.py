"""CSV: every stored and derived quantity of a run, a line per case, SI base units."""

import csv as comma_separated
import io

from harness.present.exporters.exported import Exported
from harness.present.formats import safe
from harness.present.frame import frame


def csv(run: Exported) -> str:
    """A header with stored names, then a line per case, failed ones included.

    Blank: not measured. Lists and mappings are JSON. Text that a spreadsheet would run as a formula
    has an apostrophe in front.
    """
    table = frame(run.rows)
    out = io.StringIO()
    writer = comma_separated.writer(out, lineterminator="\n")
    writer.writerow([safe(str(name)) for name in table.columns])
    present = table.notna().to_numpy()
    for cells, there in zip(table.itertuples(index=False, name=None), present, strict=True):
        writer.writerow(
            [
                # A number of NumPy becomes one of Python.
                safe(cell.item() if hasattr(cell, "item") else cell) if is_there else ""
                for cell, is_there in zip(cells, there, strict=True)
            ]
        )
    return out.getvalue()
