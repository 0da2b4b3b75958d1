"""Writing of tables and plots: whole files or none."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.environment.files import checked_name, usable_name, write_atomically
from harness.judge.part import Part
from harness.messages import HarnessError
from harness.present.formats import Table, csv_text, markdown
from harness.present.latex.source import latex
from harness.suite.presentation import PlotSpec


def table_names(part: Part) -> list[str]:
    """File names of a suite's tables, without ending."""
    return _file_names([spec.name or part.name for spec in part.tables])


def write_tables(tables: Mapping[str, Table], folder: Path) -> list[Path]:
    """Writes `tables/<name>.md`, `.csv` and `.tex` of tables by their names.

    Args:
        tables: by the names of `table_names`.
        folder: in which `tables` is made.

    Returns:
        The files, in the order written.

    Raises:
        HarnessError: a file cannot be written.
    """
    written = []
    for name, table in tables.items():
        texts = {"md": markdown(table), "csv": csv_text(table), "tex": latex(table, name)}
        for ending, text in texts.items():
            path = folder / "tables" / f"{name}.{ending}"
            write_whole(path, text.encode("utf-8"))
            written.append(path)
    return written


def named_plots(part: Part) -> dict[str, PlotSpec]:
    """A suite's plots by their file names, without ending."""
    wanted = [
        spec.name or usable_name(f"{part.name}-{spec.kind}-{'-'.join(spec.shown)}")
        for spec in part.plots
    ]
    return dict(zip(_file_names(wanted), part.plots, strict=True))


def write_whole(path: Path, content: bytes) -> None:
    """Puts a file in place at once: a reader sees the old one or the new one, never a part.

    Raises:
        HarnessError: the place cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        raise HarnessError(f"{path}: cannot be written: {error}") from error


def _file_names(wanted: Sequence[str]) -> list[str]:
    """File names without ending; a second one of the same name gets a number."""
    names: list[str] = []
    for name in wanted:
        unique, number = checked_name(name), 2
        while unique in names:
            unique, number = f"{name}-{number}", number + 1
        names.append(unique)
    return names
