"""The commands."""

import sys

from harness import ELSEWHERE

if ELSEWHERE:  # before anything is imported that is not there
    sys.stderr.write(f"{ELSEWHERE}\n")
    raise SystemExit(2)
