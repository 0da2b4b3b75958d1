"""Files that others read or write meanwhile: put in place at once, on disk, locked; their names."""

import errno
import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.messages import CuredError, quote

LONGEST_NAME = 100
"""Characters; with an ending, and what `write_atomically` adds, every file system takes them."""

_MOST_BYTES = 200
_NAME = re.compile(r"[\w(][\w.() -]*")


class FileNameError(CuredError, ValueError):
    """A text that is to name a file or folder and may not."""


def checked_name(text: str) -> str:
    """A text from a file or an option, as the name of one file or folder and nothing else.

    Letters, digits, `_`, `-`, dots, spaces and parentheses; no path, nothing hidden, nothing that
    does not print. Whatever makes a path of a name that it has read asks here first.

    Raises:
        FileNameError: it is no such name.
    """
    if len(text) > LONGEST_NAME or len(text.encode("utf-8", "replace")) > _MOST_BYTES:
        raise FileNameError(
            f"{quote(text)} is too long for a file name", f"use {LONGEST_NAME} characters at most"
        )
    if _NAME.fullmatch(text) is None:
        raise FileNameError(
            f"'{quote(text)}' cannot be a file name", "use letters, digits, - and _"
        )
    return text


def usable_name(text: str) -> str:
    """A name that nobody gave, made of others: what no file name may have becomes `_`."""
    usable = re.sub(r"[^\w.() -]", "_", text).lstrip(". -)")[:LONGEST_NAME]
    return checked_name(usable.encode()[:_MOST_BYTES].decode(errors="ignore") or "_")


def cache_folder(name: str) -> Path:
    """The user's folder for files of a kind that can be made again (XDG base directories)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "context-harness" / name


def write_atomically(path: Path, content: str | bytes) -> None:
    """Put a file in place at once: a reader sees the old one or the new one, never a part.

    It is on disk before this returns; text is written as UTF-8. Its folder is made where it is
    missing; of several writers the last one wins.

    Raises:
        OSError: the place cannot be written; what was there before stays, and nothing else.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def sync(path: Path) -> None:
    """Make a file's content, or the names in a folder, survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[int]:
    """Nobody else has the file or folder until the block ends, or this process; its descriptor.

    A file is made where there is none; another process that wants it waits. A link that stands in
    place of the file is not followed: what it points to belongs to somebody else.

    Raises:
        BlockingIOError: another process has it, and without `wait`.
        OSError: it cannot be opened.
    """
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise OSError(error.errno, "it is a link, which is not followed", str(path)) from None
    try:
        try:
            # Of the kernel, on the file or folder itself, whose descriptor the caller reads and
            # writes: filelock locks no folders and gives no descriptor.
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            pass  # some network file systems have no locks
        yield descriptor
    finally:
        os.close(descriptor)
