"""How a command ends: at once, with all that it and others have to say."""

import subprocess
import sys

import pytest

LAST = """
import atexit
atexit.register(print, "last words")
"""


def ran(user, *command):
    return subprocess.run(
        command, cwd=user.folder, env=user.environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(("arguments", "code"), [(("list",), 0), (("validate", "absent"), 2)])
def test_functions_for_the_end_are_called_and_the_code_is_the_command_s(user, arguments, code):
    user.write("sitecustomize.py", LAST)
    user.environment["PYTHONPATH"] = f"{user.folder}:{user.environment['PYTHONPATH']}"
    done = ran(user, sys.executable, "-m", "harness", *arguments)
    assert done.returncode == code
    assert done.stdout.splitlines()[-1] == "last words"


def test_a_profiler_has_its_say(user):
    done = ran(user, sys.executable, "-m", "cProfile", "-m", "harness", "--version")
    assert done.returncode == 0, done.stderr
    assert "function calls" in done.stdout


def test_it_does_not_wait_for_the_interpreter_to_be_taken_apart(user):
    user.write(
        "sitecustomize.py",
        """
        class Kept:
            def __del__(self):
                print("taken apart")

        kept = Kept()
    """,
    )
    user.environment["PYTHONPATH"] = f"{user.folder}:{user.environment['PYTHONPATH']}"
    done = ran(user, sys.executable, "-m", "harness", "--version")
    assert done.returncode == 0
    assert "taken apart" not in done.stdout
    assert "taken apart" in ran(user, sys.executable, "-c", "import sitecustomize").stdout
