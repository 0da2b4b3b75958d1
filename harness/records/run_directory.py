"""The run directory: `run.json`, append-only `records.jsonl`, `tables/`, `plots/`."""

import errno
import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.case import from_json
from harness.environment.files import checked_name, sync, write_atomically
from harness.messages import HarnessError
from harness.records.description import sound
from harness.records.record import Record, finite

RECORDS, DESCRIPTION, LATEST = "records.jsonl", "run.json", "latest"


_RUN_NAME = re.compile(r"\d{8}T\d{6}Z(-[0-9a-f]{4}){1,2}")


def run_name() -> str:
    """A name for the directory of a run that begins now; names sort by time.

    The digits behind the second are its fraction: small runs begin within one.
    """
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%SZ}-{now.microsecond * 0x10000 // 1_000_000:04x}"


def is_run_name(name: str) -> bool:
    """Whether directories of runs are called so."""
    return _RUN_NAME.fullmatch(name) is not None


class RunDirectoryError(HarnessError):
    """The run directory cannot be made, read or written."""


class RunDirectory:
    """One run on disk.

    Args:
        path: the directory, which exists.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, root: Path, suite: str, description: Mapping[str, Any]) -> "RunDirectory":
        """Make `<root>/<suite>/<time>/` with its `run.json`.

        Raises:
            RunDirectoryError: the folder cannot be written.
        """
        path = root / checked_name(suite) / run_name()
        with _explaining(path, "create"):
            path.mkdir(parents=True)
        directory = cls(path)
        directory.describe(description)
        return directory

    @classmethod
    def find(cls, path: Path) -> "RunDirectory | None":
        """An existing run, or the `latest` one of a suite's folder; `None` where there is none."""
        with suppress(OSError, ValueError):  # no path of any file, or of one that is not ours
            # A file system without links has no `latest`; the names of runs begin with their time.
            link = [path / LATEST] if _is_ours(path / LATEST) else []
            for candidate in (path, *link, *sorted(path.glob("*Z-*"), reverse=True)):
                if (candidate / DESCRIPTION).is_file():
                    return cls(candidate.resolve())
        return None

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """An existing run, or the `latest` one of a suite's folder.

        Raises:
            RunDirectoryError: there is no run.
        """
        found = cls.find(path)
        if found is None:
            raise RunDirectoryError(
                f"{path}: no run here ({DESCRIPTION} is missing); give the folder that `harness "
                "run` printed, or begin a run without --resume"
            )
        return found

    def describe(self, description: Mapping[str, Any]) -> None:
        """Write `run.json`: whole, and on disk before this returns.

        Raises:
            RunDirectoryError: it cannot be written.
        """
        with _explaining(self.path, "write"):
            text = json.dumps(finite(description), indent=2, allow_nan=False)
            write_atomically(self.path / DESCRIPTION, text + "\n")

    def description(self) -> dict[str, Any]:
        """What `run.json` says: suite as resolved, environment, command; see `sound`.

        Raises:
            RunDirectoryError: it cannot be read.
        """
        with _explaining(self.path, "read"):
            text = (self.path / DESCRIPTION).read_bytes()
        try:
            data = from_json(text)
        except ValueError as error:
            raise RunDirectoryError(
                f"{self.path / DESCRIPTION}: not JSON ({error}); the run cannot be read"
            ) from error
        if not isinstance(data, dict):
            raise RunDirectoryError(
                f"{self.path / DESCRIPTION}: no description of a run; the run cannot be read"
            )
        return sound(data)

    def records(self) -> list[Record]:
        """All whole records, in the order in which they ended.

        A last line that a killed process left without its line feed is not a record.
        """
        path = self.path / RECORDS
        if not path.exists():
            return []
        with _explaining(self.path, "read"):
            lines = path.read_bytes().split(b"\n")[:-1]
        records = []
        for number, line in enumerate(lines, 1):
            try:
                records.append(Record.from_line(line))
            except ValueError as error:
                raise RunDirectoryError(
                    f"{path}:{number}: not a record ({error}); remove the line to go on without it"
                ) from error
        return records

    def is_written(self) -> bool:
        """Whether a process is writing records now."""
        try:
            file = os.open(self.path / RECORDS, os.O_RDONLY)
        except OSError:
            return False
        try:
            return not _locks(file, fcntl.LOCK_SH)
        finally:
            os.close(file)

    def writer(self) -> "RecordWriter":
        """Open `records.jsonl` for appending."""
        return RecordWriter(self.path / RECORDS)

    def mark_latest(self) -> None:
        """Point `latest` beside this run to it; what is called so and is not ours stays."""
        link = self.path.parent / LATEST
        if os.path.lexists(link) and not _is_ours(link):
            return
        temporary = link.with_name(f".{LATEST}-{secrets.token_hex(4)}")
        try:
            temporary.symlink_to(self.path.name)
            temporary.replace(link)
        except OSError:  # a file system without links has no `latest`
            with suppress(OSError):
                temporary.unlink()


def _is_ours(link: Path) -> bool:
    """Whether a link was made by `mark_latest`: to a run beside it, and nowhere else."""
    try:
        return is_run_name(os.readlink(link))  # noqa: PTH115 - a Path would drop `./` and slashes
    except OSError:  # none, or a file or folder
        return False


class MovedRunError(RunDirectoryError):
    """The run directory went away while it was written; what has been measured is not at fault."""

    exit_code = 1


_A_LOOK = 0.1
"""Seconds; whoever looks whether a run is being written (`is_written`) has its lock for less."""


def _locks(file: int, how: int) -> bool:
    """Whether nobody else has a file locked; this process then has, until it is closed."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except OSError as error:
        # Some network file systems have no locks; a run there is as safe as its user.
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


class RecordWriter:
    """Appends records; each is on disk (fsync) before `append` returns.

    A run has one writer: the file is locked until it is closed or its process ends, however.

    Args:
        path: `records.jsonl`; a truncated last line is cut off first.

    Raises:
        RunDirectoryError: the file cannot be opened, or another process writes to it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _explaining(path, "open"):
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self._lock()
            with _explaining(path, "open"):
                content = path.read_bytes()
                whole = content.rfind(b"\n") + 1
                if whole != len(content):
                    os.ftruncate(self._file, whole)
                sync(path.parent)
        except BaseException:
            os.close(self._file)
            raise

    def _lock(self) -> None:
        if _locks(self._file, fcntl.LOCK_EX):
            return
        time.sleep(_A_LOOK)
        if not _locks(self._file, fcntl.LOCK_EX):
            raise RunDirectoryError(
                f"{self._path.parent}: another process is writing this run; wait until it has "
                "ended, or begin a run of its own without --resume"
            )

    def append(self, record: Record) -> None:
        """Write one record and wait until the disk has it.

        Raises:
            RunDirectoryError: the disk is full or gone; what was there before stays whole.
            MovedRunError: the run directory was moved or removed; the record is where it is now.
        """
        line = record.to_line().encode() + b"\n"
        size = os.fstat(self._file).st_size
        try:
            written = os.write(self._file, line)
            if written != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file)
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._file, size)
            raise RunDirectoryError(
                f"{self._path}: cannot write the record of {record.label!r}: "
                f"{error.strerror or error}; the records before it are kept; "
                "free space, then go on with --resume"
            ) from error
        self.require_place()

    def require_place(self) -> None:
        """Notice that the file is no longer where the next reader looks for it.

        Raises:
            MovedRunError: the run directory was moved, removed or replaced.
        """
        own = os.fstat(self._file)
        with suppress(OSError):
            there = self._path.stat()
            if (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino):
                return
        folder, now = self._path.parent, ""
        with suppress(OSError):  # Linux knows where it is now
            now = os.readlink(f"/proc/self/fd/{self._file}")  # noqa: PTH115 - `... (deleted)`
        if own.st_nlink and now and Path(now).exists():
            raise MovedRunError(
                f"{folder}: the run directory was moved to {Path(now).parent} while the run goes "
                "on; its finished records are there; move it back, then go on with --resume"
            )
        raise MovedRunError(
            f"{folder}: the run directory was removed or replaced while the run goes on; begin the "
            "run anew"
        )

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def __enter__(self) -> "RecordWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _explaining(path: Path, action: str) -> Iterator[None]:
    """Turn an OSError into one sentence that names the place and the cure."""
    try:
        yield
    except OSError as error:
        raise RunDirectoryError(
            f"{path}: cannot {action} the run directory: {error.strerror or error}; "
            "choose another place with --out"
        ) from error
