"""Writing of tables and plots: whole files or none."""

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.messages import HarnessError
from harness.present.formats import csv_text, markdown
from harness.present.latex import latex
from harness.present.part import Context, Part
from harness.present.table import Table, make
from harness.records.quantities.quantity import Row

_FILE_NAME = re.compile(r"[\w(][\w.() -]*")


def write_tables(
    part: Part, rows: Sequence[Row], folder: Path, context: Context | None = None
) -> list[Path]:
    """Writes `tables/<name>.md`, `.csv` and `.tex` of every table that a suite asks for.

    Args:
        part: the suite.
        rows: of its records.
        folder: in which `tables` is made.
        context: of the run.

    Returns:
        The files, in the order written.

    Raises:
        HarnessError: a column, reference or file name that does not exist or cannot be.
    """
    names = table_names(part)
    made = (make(spec, part, rows, context) for spec in part.tables)
    return write_made(dict(zip(names, made, strict=True)), folder)


def table_names(part: Part) -> list[str]:
    """File names of a suite's tables, without ending."""
    return _names([spec.name or part.name for spec in part.tables])


def write_made(tables: Mapping[str, Table], folder: Path) -> list[Path]:
    """Writes tables that are made, by their names; see `write_tables`."""
    written = []
    for name, table in tables.items():
        texts = {"md": markdown(table), "csv": csv_text(table), "tex": latex(table, name)}
        for ending, text in texts.items():
            path = folder / "tables" / f"{name}.{ending}"
            write_whole(path, text.encode("utf-8"))
            written.append(path)
    return written


def write_plots(
    part: Part, rows: Sequence[Row], folder: Path, context: Context | None = None
) -> list[Path]:
    """Writes `plots/<name>.png`, `.svg` and `.pdf` of every plot that a suite asks for.

    Arguments, result and errors as for `write_tables`.
    """
    # matplotlib takes half a second to import; who asks for tables alone does not wait for it.
    from harness.present.plots.canvas import FILE_KINDS, render
    from harness.present.plots.plot import draw

    written = []
    for name, spec in zip(plot_names(part), part.plots, strict=True):
        figure = draw(spec, part, rows, context)
        for kind in FILE_KINDS:
            path = folder / "plots" / f"{name}.{kind}"
            write_whole(path, render(figure, kind))
            written.append(path)
    return written


def plot_names(part: Part) -> list[str]:
    """File names of a suite's plots, without ending."""
    return _names(
        [spec.name or f"{part.name}-{spec.kind}-{'-'.join(spec.ys)}" for spec in part.plots]
    )


def write_whole(path: Path, content: bytes) -> None:
    """Puts a file in place at once: a reader sees the old one or the new one, never a part.

    Raises:
        HarnessError: the place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            # mkstemp makes files private; results are as readable as any other file.
            Path(temporary).chmod(0o666 & ~_umask())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise HarnessError(f"{path}: cannot be written: {error}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _names(wanted: Sequence[str]) -> list[str]:
    """File names without ending; a second one of the same name gets a number."""
    names: list[str] = []
    for name in wanted:
        if _FILE_NAME.fullmatch(name) is None:
            raise HarnessError(f"{name!r} cannot be a file name; use letters, digits, - and _")
        unique, number = name, 2
        while unique in names:
            unique, number = f"{name}-{number}", number + 1
        names.append(unique)
    return names
