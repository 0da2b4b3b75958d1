"""The `harness` command."""

import sys

import typer
from rich.console import Console

from harness.cli.catalog import list_modules
from harness.cli.environment import environment
from harness.cli.run import run
from harness.cli.schema import schema
from harness.cli.show import show
from harness.cli.validate import validate
from harness.errors import HarnessError

app = typer.Typer(
    name="harness",
    help="Benchmarks and ablations of the context modules of semantic segmentation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("run")(run)
app.command("list")(list_modules)
app.command("show")(show)
app.command("validate")(validate)
app.command("schema")(schema)
app.command("env")(environment)


def main() -> None:
    """Entry of the `harness` command; a user's mistake ends in one line and exit code 2."""
    try:
        app()
    except HarnessError as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(str(error), markup=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has gone: `harness list | head`
        sys.stderr.close()
        sys.exit(1)


if __name__ == "__main__":
    main()
