"""The `harness` command."""

import functools
import signal
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from harness.cli.baseline import accept, list_baselines
from harness.cli.calibrate import calibrate
from harness.cli.catalog import list_modules
from harness.cli.compare import compare
from harness.cli.doctor import doctor
from harness.cli.environment import environment
from harness.cli.export import export
from harness.cli.gate import gate
from harness.cli.history import history
from harness.cli.init import init
from harness.cli.output import console, forgive_encodings
from harness.cli.plan import plan
from harness.cli.report import report
from harness.cli.run import INTERRUPTED, run
from harness.cli.schema import schema
from harness.cli.show import show
from harness.cli.spread import spread
from harness.cli.validate import validate
from harness.errors import HarnessError

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


app = typer.Typer(
    name="harness",
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
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app(args=spread(sys.argv[1:]))
    except HarnessError as error:
        console(stderr=True).print(str(error), markup=False, soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has gone: `harness list | head`
        sys.stderr.close()
        sys.exit(1)


def _interrupt(_number: int, _frame: object) -> None:
    """SIGTERM as Ctrl-C: batch systems end jobs with it, and finished records stay."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
