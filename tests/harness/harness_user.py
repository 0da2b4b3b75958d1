"""A user at the command line: real processes, and a look at what they leave behind."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from unittest import mock

import harness
from harness.cli.app import main
from harness.environment.interruption import ENDING

ROOT = Path(harness.__file__).parent.parent
COMMAND = [sys.executable, "-m", "harness"]

MINI = """
    suite: mini
    input: [1, 8, 6, 6]
    measure: [params, flops]
    cases:
      - {label: A, module: self_attention}
      - {label: B, module: self_attention, with: {key_channels: 2}}
      - {label: C, module: self_attention, with: {key_channels: 6}}
"""


class User:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.marker = f"HARNESS_TEST_MARKER={secrets.token_hex(8)}"
        name, _, value = self.marker.partition("=")
        kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "FORCE_COLOR")}
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self.environment = {**kept, name: value, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """A process with stdout in `out.txt` and stderr in `err.txt`."""
        with (self.folder / "out.txt").open("w") as out, (self.folder / "err.txt").open("w") as err:
            return subprocess.Popen(
                [*COMMAND, *arguments],
                stdout=out,
                stderr=err,
                **{"cwd": self.folder, "env": self.environment} | options,
            )

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        usual = {"cwd": self.folder, "env": self.environment, "timeout": 240}
        return subprocess.run(
            [*COMMAND, *arguments], capture_output=True, text=True, check=False, **usual | options
        )

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The same command in this process, with the server of processes that is there already.

        For what a command says and keeps. It saves the imports of two processes, some 4 s of a
        core; what a process inherits and leaves behind is seen with `run` alone.
        """
        name, _, _ = self.marker.partition("=")  # by which the server would be this user's
        environment = {k: v for k, v in self.environment.items() if k != name}
        argv = [str(ROOT / "harness" / "__main__.py"), *arguments]
        with ExitStack() as stack:
            for number in ENDING:  # a command ends with them ignored, and so would what is started
                stack.callback(signal.signal, number, signal.getsignal(number))
            stack.enter_context(chdir(self.folder))
            stack.enter_context(mock.patch.dict(os.environ, environment, clear=True))
            stack.enter_context(mock.patch.object(sys, "argv", argv))
            stack.enter_context(_warnings_to_stderr())
            out, err = (stack.enter_context(_redirected(n)) for n in ("stdout", "stderr"))
            try:
                main()
            except SystemExit as end:
                code = end.code
            sys.stdout.flush()
            sys.stderr.flush()
            said = [Path(file.name).read_text(encoding="utf-8") for file in (out, err)]
        assert isinstance(code, int)
        return subprocess.CompletedProcess(argv, code, *said)

    @property
    def err(self) -> str:
        return (self.folder / "err.txt").read_text(encoding="utf-8")

    def runs(self, suite: str = "mini") -> list[Path]:
        """Run directories of a suite, oldest first."""
        folder = self.folder / "results" / "runs" / suite
        return sorted(p for p in folder.glob("*") if p.is_dir() and not p.is_symlink())

    def records(self, suite: str = "mini") -> list[dict[str, Any]]:
        path = self.runs(suite)[-1] / "records.jsonl"
        lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else [""]
        return [json.loads(line) for line in lines[:-1]]

    def processes(self) -> list[int]:
        """Living processes that descend from this user's commands, wherever they fled to."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if self.marker.encode() not in (entry / "environ").read_bytes():
                    continue
                if "\nState:\tZ" not in (entry / "status").read_text():
                    found.append(int(entry.name))
        return found

    def survivors(self, patience: float = 10.0) -> list[int]:
        """Processes that are still there after a moment in which they may leave."""
        limit = time.monotonic() + patience
        while (left := self.processes()) and time.monotonic() < limit:
            time.sleep(0.02)
        return left

    def describe_survivors(self) -> str:
        pids = ",".join(map(str, self.processes()))
        listed = subprocess.run(
            ["ps", "-o", "pid,ppid,pgid,stat,wchan,args", "-p", pids or "0"],
            capture_output=True,
            text=True,
            check=False,
        )
        return listed.stdout

    def leave(self) -> None:
        for pid in self.processes():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def _redirected(name: str) -> Iterator[IO[bytes]]:
    """A file for what is written to a stream of Python and to its descriptor."""
    number = {"stdout": 1, "stderr": 2}[name]
    saved = os.dup(number)
    with tempfile.NamedTemporaryFile() as file, os.fdopen(os.dup(file.fileno()), "w") as stream:
        os.dup2(file.fileno(), number)
        try:
            with mock.patch.object(sys, name, stream):
                yield file
        finally:
            os.dup2(saved, number)
            os.close(saved)


@contextmanager
def _warnings_to_stderr() -> Iterator[None]:
    """As in a process of its own; pytest collects them."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda *said, file=None, line=None: sys.stderr.write(
            warnings.formatwarning(*said, line)
        )
        yield


def wait_for(condition: Any, patience: float = 60.0) -> None:
    limit = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.01)
