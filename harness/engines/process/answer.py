"""Answers: what the process of a case says over a pipe, one line of JSON per message.

JSON and not pickle: the process ran a stranger's code, and reading what it wrote must neither run
code nor wait for bytes that never come.
"""

import json
import os
from collections import deque
from typing import Any

_CHUNK = 1 << 16
_LONGEST_LINE = 1 << 26  # all samples of a long measurement are a few MB


class AnswerError(Exception):
    """The pipe holds what no worker writes."""


class AnswerWriter:
    """Writing end of a pipe.

    Args:
        descriptor: of the pipe; stays the caller's.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, *message: Any) -> None:
        """Write one message.

        Raises:
            OSError: nobody reads any more, or the pipe was closed.
            TypeError: a value that JSON cannot express.
        """
        # The line feed in front ends whatever a module wrote into the pipe before.
        data = memoryview(b"\n" + json.dumps(message).encode() + b"\n")
        while data:
            data = data[os.write(self._descriptor, data) :]


class AnswerReader:
    """Reading end of a pipe; never blocks.

    Args:
        descriptor: of the pipe; stays the caller's.

    Attributes:
        closed: whether nobody can write any more.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.closed = False
        self._descriptor = descriptor
        self._rest = bytearray()  # of a line whose end has not arrived
        self._lines: deque[bytes] = deque()

    def take(self) -> list[list[Any]]:
        """Every whole message that has arrived since the last call.

        Raises:
            AnswerError: the next line is no message, or has no end; it is dropped, and what lies
                behind it comes with the next call.
        """
        self._split(self._arrived())
        messages: list[list[Any]] = []
        while self._lines:
            message = _message(self._lines[0])
            if message is None and messages:
                break  # first what came before it
            line = self._lines.popleft()
            if message is None:
                raise AnswerError(f"{line[:40]!r} is no answer of a worker")
            messages.append(message)
        return messages

    def _split(self, arrived: bytes) -> None:
        if len(self._rest) + len(arrived) > _LONGEST_LINE and b"\n" not in arrived:
            self._rest.clear()
            raise AnswerError("an answer without an end")
        head, feed, rest = arrived.rpartition(b"\n")
        if feed:
            self._lines.extend(line for line in bytes(self._rest + head).split(b"\n") if line)
            self._rest = bytearray()
        self._rest += rest

    def _arrived(self) -> bytes:
        """What lies in the pipe, at most as much as a line may be long."""
        chunks, size = [], 0
        while size <= _LONGEST_LINE:
            try:
                chunk = os.read(self._descriptor, _CHUNK)
            except BlockingIOError:
                break
            if not chunk:
                self.closed = True
                break
            chunks.append(chunk)
            size += len(chunk)
        return b"".join(chunks)


def _message(line: bytes) -> list[Any] | None:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(message, list) and bool(message) and isinstance(message[0], str)
    return message if whole else None
