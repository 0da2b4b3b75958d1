"""`harness run`: measure a suite."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness.cli.options import Input, SuiteFile, parse_names, parse_shapes
from harness.cli.progress import Reporter
from harness.present.check import check
from harness.run import Run
from harness.runner import DEFAULT_ROOT, execute
from harness.suite import Overrides, Suite, load

FAILED, INTERRUPTED = 1, 130


def run(
    suite_file: SuiteFile,
    input_: Input = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="LABEL", help="Only this case; repeatable.")
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(help="'static', or names separated by commas: params,flops,memory,latency."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32, float64, float16 or bfloat16.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="CPU threads of every case.")] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the run directories.")
    ] = DEFAULT_ROOT,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON array of rows on stdout; all else on stderr.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the latest run; finished cases are kept.")
    ] = False,
) -> None:
    """Measure every case of SUITE; print its tables and keep records, tables and plots.

    Exit codes: 0 all measured, 1 some case failed, 2 a mistake in suite or options, 130 interrupted.
    """
    overrides = Overrides(
        inputs=parse_shapes(input_) if input_ else None,
        metrics=parse_names(metrics),
        device=device,
        dtype=dtype,
        threads=threads,
        only=tuple(only) if only else None,
    )
    suite = load(suite_file, overrides)
    check(load(suite_file) if only else suite)  # a reference may speak of cases that `only` leaves out
    errors = Console(stderr=True, highlight=False)
    with Reporter(errors, suite) as reporter:
        execution = execute(suite, out, listener=reporter, resume=resume)
    result = Run(suite, execution.directory, execution.records)
    result.write()
    if as_json:
        sys.stdout.write(json.dumps(result.rows(), indent=1, default=str) + "\n")
    _print(result, suite, errors if as_json else Console(highlight=False))
    if execution.interrupted:
        command = [*_arguments(), *([] if resume else ["--resume"])]
        errors.print(
            f"interrupted; {len(execution.records)} of {len(suite.all_jobs())} cases are kept; "
            f"go on with: {shlex.join(command)}",
            markup=False, soft_wrap=True,
        )  # fmt: skip
        raise typer.Exit(INTERRUPTED)
    if any(record.status != "ok" for record in execution.records):
        raise typer.Exit(FAILED)


def _arguments() -> list[str]:
    return [Path(sys.argv[0]).name, *sys.argv[1:]]


def _print(result: Run, suite: Suite, console: Console) -> None:
    from harness.present.console import console_table

    for part in suite.parts():
        for table in result.tables(part):
            console.print(console_table(table))
            console.print()
    console.print(f"run: {result.directory.path}", markup=False, soft_wrap=True)
    console.print(result.tally().text, markup=False, soft_wrap=True)
