"""`harness plan`: what a suite will take, before it is run."""

import gc
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from harness.cli.options import (
    DeviceName,
    FloatType,
    Input,
    MaxSeeds,
    Metrics,
    Only,
    Repeats,
    Threads,
    UntilSeparated,
    overrides_of,
)
from harness.cli.output import busy, console, shown_bytes, shown_duration, strangers
from harness.cli.targets import Grid, What, With, choose
from harness.engines.local import LocalEngine
from harness.engines.process.imports import probe
from harness.engines.process.server import start_server
from harness.messages import OptionError, quote
from harness.runner import DEFAULT_ROOT, STATIC_SLOTS
from harness.suite.loader import load

if TYPE_CHECKING:
    from harness.planning.plan import Plan, PlannedCase


_MOST = 40
"""Cases in the terminal, the longest of a larger suite; all are in `--json`."""


def plan(  # noqa: PLR0917 - typer calls it with names
    what: What,
    with_: With = None,
    grid: Grid = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Folder with earlier runs at any depth; repeatable."),
    ] = None,
    machine: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Times of this machine's runs; this one if absent."),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="For predictions of memory; 0 predicts none."),
    ] = None,
    input_: Input = None,
    only: Only = None,
    metrics: Metrics = None,
    device: DeviceName = None,
    dtype: FloatType = None,
    threads: Threads = None,
    repeats: Repeats = None,
    until_separated: UntilSeparated = None,
    max_seeds: MaxSeeds = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object with every case on stdout.")
    ] = False,
) -> None:
    """Say what SUITE, or modules as in `harness run`, will take. Measures nothing.

    Cases, trainings, memory, time.

    Times are medians of earlier runs of the same cases on the same machine, else of similar cases,
    else unknown. Memory is known from earlier runs or predicted on fake tensors.
    """
    if budget is not None and not 0 <= budget < float("inf"):
        raise OptionError(f"--budget {budget}: give seconds, 0 or more")
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
    chosen = choose(what, with_, grid, overrides)
    if budget != 0:
        start_server()  # its imports take as long as reading the suite
    with busy("reading the suite and earlier runs"), _uncollected(), strangers(), chosen.words():
        suite = load(chosen.suite, chosen.overrides, probe)

        from harness.environment.machine import describe_machine, machine_key
        from harness.planning.plan import make_plan
        from harness.planning.predict import read_earlier
        from harness.training.checkpoint import checkpoint_folder

        made = make_plan(
            suite,
            read_earlier(runs or [DEFAULT_ROOT]),
            machine or machine_key(describe_machine()),
            engine=None if budget == 0 else LocalEngine(slots=STATIC_SLOTS),
            budget=budget,
            checkpoints=checkpoint_folder(),
        )
    if as_json:
        sys.stdout.write(json.dumps(made.as_json(), allow_nan=False) + "\n")
        return
    where, shown = console(), list(made.cases)
    if len(shown) > _MOST:
        shown.sort(key=lambda case: -(case.time.seconds if case.time else 0.0))
    where.print(_table(shown[:_MOST], several=len({c.job.suite for c in made.cases}) > 1))
    if len(shown) > _MOST:
        where.print(f"the longest {_MOST} of {len(shown)} cases; --json has all of them")
    for line in _summary(made):
        where.print(Text(line), soft_wrap=True)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the search for cycles: tens of thousands of cases and records hold none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _table(cases: "list[PlannedCase]", *, several: bool) -> Table:
    table = Table(header_style="bold")
    for head in ("case", "device", "metrics"):
        table.add_column(head, overflow="fold")
    table.add_column("memory, at least", justify="right")
    table.add_column("time", justify="right")
    table.add_column("time from")
    for case in cases:
        job, estimate = case.job, case.time
        name = f"{job.suite}: {job.label}" if several else job.label
        name += f" #{job.replicate}" if job.replicate > 1 else ""
        table.add_row(
            Text(name),
            job.case.device,
            Text(", ".join(job.metrics)),
            shown_bytes(case.memory.bytes) if case.memory else "not predicted",
            shown_duration(estimate.seconds) if estimate else "unknown",
            f"{estimate.basis} ({estimate.records})" if estimate else "",
        )
    return table


def _summary(made: "Plan") -> list[str]:
    cases = made.cases
    lines = [f"cases: {len(cases)}, {made.distinct_cases} of them distinct"]
    if made.trainings:
        kept = sum(training.kept is True for training in made.trainings)
        unknown = sum(training.kept is None for training in made.trainings)
        text = f"trainings: {len(made.trainings)} distinct, {kept} of them kept already"
        lines.append(text + (f", {unknown} not looked up" if unknown else ""))
    sized = [(case.memory.bytes, case.job.label) for case in cases if case.memory is not None]
    if sized:
        largest, label = max(sized, key=lambda each: each[0])
        size = shown_bytes(largest)
        lines.append(f"memory: the largest case needs {size} or more ({quote(label)})")
    if len(sized) < len(cases):
        lines.append(f"memory: not predicted for {len(cases) - len(sized)} cases")
    timed = sum(case.time is not None for case in cases)
    if timed:
        lines.append(f"time: {shown_duration(made.seconds)} one after another on one machine")
    if timed < len(cases):
        runs = f"{made.runs} earlier runs" if made.runs != 1 else "1 earlier run"
        lines.append(
            f"time: unknown for {len(cases) - timed} of {len(cases)} cases; {runs} read, none of "
            f"the same or similar cases on machine {made.machine}"
        )
    return lines + [f"note: {note}" for note in made.notes]
