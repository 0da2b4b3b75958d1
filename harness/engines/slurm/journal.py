"""The journal of a task: what a node tells this machine, one line of JSON at a time.

A file on the file system that both see. The node appends whole lines and waits until the disk has
them; the reader opens the file anew each time, which is when NFS asks the server for news.
"""

import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from harness.case import Job
from harness.engines.engine import Event, Finished, Measuring, Started, Waiting
from harness.outcome import Outcome, Place

Message = dict[str, Any]


class JournalWriter:
    """The node's side.

    Args:
        path: of the journal; it exists, so that no file system remembers that it does not.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def write(self, message: Message) -> None:
        """Append a message; when this returns, it survives the node."""
        data = memoryview(json.dumps(message).encode() + b"\n")
        while data:
            data = data[os.write(self._file, data) :]
        os.fsync(self._file)

    def event(self, number: int, event: Event) -> None:
        """Append what happened to the job of a number."""
        self.write({"job": number, **_words(event)})

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class JournalReader:
    """The engine's side.

    Args:
        path: of the journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0

    def news(self) -> list[Message]:
        """Whole messages that have arrived since the last call; none where the file is gone."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                content = file.read()
        except OSError:
            return []
        whole = content.rfind(b"\n") + 1
        self._read += whole
        return [m for line in content[:whole].splitlines() if (m := _message(line)) is not None]


def event_of(message: Message, job: Job, place: Place | None) -> Event:
    """The event that a message tells of a job.

    Raises:
        ValueError: it tells of none.
    """
    kind = message.get("event")
    if kind == "waiting":
        return Waiting(job, str(message["cause"]))
    if kind == "started":
        return Started(job)
    if kind == "measuring":
        return Measuring(job, str(message["metric"]))
    if kind == "finished":
        known = {f.name for f in fields(Outcome)} - {"place"}
        told = {name: value for name, value in message["outcome"].items() if name in known}
        for name in ("warnings", "tail"):
            told[name] = tuple(told.get(name, ()))
        return Finished(job, Outcome(**told, place=place))
    raise ValueError(f"{kind!r} is no event")


def _words(event: Event) -> Message:
    if isinstance(event, Waiting):
        return {"event": "waiting", "cause": event.cause}
    if isinstance(event, Started):
        return {"event": "started"}
    if isinstance(event, Measuring):
        return {"event": "measuring", "metric": event.metric}
    return {"event": "finished", "outcome": asdict(event.outcome)}


def _message(line: bytes) -> Message | None:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None  # half a line of a node that died, followed by a whole one
    return message if isinstance(message, dict) else None
