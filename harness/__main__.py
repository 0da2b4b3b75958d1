"""`python -m harness`."""

import sys
from contextlib import suppress
from pathlib import Path

import harness.cli  # noqa: F401 - first, it ends where the harness does not run

# isort: split

import context_modules  # noqa: F401 - a checkout has it in the current folder

# Python has put the current folder in front, where a user's `random.py` would be PyTorch's, too.
with suppress(FileNotFoundError):  # it was deleted, which the command says itself
    if not sys.flags.safe_path and Path(sys.path[0]).resolve() == Path.cwd():
        sys.path.append(sys.path.pop(0))

from harness.cli import main

main()
