"""`harness show RUN`: the tables of a run that was kept."""

import sys
from pathlib import Path

from rich.console import Console

from harness.api.load import load
from harness.api.run import Run
from harness.api.texts import FORMATS, FormatError, text
from harness.cli.output import console
from harness.present.table import Table
from harness.records.run_directory import LATEST
from harness.wording import suggest


def is_run(name: str) -> bool:
    """Whether a name means a run, not a module."""
    return name == LATEST or "/" in name or Path(name).is_dir()


def show_run(path: str, which: str | None, form: str | None, *, best: bool | None = None) -> None:
    """Print the tables of a run as its records give them now: all, or one, in a format.

    Args:
        path: of a run directory, a suite's folder, or `latest`.
        which: name of a table.
        form: one of `FORMATS`; as in a terminal, with the summary, if absent.
        best: in LaTeX, whether best and second values are marked; as the suite asks if absent.
    """
    if form is not None and form not in FORMATS:
        raise FormatError(f"--format {form}: no such format; {suggest(form, FORMATS, 'formats')}")
    if best is not None and form != "latex":
        raise FormatError("--best marks values in LaTeX; add --format latex")
    run = load(path)
    if form is None and which is None:
        print_run(run, console())
        return
    tables = run.shown() if which is None else {which: run.table(which)}
    if form is None:
        print_tables(tables, console())
    else:
        sys.stdout.write(
            "\n".join(text(table, name, form, best=best) for name, table in tables.items())
        )


def print_run(run: Run, where: Console) -> None:
    """Print a run's tables, its folder, and how many printed figures are reproduced."""
    print_tables(run.shown(), where)
    where.print(f"run: {run.directory.path}", markup=False, soft_wrap=True)
    where.print(run.tally().text, markup=False, soft_wrap=True)


def print_tables(tables: dict[str, Table], where: Console) -> None:
    """Print tables below one another."""
    from harness.present.console import console_table

    for table in tables.values():
        where.print(console_table(table))
        where.print()
