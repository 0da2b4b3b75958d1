"""`harness gate`: hold the checkout against another commit, on this machine, now."""

import json
import math
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from harness.cli.options import DeviceName, FloatType, Input, Only, Threads, overrides_of, suites
from harness.cli.output import console, say, strangers
from harness.engines.process.imports import probe
from harness.judge.regression.settings import (
    GRIDS,
    PROCESS_SECONDS,
    REAL_GRIDS,
    USUAL_BUDGET,
    Settings,
)
from harness.judge.statistics.decision import ALPHA, MIN_EFFECT
from harness.messages import OptionError
from harness.suite.loader import load

if TYPE_CHECKING:
    from harness.judge.regression.gate import Standing
    from harness.judge.regression.verdict import Report

NOT_REACHED = 1
_SEEDS = 10**6  # so many that no two runs share one, and few enough digits to be typed again
_SAY_EVERY = 30.0  # seconds between two lines of progress where nobody looks at a terminal


def gate(  # noqa: PLR0917 - typer calls it with names
    suite_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="SUITE",
            help="A suite file (YAML), or a name of `harness list suites`.",
            autocompletion=suites,
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="REF", help="Branch, tag or commit that the checkout is held against."
        ),
    ] = None,
    input_: Input = None,
    only: Only = None,
    device: DeviceName = None,
    dtype: FloatType = None,
    threads: Threads = None,
    budget: Annotated[
        float, typer.Option(min=0.001, help="Seconds that may be spent on replicates.")
    ] = USUAL_BUDGET,
    process_seconds: Annotated[
        float, typer.Option(min=0.001, help="Seconds of samples in each process.")
    ] = PROCESS_SECONDS,
    min_effect: Annotated[
        float, typer.Option(min=0.0, help="Smallest difference that matters, as a share.")
    ] = MIN_EFFECT,
    alpha: Annotated[
        float, typer.Option(help="Probability of any false alarm where nothing differs.")
    ] = ALPHA,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Of the coins that say which version runs first; drawn if not given."
        ),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the table as Markdown.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on stdout; all else on stderr.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option("--self-test", help="Try the gate on equal versions and a known slow-down."),
    ] = False,
    grids: Annotated[
        int, typer.Option(min=1, help="Grids of equal versions under each noise of --self-test.")
    ] = GRIDS,
) -> None:
    """Measure SUITE with the checkout and with REF by turns, until every case has a verdict.

    REF is checked out into a temporary worktree; the checkout stays as it is. Each replicate is a
    fresh process. With --self-test no suite is needed: grids of equal versions, and grids with a
    case 5 % slower, are compared under simulated noises (drifts, bursts, heavy tails, modes,
    rhythms) and beside a noisy neighbour on this machine; false alarms and power are printed.

    Exit codes: 0 nothing is worse, 1 some case is slower or fails, 2 a mistake in suite, options or
    REF, 3 nothing worse is found but some case is unclear, 130 interrupted.
    """
    if verify:
        _self_test(grids, seed or 0, as_json)
        return
    if suite_file is None or against is None:
        raise OptionError("harness gate needs --against REF and a SUITE, or --self-test")
    if not math.isfinite(process_seconds):
        raise OptionError("--process-seconds: a number of seconds, such as 0.5")
    from harness.judge.regression.session import gate_suite

    if markdown is not None:
        _write(markdown, "", mode="a")  # before minutes are spent on what could not be kept
    overrides = overrides_of(input_, only, device, dtype, threads)
    with strangers():
        suite = load(suite_file, overrides, probe)
    try:
        settings = Settings(
            budget=budget,
            alpha=alpha,
            min_effect=min_effect,
            # Another one each time: what returns with every run cannot meet the same draw.
            seed=secrets.randbelow(_SEEDS) if seed is None else seed,
        )
    except ValueError as error:
        raise OptionError(f"{error}; correct --budget, --alpha or --min-effect") from error
    with _WrittenOver(console(stderr=True)) as line:

        def show(standing: "Standing") -> None:
            line.show(
                f"{standing.key.label}: {standing.pairs} pairs; {standing.unclear} of "
                f"{standing.total} cases without a verdict, {standing.seconds:.0f} s"
            )

        report = gate_suite(
            suite, against, settings, process_seconds=process_seconds, listener=show
        )
    _print_gated(report, markdown, as_json)
    if report.found.exit_code:
        raise typer.Exit(report.found.exit_code)


def _print_gated(report: "Report", markdown: Path | None, as_json: bool) -> None:
    from harness.present.comparison import gate_table, outcome
    from harness.present.console_table import ConsoleTable
    from harness.present.formats import markdown as markdown_of_table

    table, said = gate_table(report), outcome(report)
    if as_json:
        sys.stdout.write(json.dumps(report.as_json(), indent=1, allow_nan=False) + "\n")
    where = console(stderr=as_json)
    where.print(ConsoleTable(table, notes=table.footnotes))
    say(said, where)
    if markdown is not None:
        _write(markdown, f"{markdown_of_table(table)}\n{said}\n")


def _write(markdown: Path, text: str, mode: str = "w") -> None:
    try:
        with markdown.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise OptionError(
            f"--markdown {markdown}: {error.strerror}; name a file that can be written"
        ) from error


def _self_test(grids: int, seed: int, as_json: bool) -> None:
    from harness.judge.regression.selftest import self_test
    from harness.present.console_table import ConsoleTable
    from harness.present.self_test import self_test_table

    with _WrittenOver(console(stderr=True)) as line:
        verified = self_test(
            grids,
            seed,
            real_grids=grids * REAL_GRIDS // GRIDS,
            listener=lambda done, total: line.show(f"{done} of {total} grids"),
        )
    if as_json:
        sys.stdout.write(json.dumps(verified.as_json(), indent=1) + "\n")
    table = self_test_table(verified)
    console(stderr=as_json).print(ConsoleTable(table, notes=table.footnotes))
    if not verified.passed:
        raise typer.Exit(NOT_REACHED)


class _WrittenOver:
    """A line of progress that is written over, or one now and then where nobody looks.

    Written between two processes. A spinner would run beside the measurements, in a thread that the
    forks of the self-test do not bear.
    """

    def __init__(self, where: Console) -> None:
        self._console = where
        self._said = time.monotonic()

    def __enter__(self) -> "_WrittenOver":
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._over("")

    def show(self, text: str) -> None:
        """Say where things stand."""
        if self._console.is_terminal:
            self._over(text)
        elif time.monotonic() - self._said >= _SAY_EVERY:
            self._said = time.monotonic()
            say(text, self._console)

    def _over(self, text: str) -> None:
        width = self._console.width - 1
        self._console.print(text[:width].ljust(width), end="\r", markup=False, soft_wrap=True)
