"""What a run has changed: `harness compare`; and the accepted runs that it is compared with."""

import json
import math
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, get_args

import typer
from rich.table import Table
from rich.text import Text

from harness.cli.commands import interruptible
from harness.cli.options import RUN_HELP, RunName, among, found_run, runs
from harness.cli.output import console, say
from harness.judge.regression.baselines import (
    BASELINES,
    BaselineError,
    every,
    find_baseline,
    find_for,
    observed,
)
from harness.judge.regression.baselines import accept as accept_run
from harness.judge.regression.compare import By
from harness.judge.regression.compare import compare as compare_runs
from harness.judge.regression.observed import Observed, noise_of_runs, observe
from harness.judge.regression.verdict import Limits
from harness.judge.statistics.decision import ALPHA, MIN_EFFECT
from harness.messages import OptionError

Baselines = Annotated[
    Path, typer.Option("--baselines", metavar="DIR", help="Folder of the accepted runs.")
]


def compare(  # noqa: PLR0917 - typer calls it with names
    run_a: Annotated[
        str,
        typer.Argument(metavar="RUN_A", help=RUN_HELP, autocompletion=runs),
    ],
    run_b: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN_B",
            help="If absent, RUN_A is compared with its baseline.",
            autocompletion=runs,
        ),
    ] = None,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Markdown on stdout, its gist on stderr.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    noise: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RUN",
            autocompletion=runs,
            help="Another run of the first version: how it differs is noise.",
        ),
    ] = None,
    alpha: Annotated[
        float, typer.Option(min=1e-9, max=0.5, help="Share of false calls among calls.")
    ] = ALPHA,
    min_effect: Annotated[
        float, typer.Option(min=0.0, max=10.0, help="Smallest share that matters: 0.02 is 2 %.")
    ] = MIN_EFFECT,
    by: Annotated[
        str,
        typer.Option(
            metavar="case|label",
            autocompletion=among(get_args(By)),
            help="What makes two cases the same one: what is measured, or the label alone, also in "
            "another suite; what else differs is then said.",
        ),
    ] = "case",
    baselines: Baselines = BASELINES,
) -> None:
    """Say per case and metric whether RUN_B is the same as RUN_A, better, worse, or unclear.

    Exit codes: 0 nothing is worse, 1 a regression, 2 a mistake in the options, 3 nothing is worse
    for sure but something is unclear.
    """
    known: dict[str, float] = {}  # noise of the machine
    if run_b is not None:
        if found_run(run_a).resolve() == found_run(run_b).resolve():
            raise OptionError(f"{run_a} and {run_b} are the same run; name another one")
        before, after = _observed(run_a), _observed(run_b)
    else:
        after = _observed(run_a)
        kept = find_for(after, baselines)
        before, known = observed(kept), dict(kept.noise_floor)
    floor = known | noise_of_runs(before, map(_observed, noise or ()))
    if not (math.isfinite(alpha) and math.isfinite(min_effect)):
        raise OptionError("--alpha and --min-effect are numbers such as 0.01 and 0.02")
    report = compare_runs(before, after, Limits(alpha, min_effect, floor), by)
    if as_json:
        sys.stdout.write(json.dumps(report.as_json(), indent=1, allow_nan=False) + "\n")
    elif as_markdown:
        from harness.present.comparison import comment, in_one_line

        sys.stdout.write(comment(report))
        say(in_one_line(report), console(stderr=True))  # the file has the rest
    else:
        from harness.present.comparison import changes, counted, why_changed
        from harness.present.console_table import ConsoleTable

        where = console()
        table = changes(report, reasons=False)
        if table.lines:
            where.print(ConsoleTable(table, notes=table.footnotes))
        for reason in why_changed(report):
            say(f"- {reason}", where)
        for note in (*report.notes, report.rule):
            say(f"- {note}", where, style="dim")
        say(counted(report), where)
    raise typer.Exit(report.found.exit_code)


def _observed(name: str) -> Observed:
    return observe(found_run(name))


def accept(
    run: RunName,
    noise: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RUN",
            autocompletion=runs,
            help="Another run of the same version: how it differs is noise.",
        ),
    ] = None,
    baselines: Baselines = BASELINES,
) -> None:
    """Make RUN the baseline of its suite on this kind of machine, in place of the earlier one."""
    found = _observed(run)
    floor = noise_of_runs(found, map(_observed, noise or ()))
    lost: list[str] = []  # labels that the earlier baseline has; none where that is damaged
    with suppress(BaselineError):
        earlier = find_baseline(baselines, found.machine_key, found.suite)
        if earlier is not None:
            lost = [label for _, label in sorted(observed(earlier).labels - found.labels)]
    made = accept_run(found, baselines, floor)
    errors = console(stderr=True)
    if lost:
        labels = ", ".join(map(repr, lost))
        say(f"no longer in the baseline: {labels}", errors)
    if found.failures:
        labels = ", ".join(repr(case.label) for case in found.failures)
        say(f"failed in the baseline: {labels}", errors)
    git = found.environment.get("git") or {}
    if git.get("dirty"):
        say(
            f"measured with files that differ from commit {git['commit'][:12]}: nobody will find "
            "this code again",
            errors,
        )
    say(f"accepted: {made.path}")


def list_baselines(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on stdout.")] = False,
    baselines: Baselines = BASELINES,
) -> None:
    """List the accepted runs by machine and suite."""
    found, left_out = every(baselines)
    for reason in left_out:
        say(f"left out: {reason}", console(stderr=True), style="yellow")
    if as_json:
        data = [
            {"machine_key": each.machine_key, "suite": each.suite}
            | asdict(each)
            | {"folder": str(each.folder)}
            for each in found
        ]
        sys.stdout.write(json.dumps(data, indent=1) + "\n")
        return
    if not found:
        say(f"no baseline in {baselines} yet; harness baseline accept RUN makes a run one")
        return
    table = Table("machine", "suite", "run", "commit", "accepted", "noise", header_style="bold")
    for each in found:
        noise = ", ".join(f"{name} {floor:.1%}" for name, floor in each.noise_floor.items())
        texts = (each.machine_key, each.suite, each.run, each.commit or "", each.accepted_at, noise)
        table.add_row(*map(Text, texts))
    console().print(table)


baseline = typer.Typer(
    help="Accepted runs, with which later ones are compared.", no_args_is_help=True
)
baseline.command("accept")(interruptible(accept))
baseline.command("list")(interruptible(list_baselines))
