"""Somebody who follows a page in a clone: writes its files, runs its commands."""

import contextlib
import io
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

from markdown_pages import ROOT

from harness.cli.app import main

CLONED = (
    "suites",
    "Makefile",
    "pyproject.toml",
    "constraints.txt",
    "constraints-ecosystem.txt",
    "ecosystem",
    "results/paper",
    "results/ablations",
    "notebooks",
)
_SHELL = set("|&;<>$`*?~")


class Reader:
    """A folder that looks like a clone, and the commands on the path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.namespace: dict[str, Any] = {"__name__": "page"}
        for name in CLONED:
            if (ROOT / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).symlink_to(ROOT / name)
        programs = folder.parent / f"{folder.name}-bin"
        programs.mkdir()
        for name, module in (("harness", "harness"), ("pytest", "pytest"), ("python", "")):
            call = f"-m {module} " if module else ""
            path = programs / name
            path.write_text(f'#!/bin/sh\nexec "{sys.executable}" {call}"$@"\n')
            path.chmod(0o755)
        kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "FORCE_COLOR")}
        paths = filter(None, (str(ROOT), kept.get("PYTHONPATH")))
        self.environment = {
            **kept,
            "PATH": os.pathsep.join((str(programs), kept.get("PATH", ""))),
            "PYTHONPATH": os.pathsep.join(paths),
            "OMP_NUM_THREADS": "1",
        }

    def write(self, name: str, text: str) -> None:
        """Write a file of the page."""
        path = self.folder / name
        assert path.resolve().is_relative_to(self.folder.resolve()), "a page writes into the clone"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, command: str) -> tuple[int, str]:
        """Exit code and what was said; `harness` runs in this process, all else in a shell."""
        words = shlex.split(command, comments=True)
        if words[0] == "harness" and not _SHELL & set(command):
            return self._in_process(words)
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def python(self, source: str, place: str) -> None:
        """Run an example; later ones of the page know its names."""
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(io.StringIO()):
            exec(compile(source, place, "exec"), self.namespace)

    def leave(self) -> None:
        """Forget what was imported from the folder: another page has other files of that name."""
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file and Path(file).is_relative_to(self.folder):
                del sys.modules[name]

    def _in_process(self, words: list[str]) -> tuple[int, str]:
        said = io.StringIO()
        before = sys.argv
        sys.argv = words
        try:
            with (
                contextlib.chdir(self.folder),
                mock.patch.dict(os.environ, {"COLUMNS": "100"}),  # as wide as pages show output
                contextlib.redirect_stdout(said),
                contextlib.redirect_stderr(said),
            ):
                main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            sys.argv = before
        return code, said.getvalue()
