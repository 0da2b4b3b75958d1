"""The `harness` command and its subcommands."""

import gc
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from harness.cli.commands import COMMANDS, Loaded
from harness.cli.output import complain, forgive_encodings, lost_output, say
from harness.cli.spread import spread
from harness.environment.interruption import ENDING, INTERRUPTED, interrupt
from harness.messages import HarnessError


class _Commands(TyperGroup):
    """The subcommands, which read their arguments after `spread`; each is imported when asked for.

    To import all takes ten times as long as to show what there is.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        loaded: Any = Loaded(COMMANDS)
        self.commands = loaded

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread(args))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.commands = {each.name: each.outline() for each in COMMANDS}
        super().format_help(ctx, formatter)


app = typer.Typer(
    name="harness",
    cls=_Commands,
    help="Benchmarks and ablations of the context modules of semantic segmentation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _show_version(asked: bool) -> None:
    if asked:
        from harness.environment.machine import library_versions

        version = library_versions()["context-harness"]
        say(f"context-harness {version or '(not installed)'}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    pass


_MOMENT = 3.0  # seconds after Ctrl-C in which another one changes nothing

# Objects between two collections. What PyTorch makes when it is imported stays, and to walk it as
# often as Python does takes a tenth of the time of a short command.
_COLLECTED = (20_000, 50, 50)


def main() -> None:
    """Entry of the `harness` command; a user's mistake ends in one line and exit code 2."""
    gc.set_threshold(*_COLLECTED)
    forgive_encodings()
    # As Ctrl-C: batch systems end jobs with SIGTERM, a terminal that is closed its programs with
    # SIGHUP (which `nohup` has them ignore), and finished records stay.
    interrupt = _Interrupt()
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    code, unwritten = _run(sys.argv[1:])
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)  # nothing is left to end
    unwritten = unwritten or lost_output()
    if unwritten is not None:
        code = code or 1
        if not isinstance(unwritten, BrokenPipeError):  # its reader has gone: `harness list | head`
            complain(f"stdout cannot be written: {unwritten.strerror or unwritten}")
        lost_output()
    sys.exit(code)


class _Interrupt:
    """Handles Ctrl-C and its like; who presses it twice means the first one."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def __call__(self, *_: object) -> None:
        """Raise KeyboardInterrupt, unless that was done a moment ago."""
        now = time.monotonic()
        if now - self._last > _MOMENT:
            self._last = now
            interrupt()


def _run(arguments: Sequence[str]) -> tuple[int, OSError | None]:
    """The exit code of a command, and why its output could not be written."""
    try:
        _require_folder()
        app(args=arguments)
    except SystemExit as end:  # how the command line ends
        return end.code if isinstance(end.code, int) else int(end.code is not None), None
    except HarnessError as error:
        complain(str(error))
        return error.exit_code, None
    except KeyboardInterrupt:
        return INTERRUPTED, None
    except OSError as error:
        if error.filename is not None:  # no stream of ours
            raise
        return 1, error
    return 0, None


def _require_folder() -> None:
    try:
        Path.cwd()
    except FileNotFoundError:
        cure = "change to another one"
        raise HarnessError(f"the current folder was deleted or moved; {cure}") from None


if __name__ == "__main__":
    main()
