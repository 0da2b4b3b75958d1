"""`harness run`: measure a suite."""

import json
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness.api.measure import measure, validate, write_results
from harness.api.progress import Reporter
from harness.api.run import Run
from harness.cli.options import (
    Address,
    DeviceName,
    EngineName,
    EngineOptions,
    FloatType,
    Input,
    Jobs,
    MaxSeeds,
    Metrics,
    MixMachines,
    Note,
    Notes,
    Only,
    Quiet,
    Repeats,
    Resume,
    Tags,
    Threads,
    UntilSeparated,
    Why,
    overrides_of,
    parse_pairs,
)
from harness.cli.output import busy, console, say, strangers
from harness.cli.printed import Below, below_of, print_run
from harness.cli.targets import Grid, What, With, choose, require_savable, write_suite
from harness.engines.engine import LOCAL, is_static, make_engine
from harness.engines.process.server import start_server
from harness.environment.interruption import INTERRUPTED
from harness.messages import HarnessError
from harness.records.record import finite
from harness.records.run_directory import LATEST
from harness.runner import DEFAULT_ROOT
from harness.suite.listing import expected_seconds

FAILED = 1


def run(  # noqa: PLR0917 - typer calls it with names
    what: What,
    with_: With = None,
    grid: Grid = None,
    input_: Input = None,
    only: Only = None,
    metrics: Metrics = None,
    device: DeviceName = None,
    dtype: FloatType = None,
    threads: Threads = None,
    repeats: Repeats = None,
    until_separated: UntilSeparated = None,
    max_seeds: MaxSeeds = None,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Of modules: write the suite that does the same, then run it."
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Backbone weights: safetensors, or a torch file."),
    ] = None,
    data_root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the images that accuracy is measured on."),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the run directories.")
    ] = DEFAULT_ROOT,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON array of rows on stdout; all else on stderr.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Run also what is predicted not to fit into memory.")
    ] = False,
    resume: Resume = None,
    keep_failed: Annotated[
        bool, typer.Option("--keep-failed", help="With --resume: keep what failed, too.")
    ] = False,
    engine: EngineName = LOCAL,
    address: Address = None,
    engine_option: EngineOptions = None,
    mix_machines: MixMachines = False,
    jobs: Jobs = 1,
    tag: Tags = None,
    note: Note = None,
    notes: Notes = False,
    why: Why = False,
    quiet: Quiet = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="A line of progress for every case.")
    ] = False,
) -> None:
    """Measure every case of SUITE, or modules side by side; keep records, tables and plots.

    A MODULE is a name of `harness list` or package.file:Class, a label and `=` in front of it if it
    shall have another one: `harness run ours=gate:Gate interlaced --input 1,512,97,97`.

    Exit codes: 0 all measured, 1 some case failed, 2 a mistake in suite or options, 130
    interrupted.
    """
    below = below_of(notes, why, quiet)
    options = parse_pairs("--engine-option", engine_option) | (
        {"address": address} if address else {}
    )
    chosen = make_engine(engine, options, mix_machines)
    overrides = overrides_of(
        input_,
        only,
        device,
        dtype,
        threads,
        metrics=metrics,
        repeats=repeats,
        until_separated=until_separated,
        max_seeds=max_seeds,
    )
    asked = choose(what, with_, grid, overrides)
    if save is not None:
        require_savable(asked, save, only, weights)
    if chosen is None:
        start_server()  # its imports take as long as reading the suite
    with busy("reading the suite"), strangers(), asked.words():
        suite = validate(
            asked.suite,
            **asked.conditions,
            only=only or None,
            weights=weights,
            data_root=data_root,
            force=force,
        )
    if save is not None:
        write_suite(asked, save)
    errors = console(stderr=True)
    # Shipped times are those of whole suites as they are, one case after another, on a CPU.
    conditions = (metrics, repeats, input_, device, dtype, threads, until_separated)
    changed = (resume, *conditions, chosen, jobs > 1 or None)
    expected = expected_seconds(suite) if all(each is None for each in changed) else None
    with Reporter(errors, suite, expected=expected, verbose=verbose, quiet=quiet) as reporter:
        result = measure(
            suite,
            out,
            reporter,
            chosen,
            resume=resume == LATEST or resume or False,
            keep_failed=keep_failed,
            resumed=reporter.resumed,
            mix_machines=mix_machines,
            jobs=jobs,
            tags=tag or (),
            note=note,
        )
    lost = None
    if result.complete:  # before anything is printed: whoever reads it may leave
        # To draw takes half as long as to count; who asks for counts alone has plots with `show`.
        plots = metrics is None or not all(map(is_static, suite.all_jobs()))
        try:
            with busy("writing tables and plots" if plots else "writing tables"):
                write_results(result, plots=plots)
        except HarnessError as error:
            lost = error
    unwritten = _print(result, errors, as_json, resume, below)
    if not result.complete:
        raise typer.Exit(INTERRUPTED)
    if (failed := lost or unwritten) is not None:
        raise failed
    if not result.ok:
        raise typer.Exit(FAILED)


def _print(
    result: Run, errors: Console, as_json: bool, resume: str | None, below: Below
) -> OSError | None:
    """Say how the run has ended, and its tables; why that could not be written, if so."""
    if not result.complete:
        name = Path(sys.argv[0]).name
        program = ["python", "-m", "harness"] if name == "__main__.py" else [name]
        command = shlex.join([*program, *sys.argv[1:], *([] if resume else ["--resume"])])
        with suppress(OSError):
            say(
                f"interrupted; {len(result.records)} of {result.total} cases are kept; "
                f"go on with: {command}",
                errors,
            )
    try:
        if as_json:
            rows = finite(result.rows())
            sys.stdout.write(json.dumps(rows, indent=1, default=str, allow_nan=False) + "\n")
            with suppress(OSError):
                print_run(result, errors, below=below)
        else:
            print_run(result, console(), below=below)
    except OSError as error:
        return error
    return None
