"""`harness export`: a run in the format of another tool."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import OptionError, export_formats, runs
from harness.cli.output import console


def export(
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN",
            help="A run directory, or the folder of a suite's runs.",
            autocompletion=runs,
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="pytest-benchmark, github-action-benchmark, bencher, csv, parquet or mlflow.",
            autocompletion=export_formats,
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Where to write; stdout if absent. For mlflow a tracking URI."
        ),
    ] = None,
) -> None:
    """Write RUN in the format of another tool; values keep SI base units where it names none."""
    from harness.messages import hint
    from harness.present.exporters.exported import EXPORTERS, MLFLOW, read_run
    from harness.present.write import write_whole

    if to == MLFLOW:
        from harness.present.exporters.mlflow import mlflow

        console(stderr=True).print(mlflow(read_run(run), out), markup=False, soft_wrap=True)
        return
    if to not in EXPORTERS:
        known = ", ".join([*EXPORTERS, MLFLOW])
        raise OptionError(
            f"--to {to}: no such format{hint(to, [*EXPORTERS, MLFLOW])}; known: {known}"
        )
    if to == "parquet" and out is None and sys.stdout.isatty():
        raise OptionError("--to parquet: not for a terminal; name a file with --out")
    exported = read_run(run)
    content = EXPORTERS[to].write(exported)
    data = content.encode("utf-8") if isinstance(content, str) else content
    if out is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        write_whole(Path(out), data)
    failed = [row for row in exported.rows if row.get("status") != "ok"]
    if EXPORTERS[to].partial and failed:
        names = ", ".join(f"{row['label']} ({row['status']})" for row in failed[:10])
        more = f" and {len(failed) - 10} more" if len(failed) > 10 else ""
        console(stderr=True).print(
            f"left out, since they have no values: {names}{more}", markup=False, soft_wrap=True
        )
