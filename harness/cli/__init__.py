"""The commands."""

import sys

from harness import ELSEWHERE

if ELSEWHERE:  # before anything is imported that is not there
    sys.stderr.write(f"{ELSEWHERE}\n")
    raise SystemExit(2)

from harness.environment.interruption import leave_at_once


def main() -> None:
    """Entry of the `harness` command: Ctrl-C while its parts are imported ends it, too."""
    leave_at_once()
    from harness.cli.app import main as begin

    begin()
