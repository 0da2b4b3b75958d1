"""Another commit beside the user's checkout: a temporary git worktree that leaves no trace."""

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.printable import printable

# A hook of git runs its commands with these set; they would point our git at the hook's repository
# and index (git-rev-parse(1), --local-env-vars).
_OF_A_HOOK = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
)
_PATIENCE = 300.0  # seconds; a large repository on a slow disk
_CHANGES_SHOWN = 3


class WorktreeError(HarnessError):
    """A version cannot be checked out."""


@dataclass(frozen=True)
class Checkout:
    """The files of one version.

    Attributes:
        name: how messages call it: the REF as the user wrote it, or `working tree`.
        root: folder of the files.
        commit: the commit, in full; of a working tree the one that it is based on.
        dirty: whether files differ from that commit.
    """

    name: str
    root: Path
    commit: str
    dirty: bool

    def __str__(self) -> str:
        changes = ", with uncommitted changes" if self.dirty else ""
        return f"{self.name} ({self.commit[:10]}{changes})"


def working_tree(folder: Path) -> Checkout:
    """The checkout that a folder belongs to, as it is now.

    Raises:
        WorktreeError: the folder is in no git repository, or nothing was ever committed there.
    """
    try:
        root = Path(_git(folder, "rev-parse", "--show-toplevel"))
    except WorktreeError as error:
        raise WorktreeError(
            f"{folder} is in no git checkout ({error}); the gate compares two versions that git "
            "knows: put the suite beside the code that it measures"
        ) from error
    commit = resolve(root, "HEAD")
    return Checkout("working tree", root, commit, bool(_git(root, "status", "--porcelain")))


def resolve(root: Path, ref: str) -> str:
    """The full name of the commit that a branch, tag or abbreviation stands for.

    Raises:
        WorktreeError: it stands for none.
    """
    try:
        # After --end-of-options a REF that begins with a dash is no option.
        arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        return _git(root, *arguments)
    except WorktreeError as error:
        raise WorktreeError(
            f"{printable(ref)!r} is no commit of {root}; write a branch, tag or commit that "
            "`git log` shows (in a shallow clone, fetch it first: git fetch origin REF)"
        ) from error


def fingerprint(root: Path) -> str:
    """Hash of the commit, of what differs from it, and of Python files that git does not track."""
    state = hashlib.sha256()
    for arguments in (("rev-parse", "HEAD"), ("diff", "HEAD", "--binary", "--no-ext-diff")):
        state.update(_git(root, *arguments).encode())
    others = _git(root, "ls-files", "-o", "-z", "--exclude-standard", "--", "*.py")
    for name in filter(None, others.split("\0")):
        with suppress(OSError):
            found = (root / name).stat()
            state.update(f"{name} {found.st_size} {found.st_mtime_ns}".encode())
    return state.hexdigest()


@contextmanager
def worktree(root: Path, ref: str) -> Iterator[Checkout]:
    """Check a commit out into a temporary folder; it is gone afterwards, also after Ctrl-C.

    The checkout at `root` keeps its files, index and branch. No hook of the repository is run.
    Submodules stay empty, as git leaves them in a new worktree.

    Args:
        root: top folder of a checkout of the repository.
        ref: what to check out.

    Raises:
        WorktreeError: `ref` stands for no commit, git cannot check it out, or what git wrote
            differs from the commit (a filter that is not installed, colliding names).
    """
    commit = resolve(root, ref)
    holder = Path(tempfile.mkdtemp(prefix="harness-gate-")).resolve()
    folder = holder / "checkout"
    try:
        try:
            _git(root, "worktree", "add", "--detach", "--force", str(folder), commit)
        except WorktreeError as error:
            raise WorktreeError(
                f"{ref} ({commit[:10]}) cannot be checked out: {error}; free space or repair the "
                "repository (git fsck)"
            ) from error
        _require_clean(ref, commit, folder)
        yield Checkout(ref, folder, commit, dirty=False)
    finally:
        with _undisturbed():
            _remove(root, folder)
            shutil.rmtree(holder, ignore_errors=True)


def _require_clean(ref: str, commit: str, folder: Path) -> None:
    changes = _git(folder, "status", "--porcelain").splitlines()
    if changes:
        listed = ", ".join(printable(line.strip()) for line in changes[:_CHANGES_SHOWN])
        more = f" and {len(changes) - _CHANGES_SHOWN} more" if len(changes) > _CHANGES_SHOWN else ""
        raise WorktreeError(
            f"{ref} ({commit[:10]}) is dirty as soon as git has checked it out: {listed}{more}; "
            "install the filters that .gitattributes names, or commit normalised files"
        )


def _remove(root: Path, folder: Path) -> None:
    """Files and git's entry of them.

    Twice `--force`: git holds a lock on a worktree whose creation was interrupted. Never `prune`,
    which would also forget worktrees of the user that lie on a disk not mounted just now.
    """
    with suppress(WorktreeError):
        _git(root, "worktree", "remove", "--force", "--force", str(folder))


def _git(folder: Path, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in _OF_A_HOOK}
    command = ["git", "-C", str(folder), "-c", f"core.hooksPath={os.devnull}", *arguments]
    try:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
            start_new_session=True,  # Ctrl-C in a terminal is ours to handle, not git's
        )
        out, err = _communicate(process)
    except (OSError, subprocess.SubprocessError) as error:
        raise WorktreeError(f"git cannot be run: {error}") from error
    if process.returncode:
        lines = [line for line in err.splitlines() if line.strip()]
        raise WorktreeError(
            printable(lines[-1]) if lines else f"git exit code {process.returncode}"
        )
    return out.strip()


def _communicate(process: "subprocess.Popen[str]") -> tuple[str, str]:
    with process:
        try:
            return process.communicate(timeout=_PATIENCE)
        except BaseException:
            # `git worktree add` has the files written by a child, which would outlive it and write
            # into a folder that is being removed. Both are in the session that git leads.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let a second, impatient Ctrl-C wait until what must be removed is removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {n: signal.signal(n, lambda number, _: pending.append(number)) for n in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
    if pending:
        raise KeyboardInterrupt
