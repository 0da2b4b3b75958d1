"""A version that is measured: its commit, its checkout, and a process that measures with it."""

import hashlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.case import Job, as_plain
from harness.environment.git import GitError, git
from harness.environment.interruption import undisturbed
from harness.judge.regression import version_worker
from harness.judge.regression.interleaved import Timed
from harness.messages import HarnessError, last_lines, printable

_CHANGES_SHOWN = 3


@dataclass(frozen=True)
class Checkout:
    """The files of one version."""

    name: str  # how messages call it: the REF as the user wrote it, or `working tree`
    root: Path  # folder of the files
    commit: str  # the commit, in full; of a working tree the one that it is based on
    dirty: bool  # whether files differ from that commit

    def __str__(self) -> str:
        changes = ", with uncommitted changes" if self.dirty else ""
        return f"{self.name} ({self.commit[:10]}{changes})"

    def as_json(self) -> dict[str, Any]:
        """Which version, in a few words."""
        return {"name": self.name, "commit": self.commit, "dirty": self.dirty}


def working_tree(folder: Path) -> Checkout:
    """The checkout that a folder belongs to, as it is now.

    Raises:
        GitError: the folder is in no git repository, or nothing was ever committed there.
    """
    try:
        root = Path(git(folder, "rev-parse", "--show-toplevel"))
    except GitError as error:
        raise GitError(
            f"{folder} is in no git checkout ({error}); the gate compares two versions that git "
            "knows: put the suite beside the code that it measures"
        ) from error
    commit = commit_of(root, "HEAD")
    return Checkout("working tree", root, commit, bool(git(root, "status", "--porcelain")))


def commit_of(root: Path, ref: str) -> str:
    """The full name of the commit that a branch, tag or abbreviation stands for.

    Raises:
        GitError: it stands for none.
    """
    try:
        # After --end-of-options a REF that begins with a dash is no option.
        arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        return git(root, *arguments)
    except GitError as error:
        raise GitError(
            f"{printable(ref)!r} is no commit of {root}; write a branch, tag or commit that "
            "`git log` shows (in a shallow clone, fetch it first: git fetch origin REF)"
        ) from error


