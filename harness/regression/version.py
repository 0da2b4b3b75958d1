"""A version that is measured: a process that imports one checkout and starts fresh ones of it."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import MISSING, asdict, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.case import Case, Job
from harness.errors import HarnessError
from harness.printable import last_lines
from harness.regression import version_worker
from harness.regression.interleave import Measured
from harness.regression.worktree import Checkout

_START = 300.0  # seconds until torch and the version are imported; a cold disk takes its time
_GRACE = 60.0  # beyond a job's own timeout, after which the engine has answered
_ALWAYS = ("module", "arguments", "inputs", "suite", "label", "metrics", "timeout", "search_path")
_CHUNK = 1 << 16


class VersionError(HarnessError):
    """A version cannot be imported, or has stopped answering."""


class Version:
    """Measures jobs with the files of one checkout, each in a fresh process.

    What the running Python finds inside the user's checkout is taken from the same place of this
    version's checkout; installed packages are shared.

    Args:
        checkout: files of the version.
        home: the user's checkout, to which paths of jobs and of Python belong.
        scratch: folder for byte code and the log of this version.
    """

    def __init__(self, checkout: Checkout, home: Path, scratch: Path) -> None:
        self.checkout = checkout
        self._home = home.resolve()
        self._root = checkout.root.resolve()
        scratch.mkdir(parents=True, exist_ok=True)
        self._buffer = b""
        # Byte code of its own: the user's folders stay as they are, and none is stale.
        self._environment = self._variables() | {"PYTHONPYCACHEPREFIX": str(scratch / "bytecode")}
        self._log = (scratch / "log").open("w+b")
        other = [] if self._root == self._home else [str(self._home)]
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(version_worker.__file__).resolve()), *other],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=self._folder(Path.cwd()),
            env=self._environment,
            start_new_session=True,  # Ctrl-C ends us, and we end it
        )

    def require(self) -> dict[str, Any]:
        """Wait until it is imported; files of its `harness` and `modules`, and torch's version.

        Raises:
            VersionError: it cannot be imported, or is not what was imported.
        """
        hello = self._answer(_START, "did not start")
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

    def measure(self, job: Job) -> Measured:
        """One pass of a job in a fresh process of this version: the median of its samples.

        Raises:
            VersionError: the version no longer answers.
        """
        folders = tuple(str(self._folder(Path(folder), strict=True)) for folder in job.search_path)
        request = json.dumps(_plain(replace(job, search_path=folders)))
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(request.encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._gone("ended") from error
        reply = self._answer(job.timeout + _GRACE, "stopped answering")
        status, cause = str(reply["status"]), reply["cause"]
        seconds = reply["seconds"]
        if status == "ok" and not (isinstance(seconds, float) and seconds > 0):
            status, cause = "error", "no latency came back"
        ok = status == "ok"
        return Measured(
            float(seconds) if ok else None, status, cause, tuple(map(float, reply["samples"]))
        )

    def close(self) -> None:
        """End it and everything that it started."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # it has gone with a request unread
                    pipe.close()
        try:
            self._process.wait(2.0)  # a measurement under way keeps it from seeing the end of stdin
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # Its fork server notices only once it has imported torch. Supervisors lead groups of their
        # own: they end their cases when the process that waits for them is gone.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._log.close()

    def __enter__(self) -> "Version":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _folder(self, folder: Path, *, strict: bool = False) -> Path:
        """The same folder in this version; the top where it lacks, unless `strict`."""
        if not belongs(folder, self._home):
            return folder
        there = self._root / folder.resolve().relative_to(self._home)
        return there if strict or there.is_dir() else self._root

    def _variables(self) -> dict[str, str]:
        own = [str(self._folder(Path(p), strict=True)) for p in paths_of(self._home)]
        given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        running = str(Path(version_worker.__file__).resolve().parents[2])  # the harness as it runs
        others = [p for p in (*given, running) if p and not belongs(Path(p), self._home)]
        return os.environ | {
            "PYTHONPATH": os.pathsep.join([*own, *others]),
            "PYTHONSAFEPATH": "1",  # never the current folder of whoever started us
        }

    def _answer(self, patience: float, what: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        descriptor, limit = self._process.stdout.fileno(), time.monotonic() + patience
        while b"\n" not in self._buffer:
            left = limit - time.monotonic()
            if left <= 0 or not select.select([descriptor], [], [], left)[0]:
                raise self._gone(f"{what} within {patience:g} s")
            chunk = os.read(descriptor, _CHUNK)
            if not chunk:
                raise self._gone(what)
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _gone(self, what: str) -> VersionError:
        self._log.seek(0)
        said = last_lines(self._log.read().decode(errors="replace"), 1)
        detail = f": {said[0]}" if said else ""
        return VersionError(
            f"{self.checkout} {what}{detail}; run the suite at that version with harness run to "
            "see more"
        )


def belongs(path: Path, home: Path) -> bool:
    """Whether a path is of a checkout; an environment inside the checkout is no part of it."""
    real = path.resolve()
    inside = real.is_relative_to(home)
    return inside and "site-packages" not in real.parts and not _of_environment(real, home)


def _of_environment(real: Path, home: Path) -> bool:
    prefix = Path(sys.prefix).resolve()
    return prefix != home and prefix.is_relative_to(home) and real.is_relative_to(prefix)


def paths_of(home: Path, search: Sequence[str] | None = None) -> tuple[str, ...]:
    """Entries of `sys.path` that belong to a checkout; its top first if the harness lies there."""
    search = sys.path if search is None else search
    own = [str(Path(p).resolve()) for p in search if belongs(Path(p), home)]
    top = [str(home)] if has_harness(home) else []
    return tuple(dict.fromkeys([*top, *own]))


def has_harness(root: Path) -> bool:
    """Whether a checkout is one of this project."""
    return (root / "harness" / "case.py").is_file() and (root / "modules" / "catalog.py").is_file()


def _plain(job: Job) -> dict[str, Any]:
    """A job without fields that have their default: an earlier version may not know them."""
    plain = _used(job)
    return {**plain, "case": _used(job.case), "timing": asdict(job.timing)}


def _used(record: Job | Case) -> dict[str, Any]:
    values = asdict(record)
    used = {}
    for field in fields(record):
        default = field.default
        if default is MISSING and field.default_factory is not MISSING:
            default = field.default_factory()
        if field.name in _ALWAYS or getattr(record, field.name) != default:
            used[field.name] = values[field.name]
    return used
