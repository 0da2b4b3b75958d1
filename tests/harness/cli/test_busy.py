"""On a terminal whatever takes a while says what it does; in a pipe it says nothing."""

import os
import pty
import subprocess
import sys

import pytest
from harness_user import MINI


def on_a_terminal(user, *arguments):
    """What stderr shows where it is a terminal, with all that is written over later."""
    reading, writing = pty.openpty()
    with os.fdopen(reading, "rb", closefd=True) as shown:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", *arguments],
            cwd=user.folder,
            env=user.environment | {"TERM": "xterm", "COLUMNS": "80"},
            stdout=subprocess.DEVNULL,
            stderr=writing,
        )
        os.close(writing)
        said = b""
        try:
            while block := shown.read1(4096):
                said += block
        except OSError:  # Linux says so that nobody writes any more
            pass
        assert process.wait() == 0, said
    return said.decode()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("validate", "mini.yaml"), ["reading the suite"]),
        (
            ("run", "mini.yaml", "--metrics", "params"),
            ["reading the suite", "mini: 3 cases, cpu", "3/3"],
        ),
        (("show", "se"), ["importing the module", "counting"]),
    ],
)
def test_a_terminal_sees_what_is_done(user, arguments, said):
    user.write("mini.yaml", MINI)
    shown = on_a_terminal(user, *arguments)
    assert all(each in shown for each in said)


def test_a_pipe_sees_none_of_it(user):
    user.write("mini.yaml", MINI)
    assert user.run("validate", "mini.yaml").stderr == ""
