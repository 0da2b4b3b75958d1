"""The `harness` command and its subcommands."""

import functools
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

import typer
from typer.core import TyperGroup

from harness.cli.calibrate import calibrate
from harness.cli.compare import accept, compare, list_baselines
from harness.cli.export import export, report
from harness.cli.gate import gate
from harness.cli.history import history
from harness.cli.info import doctor, environment, list_modules, schema, validate
from harness.cli.init import init
from harness.cli.options import RESUME, SUITE_ENDINGS
from harness.cli.output import console, forgive_encodings, say
from harness.cli.plan import plan
from harness.cli.run import INTERRUPTED, run
from harness.cli.show import show
from harness.messages import HarnessError
from harness.records.run_directory import LATEST

# Options that take several values in a row: `--only PPM ASPP` as `--only PPM --only ASPP`.

SEVERAL = ("--only", "--with")


def spread(arguments: Sequence[str]) -> list[str]:
    """Repeat such an option before each of its values; say what `--resume` leaves out.

    The values end at the next option, at the name of a suite file and at `--`. A label that looks
    like one of these is given as `--only=LABEL`.
    """
    result: list[str] = []
    option: str | None = None
    first = False
    for position, argument in enumerate(arguments):
        if argument == "--":
            return result + list(arguments[position:])
        if argument == RESUME:
            following = [*arguments[position + 1 :], "--"][0]
            if following.startswith("-") or following.endswith(SUITE_ENDINGS):
                option = None
                result.append(f"{RESUME}={LATEST}")
                continue
        if argument in SEVERAL:
            option, first = argument, True
            result.append(argument)
            continue
        if argument.startswith("--") or (not first and argument.endswith(SUITE_ENDINGS)):
            option = None
        if option is not None and not first:
            result.append(option)
        result.append(argument)
        first = False
    return result


P = ParamSpec("P")


def _interruptible(command: Callable[P, None]) -> Callable[P, None]:
    """End with 130 at Ctrl-C; some versions of typer say "Aborted!" and end with 1."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
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
app.command("init")(_interruptible(init))
app.command("run")(_interruptible(run))
app.command("list")(_interruptible(list_modules))
app.command("show")(_interruptible(show))
app.command("report")(_interruptible(report))
app.command("validate")(_interruptible(validate))
app.command("plan")(_interruptible(plan))
app.command("schema")(_interruptible(schema))
app.command("doctor")(_interruptible(doctor))
app.command("env")(_interruptible(environment))
app.command("calibrate")(_interruptible(calibrate))
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


def main() -> None:
    """Entry of the `harness` command; a user's mistake ends in one line and exit code 2."""
    forgive_encodings()
    # SIGTERM as Ctrl-C: batch systems end jobs with it, and finished records stay.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except HarnessError as error:
        say(str(error), console(stderr=True))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has gone: `harness list | head`
        sys.stderr.close()
        sys.exit(1)


if __name__ == "__main__":
    main()
