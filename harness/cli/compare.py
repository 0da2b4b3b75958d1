"""`harness compare`: what one run has changed against another, or against its baseline."""

import json
import math
import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import OptionError, runs
from harness.cli.output import console
from harness.judge.regression.baselines import BASELINES, find_for, observed
from harness.judge.regression.compare import compare as compare_runs
from harness.judge.regression.observed import noise_of_runs, observe
from harness.judge.regression.verdict import ALPHA, MIN_EFFECT, Limits

Baselines = Annotated[
    Path, typer.Option("--baselines", metavar="DIR", help="Folder of the accepted runs.")
]


def compare(  # noqa: PLR0917 - typer calls it with names
    run_a: Annotated[
        Path,
        typer.Argument(metavar="RUN_A", help="A run, or a suite's folder.", autocompletion=runs),
    ],
    run_b: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN_B",
            help="If absent, RUN_A is compared with its baseline.",
            autocompletion=runs,
        ),
    ] = None,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Markdown for the comment of a pull request.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    noise: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RUN", help="Another run of the first version: how it differs is noise."
        ),
    ] = None,
    alpha: Annotated[
        float, typer.Option(min=1e-9, max=0.5, help="Share of false calls among calls.")
    ] = ALPHA,
    min_effect: Annotated[
        float, typer.Option(min=0.0, max=10.0, help="Smallest share that matters: 0.02 is 2 %.")
    ] = MIN_EFFECT,
    baselines: Baselines = BASELINES,
) -> None:
    """Say per case and metric whether RUN_B is the same as RUN_A, better, worse, or unclear.

    Exit codes: 0 nothing is worse, 1 a regression, 2 a mistake in the options, 3 nothing is worse
    for sure but something is unclear.
    """
    known: dict[str, float] = {}  # noise of the machine
    if run_b is not None:
        before, after = observe(run_a), observe(run_b)
    else:
        after = observe(run_a)
        baseline = find_for(after, baselines)
        before, known = observed(baseline), dict(baseline.noise_floor)
    floor = known | noise_of_runs(before, map(observe, noise or ()))
    if not (math.isfinite(alpha) and math.isfinite(min_effect)):
        raise OptionError("--alpha and --min-effect are numbers such as 0.01 and 0.02")
    report = compare_runs(before, after, Limits(alpha, min_effect, floor))
    if as_json:
        sys.stdout.write(json.dumps(report.as_json(), indent=1, allow_nan=False) + "\n")
    elif as_markdown:
        from harness.present.comparison import comment

        sys.stdout.write(comment(report))
    else:
        from harness.present.comparison import changes, counted, why_changed
        from harness.present.console import ConsoleTable

        where = console()
        table = changes(report, reasons=False)
        if table.lines:
            where.print(ConsoleTable(table))
        for reason in why_changed(report):
            where.print(f"- {reason}", markup=False, soft_wrap=True)
        for note in (*report.notes, report.rule):
            where.print(f"- {note}", markup=False, soft_wrap=True, style="dim")
        where.print(counted(report), markup=False, soft_wrap=True)
    raise typer.Exit(report.found.exit_code)
