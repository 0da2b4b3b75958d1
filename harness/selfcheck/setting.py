"""The setting of a section: its device, its folder, the time that it has, and commands to run."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.api.run import load
from harness.case import Device
from harness.environment.searching import safe_environment
from harness.messages import HarnessError, last_line
from harness.records.record import Record

PATIENCE = 45.0
"""Seconds after the time of a section in which a command that it started may end."""


class CommandError(HarnessError):
    """A command of the harness itself did not do what a section needs of it."""


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int  # exit code
    out: str  # stdout
    err: str  # stderr

    @property
    def last(self) -> str:
        """What it said last, of its errors before its output."""
        return last_line(self.err.strip() or self.out)


@dataclass(frozen=True)
class Setting:
    """What a section is given."""

    device: Device
    folder: Path  # of its own, empty
    deadline: float  # on `clock`
    clock: Callable[[], float] = time.monotonic

    def left(self) -> float:
        """Seconds until the section has to end; negative afterwards."""
        return self.deadline - self.clock()

    def write(self, name: str, text: str) -> Path:
        """A file of the section."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start `harness` in the section's folder, as a user would."""
        return subprocess.Popen(
            [sys.executable, "-m", "harness", *arguments],
            cwd=self.folder,
            env=os.environ | safe_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def finish(self, started: "subprocess.Popen[str]") -> Done:
        """Wait for a command; on a busy machine it may end after the time of the section.

        Raises:
            CommandError: it did not end.
        """
        try:
            out, err = started.communicate(timeout=max(0.0, self.left()) + PATIENCE)
        except subprocess.TimeoutExpired as error:
            started.terminate()
            with suppress(subprocess.TimeoutExpired):
                started.communicate(timeout=5)
            started.kill()
            started.communicate()
            words = " ".join(map(str, started.args)) if isinstance(started.args, list) else ""
            raise CommandError(f"did not end: {words}") from error
        return Done(started.returncode, out, err)

    def harness(self, *arguments: str) -> Done:
        """Run `harness` in the section's folder.

        Raises:
            CommandError: it did not end.
        """
        return self.finish(self.start(*arguments))

    def records(self, suite: str, out: str = "runs") -> dict[str, Record]:
        """Records of the latest run of a suite, by label.

        Args:
            suite: its name.
            out: the folder given to `harness run --out`.

        Raises:
            HarnessError: there is no such run.
        """
        return {each.label: each for each in load(self.folder / out / suite).records}

    def measured(
        self, suite: str, text: str, *options: str, out: str = "runs"
    ) -> dict[str, Record]:
        """Run a suite of the section; its records by label.

        Args:
            suite: its name.
            text: of its file.
            options: of `harness run`.
            out: folder of the run.

        Raises:
            CommandError: nothing was measured.
        """
        self.write(f"{suite}.yaml", text)
        done = self.harness("run", f"{suite}.yaml", "--device", self.device, "--out", out, *options)
        if done.code not in (0, 1):  # 1: a case failed, which its record says
            raise CommandError(f"harness run {suite}.yaml ended with {done.code}: {done.last}")
        return self.records(suite, out)
