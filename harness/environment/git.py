"""Git, asked in a process of its own that is ended with all its children."""

import os
import re
import signal
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.environment.interruption import undisturbed
from harness.messages import HarnessError, printable

# A hook of git runs its commands with these set; they would point our git at the hook's repository
# and index (git-rev-parse(1), --local-env-vars).
_OF_A_HOOK = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
)  # fmt: skip
_USUAL_PATIENCE = 300.0  # seconds; a large repository on a slow disk
_SHORT = 10.0  # seconds; a run begins, and a history is shown, without git rather than late


COMMIT = re.compile(r"[0-9a-f]{4,64}")
"""What may be given to git as a commit: a stored text could be an option, `--output=FILE`."""


class GitError(HarnessError):
    """Git cannot be run, or refuses."""


def git(folder: Path, *arguments: str, text: str = "", patience: float = _USUAL_PATIENCE) -> str:
    """What git answers in a folder; no hook of the repository is run.

    Args:
        folder: of a checkout.
        arguments: of the command.
        text: given to git on stdin.
        patience: seconds.

    Raises:
        GitError: it cannot be run, takes too long or ends with an error, whose last line is told.
    """
    environment = {k: v for k, v in os.environ.items() if k not in _OF_A_HOOK}
    try:
        process = None
        try:
            with undisturbed():  # between its start and our knowing of it
                process = subprocess.Popen(
                    ["git", "-C", str(folder), "-c", f"core.hooksPath={os.devnull}", *arguments],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    errors="replace",
                    # `git status` would take the index lock, at which a commit meanwhile fails.
                    env=environment | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
                    start_new_session=True,  # Ctrl-C in a terminal is ours to handle, not git's
                )
            out, err = process.communicate(text, patience)
        except BaseException:
            # `git worktree add` has the files written by a child, which would outlive it and write
            # into a folder that is being removed. Both are in the session that git leads.
            if process is not None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                with process:  # which waits for it and closes its pipes
                    pass
            raise
    except (OSError, subprocess.SubprocessError) as error:
        raise GitError(f"git cannot be run: {error}") from error
    if process.returncode:
        lines = [line for line in err.splitlines() if line.strip()]
        raise GitError(printable(lines[-1]) if lines else f"git exit code {process.returncode}")
    return out.strip()


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit and whether files differ from it (`None`: unknown); `None` outside a checkout."""
    try:
        commit, dirty = git(folder, "rev-parse", "HEAD", patience=_SHORT), None
    except GitError:
        return None
    with suppress(GitError):
        dirty = bool(git(folder, "status", "--porcelain", patience=_SHORT))
    return {"commit": commit, "dirty": dirty}


def committed_at(commits: Iterable[str], folder: Path) -> dict[str, int]:
    """Unix time of each commit that the checkout knows; empty outside a checkout.

    Args:
        commits: 40 hexadecimal digits each.
        folder: of the checkout.
    """
    text = "".join(f"{commit}\n" for commit in commits if COMMIT.fullmatch(commit))
    arguments = ("rev-list", "--no-walk=unsorted", "--timestamp", "--ignore-missing", "--stdin")
    try:
        answer = git(folder, *arguments, text=text, patience=_SHORT) if text else ""
    except GitError:
        return {}
    pairs = (line.split() for line in answer.splitlines())
    return {commit: int(time) for time, commit in pairs}


def number_between(before: str, after: str, folder: Path) -> int | None:
    """Commits that `after` has and `before` has not; `None` where git does not know both."""
    if not (COMMIT.fullmatch(before) and COMMIT.fullmatch(after)):
        return None
    with suppress(GitError):
        return int(git(folder, "rev-list", "--count", f"{before}..{after}", patience=_SHORT))
    return None


def subjects_between(before: str, after: str, folder: Path, most: int) -> list[tuple[str, str]]:
    """Commits that `after` has and `before` has not, each with its subject, the newest first.

    Args:
        before, after: commits.
        folder: of the checkout.
        most: number of commits that are told.

    Returns:
        Nothing where git does not know both.
    """
    if not (COMMIT.fullmatch(before) and COMMIT.fullmatch(after)):
        return []
    arguments = ("log", "--format=%H %s", f"--max-count={most}", f"{before}..{after}", "--")
    return _subjects(folder, *arguments)


def subjects(commits: Iterable[str], folder: Path) -> dict[str, str]:
    """The subject of each commit that the checkout knows; empty outside a checkout."""
    text = "".join(f"{commit}\n" for commit in commits if COMMIT.fullmatch(commit))
    arguments = ("log", "--no-walk=unsorted", "--ignore-missing", "--format=%H %s", "--stdin")
    return dict(_subjects(folder, *arguments, text=text)) if text else {}


def _subjects(folder: Path, *arguments: str, text: str = "") -> list[tuple[str, str]]:
    answer = ""
    with suppress(GitError):
        answer = git(folder, *arguments, text=text, patience=_SHORT)
    parts = (line.partition(" ") for line in answer.splitlines())
    return [(commit, subject) for commit, _, subject in parts]
