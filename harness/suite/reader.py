"""Reading a suite file: bytes, text, tree. Nothing in a file can raise here."""

import codecs
import os
import stat
from pathlib import Path

from harness.suite.composer import Composer, UnreadableError
from harness.suite.document import Document, shown
from harness.suite.problem import Problem

LARGEST_FILE = 1 << 20
"""Bytes of one suite file."""


def read(path: Path) -> Document:
    """Read and parse a file; what is wrong with it stands in `problems` of the result."""
    document = Document(Path(os.path.realpath(path)), shown(path))
    try:
        document.root = Composer(document).compose(_text(path))
    except UnreadableError as stop:
        problem = Problem(document.shown, *stop.place, "file", stop.what, stop.cure)
        document.problems.append(problem)
    return document


def _text(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            kind = "a directory" if path.is_dir() else "not a regular file"
            raise UnreadableError(1, 1, f"this is {kind}", "give the path of a suite's YAML file")
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        near = "check the path, it is taken from the including file or the current directory"
        raise UnreadableError(1, 1, "no such file", near) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableError(
            1, 1, f"cannot be read ({reason})", "check the path and its permissions"
        ) from None
    if len(data) > LARGEST_FILE:
        raise UnreadableError(1, 1, f"larger than {LARGEST_FILE} bytes", "split it and use include")
    return _decode(data)


def _decode(data: bytes) -> str:
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line_start = data.rfind(b"\n", 0, error.start) + 1
        line = data.count(b"\n", 0, error.start) + 1
        column = len(data[line_start : error.start].decode("utf-8", "replace")) + 1
        raise UnreadableError(line, column, "not UTF-8", "save the file as UTF-8") from None
