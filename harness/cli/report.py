"""`harness report`: runs as one HTML file."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options
from harness.cli.output import console


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Run directories, folders of a suite's runs, names of suites, or latest.",
            autocompletion=options.runs,
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
    from harness.api.report import report as write

    file = write(runs, out)
    size = file.stat().st_size
    text = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
    console(stderr=True).print(f"report: {file} ({text})", markup=False, soft_wrap=True)
