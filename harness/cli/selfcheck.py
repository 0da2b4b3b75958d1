"""`harness selfcheck`: whether what is measured on this machine is true."""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from harness.cli.options import chosen_device
from harness.cli.output import busy, console, say
from harness.messages import OptionError, suggest
from harness.selfcheck.section import SECTIONS, USUAL_BUDGET, Checked, Section

if TYPE_CHECKING:
    from harness.selfcheck.page import Page

DEFAULT_FOLDER = Path("results/selfcheck")
_NAMES = tuple(each.name for each in SECTIONS)
_STYLES = {"pass": "green", "fail": "bold red", "skipped": "dim"}


def selfcheck(
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    budget: Annotated[
        float, typer.Option(min=1.0, help="Seconds that all sections may take together.")
    ] = USUAL_BUDGET,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the page and of its JSON.")
    ] = DEFAULT_FOLDER,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SECTION",
            help=f"Check these alone: {', '.join(_NAMES)}. Several may follow.",
            autocompletion=lambda incomplete: [n for n in _NAMES if n.startswith(incomplete)],
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Check that modules, timing, memory and failures are on this machine what they should be.

    Each section runs in a process of its own, beside peers where there are some: outputs against
    float64, times against torch.utils.benchmark and Triton's do_bench, predicted memory against
    the allocator, two runs at once, the gate on equal versions. Nothing is fetched.

    Exit codes: 0 passed, 1 a section failed, 2 a mistake in options, 3 nothing failed but a whole
    section had no time, or nothing could be checked.
    """
    sections = _chosen(only)
    chosen = chosen_device(device)
    started, start = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    from harness.environment.machine import describe_environment
    from harness.selfcheck.check import self_check
    from harness.selfcheck.page import Page

    environment = describe_environment()
    errors = console(stderr=True)
    found: list[Checked] = []

    def page() -> Page:
        return Page(
            chosen,
            budget,
            started,
            time.monotonic() - start,
            environment,
            tuple(found),
            len(sections),
        )

    def ended(checked: Checked) -> None:
        found.append(checked)
        page().write(out)  # whatever ends the rest
        say(f"{checked.name}: {checked.verdict}, {checked.said}", errors)

    page().write(out)  # before anything is spent on what could not be kept
    with busy(f"checking {chosen}, {budget:.0f} s at most"):
        self_check(chosen, budget, sections, ended)
    whole = page()
    if as_json:
        sys.stdout.write(json.dumps(whole.as_json(), indent=1) + "\n")
    where = console(stderr=as_json)
    where.print(_table(whole))
    for each in whole.sections:
        for finding in each.findings:
            if finding.verdict == "fail":
                say(f"{each.name}, {finding.name}: {finding.said}", where, style="red")
    for warning in whole.warnings:
        say(f"warning: {warning}", where, style="yellow")
    say(whole.outcome, where)
    say(f"kept: {out / 'selfcheck.md'}, {out / 'selfcheck.json'}", errors)
    if whole.exit_code:
        raise typer.Exit(whole.exit_code)


def _chosen(only: list[str] | None) -> tuple[Section, ...]:
    if not only:
        return SECTIONS
    for asked in only:
        if asked not in _NAMES:
            raise OptionError(
                f"--only {asked}: no such section; {suggest(asked, _NAMES, 'sections')}"
            )
    return tuple(each for each in SECTIONS if each.name in only)


def _table(page: "Page") -> Table:
    table = Table(
        title=f"Self-check of {page.named}, {page.seconds:.0f} s",
        title_justify="left",
        header_style="bold",
    )
    table.add_column("section")
    table.add_column("")
    table.add_column("s", justify="right")
    table.add_column("found")
    for each in page.sections:
        table.add_row(
            Text(each.name),
            Text(each.verdict, style=_STYLES[each.verdict]),
            f"{each.seconds:.0f}",
            Text(f"{each.asks} {each.said}"),
        )
    return table
