"""The commands."""

import sys

from harness import ELSEWHERE

if ELSEWHERE:  # before anything is imported that is not there
    sys.stderr.write(f"{ELSEWHERE}\n")
    raise SystemExit(2)


def main() -> None:
    """Entry of the `harness` command: Ctrl-C while its parts are imported ends it, too."""
    try:
        from harness.cli.app import main as begin

        begin()
    except KeyboardInterrupt:  # before or behind what answers it
        sys.exit(130)
