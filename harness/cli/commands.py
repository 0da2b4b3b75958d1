"""The commands: what each is for, and where it is."""

import functools
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec

import typer
from typer.core import TyperCommand

from harness.cli.output import complain
from harness.environment.interruption import INTERRUPTED, heeded, undisturbed


@dataclass(frozen=True)
class Entry:
    """A command that is imported when it is asked for."""

    name: str
    place: str  # `module:function`, or `module:group` of commands below it
    help: str  # the first paragraph of its docstring; a test compares them
    metavar: str = "[OPTIONS]"  # of its options in the line of usage

    def outline(self) -> TyperCommand:
        """As much of it as the list of all commands shows."""
        return TyperCommand(self.name, help=self.help)

    def load(self) -> Any:
        """Itself."""
        module, _, name = self.place.partition(":")
        with undisturbed():  # what is imported may make another error of Ctrl-C, or lose it
            found = getattr(importlib.import_module(module), name)
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        if isinstance(found, typer.Typer):
            alone.add_typer(found, name=self.name)
            group: Any = typer.main.get_command(alone)
            return group.commands[self.name]
        alone.command(self.name, options_metavar=self.metavar)(interruptible(found))
        return typer.main.get_command(alone)


COMMANDS = (
    Entry(
        "init",
        "harness.cli.init:init",
        "Write a commented suite that runs at once; with --module an attention block and its test.",
    ),
    Entry(
        "run",
        "harness.cli.run:run",
        "Measure every case of SUITE, or modules side by side; keep records, tables and plots.",
    ),
    Entry(
        "list",
        "harness.cli.list:list_",
        "List the modules of the catalog, or the suites that can be run by their name.",
    ),
    Entry(
        "show",
        "harness.cli.show:show",
        "Show what a module takes and costs at a size, layer by layer; or a run's tables again.",
        metavar="[OPTIONS] [module|run]",
    ),
    Entry(
        "runs",
        "harness.cli.runs:runs",
        "List runs, the one that was started last first; with --tag, --untag, --note say so of "
        "RUN.",
    ),
    Entry(
        "report",
        "harness.cli.export:report",
        "Write RUNs as one HTML file: verdicts, tables, plots, failures, samples, environment.",
    ),
    Entry(
        "validate",
        "harness.cli.info:validate",
        "Check SUITE and what it includes: every mistake at once, one line each, exit code 2.",
    ),
    Entry(
        "plan",
        "harness.cli.plan:plan",
        "Say what SUITE, or modules as in `harness run`, will take. Measures nothing.",
    ),
    Entry(
        "schema",
        "harness.cli.info:schema",
        "Print the JSON Schema of suite files; editors complete and check with it.",
    ),
    Entry(
        "doctor",
        "harness.cli.info:doctor",
        "Say what of the optional equipment is here or missing, and how to get it.",
    ),
    Entry(
        "env",
        "harness.cli.info:environment",
        "Show the environment that a run on this machine records.",
    ),
    Entry(
        "calibrate",
        "harness.cli.calibrate:calibrate",
        "Measure peak FLOP/s by data type and the memory's bandwidth; keep them for this machine.",
    ),
    Entry(
        "selfcheck",
        "harness.cli.selfcheck:selfcheck",
        "Check that modules, timing, memory and failures are on this machine what they should be.",
    ),
    Entry(
        "compare",
        "harness.cli.compare:compare",
        "Say per case and metric whether RUN_B is the same as RUN_A, better, worse, or unclear.",
    ),
    Entry(
        "gate",
        "harness.cli.gate:gate",
        "Measure SUITE with the checkout and with REF by turns, until every case has a verdict.",
    ),
    Entry(
        "export",
        "harness.cli.export:export",
        "Write RUN in the format of another tool; values keep SI base units where it names none.",
    ),
    Entry(
        "history",
        "harness.cli.history:history",
        "Read all runs, find where each case became slower or faster, and name the commits.",
    ),
    Entry(
        "baseline",
        "harness.cli.compare:baseline",
        "Accepted runs, with which later ones are compared.",
    ),
)


class Loaded(Mapping[str, Any]):
    """Commands by their names, each imported when it is looked up."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = {each.name: each for each in entries}
        self._found: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._found:
            self._found[name] = self._entries[name].load()
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


P = ParamSpec("P")


def interruptible(command: Callable[P, None]) -> Callable[P, None]:
    """End with 130 at Ctrl-C; some versions of typer say "Aborted!" and end with 1.

    What an import that was cut off leads to later is no error of its own.
    """

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except (Exception, KeyboardInterrupt) as error:
            if not heeded() and not isinstance(error, KeyboardInterrupt):
                raise
            complain("interrupted")
            raise typer.Exit(INTERRUPTED) from None

    return wrapped
