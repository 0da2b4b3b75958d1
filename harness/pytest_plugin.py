"""The pytest plugin: a suite file named on pytest's command line becomes benchmarks.

pytest loads this file in every session of an environment that has the package, so it imports
nothing but pytest; suites, and with them PyTorch, are imported when a suite is collected.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from harness.api.pytest_suite import SuiteFile


_SUFFIXES = (".yaml", ".yml")
_FOLDER = "suites"

# Keys at the left margin of a suite. One of them tells a suite, even one whose name was forgotten,
# from the YAML that other plugins collect; `suite` itself is asked of files nobody named.
_SUITE = re.compile(rb"""^\{?\s*["']?suite["']?\s*:""", re.MULTILINE)
_ANY_KEY = re.compile(
    rb"""^\{?\s*["']?(suite|cases|include|module|grid|measure|input)["']?\s*:""", re.MULTILINE
)
_LONGEST_LOOK = 1 << 20
"""Bytes; the loader reads no larger suite."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that collects without naming files."""
    parser.getgroup("context-harness").addoption(
        "--harness-suites",
        action="store_true",
        help=f"Collect every suite file (YAML) below folders named {_FOLDER}; "
        "without it only suite files given as arguments.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Let the name of a shipped suite, `efficiency.yaml`, stand for its file."""
    config.args[:] = [_shipped(config.invocation_params.dir, argument) for argument in config.args]


def _shipped(folder: Path, argument: str) -> str:
    name, colons, case = argument.partition("::")
    if not name.endswith(_SUFFIXES) or (folder / name).exists():
        return argument
    from harness.suite.shipped import named

    path = named(Path(name))
    return argument if path is None else f"{path}{colons}{case}"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "SuiteFile | None":
    """Take a suite file that was named, or one below `suites` when asked for all."""
    if file_path.suffix not in _SUFFIXES:
        return None
    if parent.session.isinitpath(file_path):
        key = _ANY_KEY
    elif parent.config.getoption("harness_suites") and _FOLDER in file_path.parts:
        key = _SUITE
    else:
        return None
    try:
        with file_path.open("rb") as file:
            start = file.read(_LONGEST_LOOK)
    except OSError:
        return None
    if key.search(start) is None:
        return None
    from harness.api.pytest_suite import SuiteFile

    collected: SuiteFile = SuiteFile.from_parent(parent, path=file_path)
    return collected
