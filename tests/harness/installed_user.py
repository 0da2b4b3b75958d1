"""A user whose environment has the package as it would be installed: entry points, one command."""

import os
import sys
import tomllib
from pathlib import Path

from harness_user import ROOT, User


def install(user: User) -> Path:
    """Give the user the entry points and the `harness` command that pyproject.toml states.

    Returns:
        The folder with the command, first on the user's PATH.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    site = user.folder.parent / f"{user.folder.name}-site"
    info = site / "context_harness-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: context-harness\nVersion: 0\n")
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {target}" for name, target in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    commands = site / "bin"
    commands.mkdir()
    _command(commands / "harness", "-m harness")
    _command(commands / "pytest", "-m pytest")
    _command(commands / "python", "")
    environment = user.environment
    environment["PYTHONPATH"] = os.pathsep.join((str(site), environment["PYTHONPATH"]))
    environment["PATH"] = os.pathsep.join((str(commands), environment.get("PATH", os.defpath)))
    # Options of the session that runs these tests are none of the user's.
    for name in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        environment.pop(name, None)
    return commands


def _command(path: Path, arguments: str) -> None:
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
    path.chmod(0o755)
