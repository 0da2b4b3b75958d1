"""A run for others: `harness report`, one HTML file; `harness export`, another tool's format."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import RunName, export_formats, found_run
from harness.cli.options import runs as complete_runs
from harness.cli.output import busy, console, say
from harness.messages import OptionError


def export(
    run: RunName,
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

        say(mlflow(read_run(found_run(run)), out), console(stderr=True))
        return
    if to not in EXPORTERS:
        known = ", ".join([*EXPORTERS, MLFLOW])
        raise OptionError(
            f"--to {to}: no such format{hint(to, [*EXPORTERS, MLFLOW])}; known: {known}"
        )
    if to == "parquet" and out is None and sys.stdout.isatty():
        raise OptionError("--to parquet: not for a terminal; name a file with --out")
    exported = read_run(found_run(run))
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
        say(f"left out, since they have no values: {names}{more}", console(stderr=True))


def report(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Runs: their suites, `latest`, ids, tags or paths.",
            autocompletion=complete_runs,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to write; report.html in the run's directory, of several runs here.",
        ),
    ] = None,
) -> None:
    """Write RUNs as one HTML file: verdicts, tables, plots, failures, samples, environment.

    The file needs neither network nor server; several runs stand side by side, suite by suite.
    """
    from harness.api.reports import report as write

    with busy("writing the report"):
        file = write(runs, out)
    say(f"report: {file} ({shown_size(file)})", console(stderr=True))


def shown_size(file: Path) -> str:
    """How large a file is, as file managers say it."""
    size = file.stat().st_size
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
