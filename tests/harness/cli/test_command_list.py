"""The list of all commands, which none of them is imported for."""

import inspect
import subprocess
import sys

import pytest
import typer

from harness.cli.app import app
from harness.cli.commands import COMMANDS

GROUP = typer.main.get_command(app)


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_what_the_list_says_is_what_the_command_says(entry):
    command = GROUP.commands[entry.name]
    assert command.name == entry.name
    said = inspect.cleandoc(command.help).split("\n\n")[0]
    assert " ".join(said.split()) == entry.help


def imported(*arguments):
    code = "import sys; from harness.cli.app import app; app(sys.argv[1:], standalone_mode=False); "
    code += "print(*(name for name in sys.modules if name.startswith('harness.')))"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split()), done.stdout


def test_help_imports_no_command():
    names, shown = imported("--help")
    assert all(entry.name in shown for entry in COMMANDS)
    places = {entry.place.partition(":")[0] for entry in COMMANDS}
    assert not names & places
    assert not any(name.startswith(("harness.api", "harness.present.table")) for name in names)


def test_a_command_imports_no_other():
    names, _ = imported("list")
    assert {name for name in names if name.startswith("harness.cli.")} <= {
        *("harness.cli.app", "harness.cli.commands", "harness.cli.list", "harness.cli.output"),
        "harness.cli.spread",
    }
    assert "harness.runner" not in names
