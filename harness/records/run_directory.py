"""The run directory: `run.json`, append-only `records.jsonl`, `tables/`, `plots/`."""

import contextlib
import json
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.errors import HarnessError
from harness.records.record import Record

RECORDS, DESCRIPTION, LATEST = "records.jsonl", "run.json", "latest"


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
        """Make `<root>/<suite>/<time>-<random>/` with its `run.json`.

        Raises:
            RunDirectoryError: the folder cannot be written.
        """
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
        path = root / suite / name
        with _explained(path, "create"):
            path.mkdir(parents=True)
            write_atomically(path / DESCRIPTION, json.dumps(description, indent=2) + "\n")
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """An existing run, or the `latest` one of a suite's folder.

        Raises:
            RunDirectoryError: there is no run.
        """
        for candidate in (path, path / LATEST):
            if (candidate / DESCRIPTION).is_file():
                return cls(candidate.resolve())
        raise RunDirectoryError(
            f"{path}: no run here ({DESCRIPTION} is missing); give the folder that `harness run` printed"
        )

    def description(self) -> dict[str, Any]:
        """What `run.json` says: suite as resolved, environment, command."""
        with _explained(self.path, "read"):
            text = (self.path / DESCRIPTION).read_text(encoding="utf-8")
        try:
            data: dict[str, Any] = json.loads(text)
        except ValueError as error:
            raise RunDirectoryError(
                f"{self.path / DESCRIPTION}: not JSON ({error}); the run cannot be read"
            ) from error
        return data

    def records(self) -> list[Record]:
        """All whole records, in the order in which they ended.

        A last line that a killed process left without its line feed is not a record.
        """
        path = self.path / RECORDS
        if not path.exists():
            return []
        with _explained(self.path, "read"):
            lines = path.read_bytes().split(b"\n")[:-1]
        records = []
        for number, line in enumerate(lines, 1):
            try:
                records.append(Record.from_line(line.decode("utf-8")))
            except (ValueError, TypeError, KeyError) as error:
                raise RunDirectoryError(
                    f"{path}:{number}: not a record ({error}); remove the line to go on without it"
                ) from error
        return records

    def writer(self) -> "RecordWriter":
        """Open `records.jsonl` for appending."""
        return RecordWriter(self.path / RECORDS)

    def mark_latest(self) -> None:
        """Point `latest` beside this run to it."""
        link = self.path.parent / LATEST
        temporary = link.with_name(f".{LATEST}-{secrets.token_hex(4)}")
        with contextlib.suppress(OSError):  # a file system without links has no `latest`
            temporary.symlink_to(self.path.name)
            temporary.replace(link)


class RecordWriter:
    """Appends records; each is on disk (fsync) before `append` returns.

    Args:
        path: `records.jsonl`; a truncated last line is cut off first.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _explained(path, "open"):
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            self._cut_truncated_line()

    def _cut_truncated_line(self) -> None:
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole != len(content):
            os.ftruncate(self._file, whole)

    def append(self, record: Record) -> None:
        """Write one record and wait until the disk has it.

        Raises:
            RunDirectoryError: the disk is full or gone; what was there before stays whole.
        """
        line = record.to_line().encode() + b"\n"
        size = os.fstat(self._file).st_size
        try:
            written = os.write(self._file, line)
            if written != len(line):
                raise OSError(28, "No space left on device")
            os.fsync(self._file)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, size)
            raise RunDirectoryError(
                f"{self._path}: cannot write the record of {record.label!r}: {error.strerror}; "
                "free space, then go on with --resume"
            ) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def __enter__(self) -> "RecordWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old or the new text, never a part."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


class _explained:  # noqa: N801 - used as a statement
    """Turn an OSError into one sentence that names the place and the cure."""

    def __init__(self, path: Path, action: str) -> None:
        self._path, self._action = path, action

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError):
            raise RunDirectoryError(
                f"{self._path}: cannot {self._action} the run directory: {error.strerror}; "
                "choose another place with --out"
            ) from error
