"""What git knows of commits: when they were made, and how many lie between two of them."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

_PATIENCE = 10.0  # seconds; a history is shown without git rather than late


def committed_at(commits: Iterable[str], folder: Path | None = None) -> dict[str, int]:
    """Unix time of each commit that the checkout knows; empty outside a checkout.

    Args:
        commits: 40 hexadecimal digits each.
        folder: of the checkout; the current directory if absent.
    """
    text = "".join(f"{commit}\n" for commit in commits)
    arguments = ("rev-list", "--no-walk=unsorted", "--timestamp", "--ignore-missing", "--stdin")
    answer = _git(arguments, folder, text) if text else None
    pairs = (line.split() for line in (answer or "").splitlines())
    return {commit: int(time) for time, commit in pairs}


def number_between(before: str, after: str, folder: Path | None = None) -> int | None:
    """Commits that `after` has and `before` has not; `None` where git does not know both."""
    answer = _git(("rev-list", "--count", f"{before}..{after}"), folder)
    return int(answer) if answer else None


def _git(arguments: tuple[str, ...], folder: Path | None, text: str = "") -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=True,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
