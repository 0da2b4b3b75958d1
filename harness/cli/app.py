"""The `harness` command and its subcommands."""

import functools
import gc
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, ParamSpec

import typer
from typer.core import TyperGroup

from harness.cli.calibrate import calibrate
from harness.cli.compare import accept, compare, list_baselines
from harness.cli.export import export, report
from harness.cli.gate import gate
from harness.cli.history import history
from harness.cli.info import doctor, environment, schema, validate
from harness.cli.init import init
from harness.cli.list import list_
from harness.cli.options import RESUME
from harness.cli.output import console, forgive_encodings, lost_output, say
from harness.cli.plan import plan
from harness.cli.run import run
from harness.cli.runs import runs
from harness.cli.selfcheck import selfcheck
from harness.cli.show import show
from harness.environment.interruption import ENDING, INTERRUPTED, heeded, interrupt
from harness.messages import HarnessError
from harness.records.run_directory import LATEST
from harness.suite.shipped import ENDINGS, named

# Options that take several values in a row: `--only PPM ASPP` as `--only PPM --only ASPP`.

SEVERAL = ("--only", "--with", "--grid")
PAIRS = ("--with", "--grid")


def spread(arguments: Sequence[str]) -> list[str]:
    """Repeat such an option before each of its values; say what `--resume` leaves out.

    The values end at the next option, at the name of a suite, at `--`, and those that are
    `NAME=VALUE` at what is none. A label that looks like one of these is given as `--only=LABEL`.
    """
    result: list[str] = []
    option: str | None = None
    first = False
    for position, argument in enumerate(arguments):
        if argument == "--":
            return result + list(arguments[position:])
        if argument == RESUME:
            following = [*arguments[position + 1 :], "--"][0]
            if following.startswith("-") or _is_suite(following) or _is_module(following):
                option = None
                result.append(f"{RESUME}={LATEST}")
                continue
        if argument in SEVERAL:
            option, first = argument, True
            result.append(argument)
            continue
        ends = option in PAIRS and "=" not in argument
        if argument.startswith("--") or (not first and (ends or _is_suite(argument))):
            option = None
        if option is not None and not first:
            result.append(option)
        result.append(argument)
        first = False
    return result


def _is_suite(argument: str) -> bool:
    return argument.endswith(ENDINGS) or named(Path(argument)) is not None


def _is_module(argument: str) -> bool:
    from context_modules.catalog import BY_NAME

    return ":" in argument or argument in BY_NAME


P = ParamSpec("P")


def _interruptible(command: Callable[P, None]) -> Callable[P, None]:
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
            _complain("interrupted")
            raise typer.Exit(INTERRUPTED) from None

    return wrapped


class _Commands(TyperGroup):
    """The subcommands, which read their arguments after `spread`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, spread(args))


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


app.command("init")(_interruptible(init))
app.command("run")(_interruptible(run))
app.command("list")(_interruptible(list_))
app.command("show", options_metavar="[OPTIONS] [module|run]")(_interruptible(show))
app.command("runs")(_interruptible(runs))
app.command("report")(_interruptible(report))
app.command("validate")(_interruptible(validate))
app.command("plan")(_interruptible(plan))
app.command("schema")(_interruptible(schema))
app.command("doctor")(_interruptible(doctor))
app.command("env")(_interruptible(environment))
app.command("calibrate")(_interruptible(calibrate))
app.command("selfcheck")(_interruptible(selfcheck))
app.command("compare")(_interruptible(compare))
app.command("gate")(_interruptible(gate))
app.command("export")(_interruptible(export))
app.command("history")(_interruptible(history))
baseline = typer.Typer(
    help="Accepted runs, with which later ones are compared.", no_args_is_help=True
)
baseline.command("accept")(_interruptible(accept))
baseline.command("list")(_interruptible(list_baselines))
app.add_typer(baseline, name="baseline")


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
            _complain(f"stdout cannot be written: {unwritten.strerror or unwritten}")
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
        _complain(str(error))
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


def _complain(text: str) -> None:
    with suppress(OSError):
        say(text, console(stderr=True))


if __name__ == "__main__":
    main()