def state_hash(root: Path) -> str:
    """Hash of the commit, of what differs from it, and of Python files that git does not track."""
    state = hashlib.sha256()
    for arguments in (("rev-parse", "HEAD"), ("diff", "HEAD", "--binary", "--no-ext-diff")):
        state.update(git(root, *arguments).encode())
    others = git(root, "ls-files", "-o", "-z", "--exclude-standard", "--", "*.py")
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

    Raises:
        GitError: `ref` stands for no commit, git cannot check it out, or what git wrote
            differs from the commit (a filter that is not installed, colliding names).
    """
    commit = commit_of(root, ref)
    holder = folder = None
    try:
        with undisturbed():
            holder = Path(tempfile.mkdtemp(prefix="harness-gate-")).resolve()
        folder = holder / "checkout"
        try:
            git(root, "worktree", "add", "--detach", "--force", str(folder), commit)
        except GitError as error:
            raise GitError(
                f"{ref} ({commit[:10]}) cannot be checked out: {error}; free space or repair the "
                "repository (git fsck)"
            ) from error
        if changes := git(folder, "status", "--porcelain").splitlines():
            listed = ", ".join(printable(line.strip()) for line in changes[:_CHANGES_SHOWN])
            more = len(changes) - _CHANGES_SHOWN
            raise GitError(
                f"{ref} ({commit[:10]}) is dirty as soon as git has checked it out: {listed}"
                f"{f' and {more} more' if more > 0 else ''}; install the filters that "
                ".gitattributes names, or commit normalised files"
            )
        yield Checkout(ref, folder, commit, dirty=False)
    finally:
        with undisturbed():
            # Twice --force: git holds a lock on a worktree whose creation was interrupted. Never
            # `prune`, which would forget worktrees of the user on a disk not mounted just now.
            if folder is not None:
                with suppress(GitError):
                    git(root, "worktree", "remove", "--force", "--force", str(folder))
            if holder is not None:
                shutil.rmtree(holder, ignore_errors=True)


_UNTIL_IMPORTED = 300.0  # seconds for torch and the version; a cold disk takes its time
_BEYOND_TIMEOUT = 60.0  # beyond a job's own timeout, after which the engine has answered


class VersionError(HarnessError):
    """A version cannot be imported, or has stopped answering."""


class Version:
    """Measures jobs with the files of one checkout, each in a fresh process, once it is started.

    What the running Python finds inside the user's checkout is taken from the same place of this
    version's checkout; installed packages are shared.

    Args:
        checkout: files of the version.
        home: the user's checkout, to which paths of jobs and of Python belong.
        scratch: folder for the log of this version.
    """

    def __init__(self, checkout: Checkout, home: Path, scratch: Path) -> None:
        self.checkout = checkout
        self._home = home.resolve()
        self._root = checkout.root.resolve()
        self._scratch = scratch
        self._buffer = b""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start its process; `close` ends it, also one whose start was interrupted."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        own = [str(self._folder(Path(p), strict=True)) for p in paths_of(self._home)]
        given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        running = str(Path(version_worker.__file__).resolve().parents[3])  # the harness as it runs
        others = [p for p in (*given, running) if p and not belongs(Path(p), self._home)]
        other = [] if self._root == self._home else [str(self._home)]
        with undisturbed(), self._log.open("wb") as log:  # between its start and our knowing of it
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(Path(version_worker.__file__).resolve()), *other],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=self._folder(Path.cwd()),
                env=os.environ
                | {
                    "PYTHONPATH": os.pathsep.join([*own, *others]),
                    "PYTHONSAFEPATH": "1",  # never the current folder of whoever started us
                    # The user's folders stay as they are. What is there is read: to compile PyTorch
                    # anew takes longer than to measure a case.
                    "PYTHONDONTWRITEBYTECODE": "1",
                },
                start_new_session=True,  # Ctrl-C ends us, and we end it
            )

    def require(self) -> dict[str, Any]:
        """Wait until it is imported; files of its `harness` and `modules`, and torch's version.

        Raises:
            VersionError: it cannot be imported, or is not what was imported.
        """
        hello = self._answer(_UNTIL_IMPORTED, "did not start")
        if "error" in hello:
            lines = " ".join(str(hello["error"]).split())
            raise VersionError(
                f"{self.checkout} cannot be run: {lines}; choose a version that runs in this "
                "environment, or install what it needs"
            )
        if has_harness(self._root):
            for name in ("harness", "modules"):
                if not Path(hello[name]).resolve().is_relative_to(self._root):
                    raise VersionError(
                        f"{self.checkout} has a folder {name}, but Python imports {hello[name]}; "
                        "remove that copy from the environment, or install with pip install -e"
                    )
        return hello

    def measure(self, job: Job) -> Timed:
        """One pass of a job in a fresh process of this version: the median of its samples.

        Raises:
            VersionError: the version no longer answers.
        """
        folders = tuple(str(self._folder(Path(folder), strict=True)) for folder in job.search_path)
        # Without what has its default: an earlier version may not know it.
        request = json.dumps(as_plain(replace(job, search_path=folders), defaults=False))
        try:
            assert self._process is not None
            assert self._process.stdin is not None
            self._process.stdin.write(request.encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._gone("ended") from error
        reply = self._answer(job.timeout + _BEYOND_TIMEOUT, "stopped answering")
        status, cause = str(reply["status"]), reply["cause"]
        seconds = reply["seconds"]
        if status == "ok" and not (isinstance(seconds, float) and seconds > 0):
            status, cause = "error", "no latency came back"
        ok = status == "ok"
        return Timed(
            float(seconds) if ok else None, status, cause, tuple(map(float, reply["samples"]))
        )

    def close(self) -> None:
        """End it and everything that it started."""
        if self._process is None:
            return
        with undisturbed():
            self._end(self._process)

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):  # it has gone with a request unread
                    pipe.close()
        try:
            process.wait(2.0)  # a measurement under way keeps it from seeing the end of stdin
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # Its fork server notices only once it has imported torch. Supervisors lead groups of their
        # own: they end their cases when the process that waits for them is gone.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    @property
    def _log(self) -> Path:
        return self._scratch / "log"

    def _folder(self, folder: Path, *, strict: bool = False) -> Path:
        """The same folder in this version; the top where it lacks, unless `strict`."""
        if not belongs(folder, self._home):
            return folder
        there = self._root / folder.resolve().relative_to(self._home)
        return there if strict or there.is_dir() else self._root

    def _answer(self, patience: float, what: str) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        descriptor, limit = self._process.stdout.fileno(), time.monotonic() + patience
        while b"\n" not in self._buffer:
            left = limit - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                raise self._gone(f"{what} within {patience:g} s")
            chunk = os.read(descriptor, 1 << 16)
            if not chunk:
                raise self._gone(what)
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _gone(self, what: str) -> VersionError:
        said = last_lines(self._log.read_text(encoding="utf-8", errors="replace"), 1)
        detail = f": {said[0]}" if said else ""
        return VersionError(
            f"{self.checkout} {what}{detail}; run the suite at that version with harness run to "
            "see more"
        )


def belongs(path: Path, home: Path) -> bool:
    """Whether a path is of a checkout; an environment inside the checkout is no part of it."""
    real = path.resolve()
    if not real.is_relative_to(home) or "site-packages" in real.parts:
        return False
    prefix = Path(sys.prefix).resolve()
    return prefix == home or not (prefix.is_relative_to(home) and real.is_relative_to(prefix))


def paths_of(home: Path, search: Sequence[str] | None = None) -> tuple[str, ...]:
    """Entries of `sys.path` that belong to a checkout; its top first if the harness lies there."""
    search = sys.path if search is None else search
    own = [str(Path(p).resolve()) for p in search if belongs(Path(p), home)]
    top = [str(home)] if has_harness(home) else []
    return tuple(dict.fromkeys([*top, *own]))


def has_harness(root: Path) -> bool:
    """Whether a checkout is one of this project."""
    return (root / "harness" / "case.py").is_file() and (root / "modules" / "catalog.py").is_file()
