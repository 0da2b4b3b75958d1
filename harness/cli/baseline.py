"""`harness baseline`: the accepted runs that later ones are compared with."""

import json
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from harness.cli.compare import Baselines
from harness.cli.options import runs
from harness.cli.output import console
from harness.judge.regression.baselines import (
    BASELINES,
    BaselineError,
    every,
    find_baseline,
    observed,
)
from harness.judge.regression.baselines import accept as accept_run
from harness.judge.regression.observed import noise_of_runs, observe


def accept(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="A run, or a suite's folder.", autocompletion=runs),
    ],
    noise: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="RUN", help="Another run of the same version: how it differs is noise."
        ),
    ] = None,
    baselines: Baselines = BASELINES,
) -> None:
    """Make RUN the baseline of its suite on this kind of machine, in place of the earlier one."""
    found = observe(run)
    floor = noise_of_runs(found, map(observe, noise or ()))
    lost: list[str] = []  # labels that the earlier baseline has; none where that is damaged
    with suppress(BaselineError):
        earlier = find_baseline(baselines, found.machine_key, found.suite)
        if earlier is not None:
            lost = [label for _, label in sorted(observed(earlier).labels - found.labels)]
    made = accept_run(found, baselines, floor)
    errors = console(stderr=True)
    if lost:
        labels = ", ".join(map(repr, lost))
        errors.print(f"no longer in the baseline: {labels}", markup=False, soft_wrap=True)
    if found.failures:
        labels = ", ".join(repr(case.label) for case in found.failures)
        errors.print(f"failed in the baseline: {labels}", markup=False, soft_wrap=True)
    git = found.environment.get("git") or {}
    if git.get("dirty"):
        errors.print(
            f"measured with files that differ from commit {git['commit'][:12]}: nobody will find "
            "this code again",
            markup=False,
            soft_wrap=True,
        )
    console().print(f"accepted: {made.path}", markup=False, soft_wrap=True)


def list_baselines(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array on stdout.")] = False,
    baselines: Baselines = BASELINES,
) -> None:
    """List the accepted runs by machine and suite."""
    found = every(baselines)
    if as_json:
        data = [
            {"machine_key": each.machine_key, "suite": each.suite}
            | asdict(each)
            | {"folder": str(each.folder)}
            for each in found
        ]
        sys.stdout.write(json.dumps(data, indent=1) + "\n")
        return
    table = Table("machine", "suite", "run", "commit", "accepted", "noise", header_style="bold")
    for each in found:
        noise = ", ".join(f"{name} {floor:.1%}" for name, floor in each.noise_floor.items())
        texts = (each.machine_key, each.suite, each.run, each.commit or "", each.accepted_at, noise)
        table.add_row(*map(Text, texts))
    console().print(table)
