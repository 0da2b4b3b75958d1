"""Answers: what the process of a case says over a pipe, one line of JSON per message.

JSON and not pickle: the process ran a stranger's code, and reading what it wrote must neither run
code nor wait for bytes that never come.
"""

import json
import os
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
    """

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._rest = b""

    def take(self) -> list[list[Any]]:
        """Every whole message that has arrived since the last call.

        Raises:
            AnswerError: a line that is no message; it is dropped, and the lines behind it are kept
                for the next call.
        """
        messages: list[list[Any]] = []
        *lines, self._rest = (self._rest + self._arrived()).split(b"\n")
        for number, line in enumerate(lines, 1):
            if not line:
                continue
            message = _message(line)
            if message is None:
                self._rest = b"\n".join([*lines[number:], self._rest])
                if messages:  # say first what came before it, and meet the line again
                    self._rest = line + b"\n" + self._rest
                    return messages
                raise AnswerError(f"{line[:40]!r} is no answer of a worker")
            messages.append(message)
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b""
            raise AnswerError("an answer without an end")
        return messages

    def _arrived(self) -> bytes:
        """What lies in the pipe, at most as much as a line may be long."""
        chunks, size = [], 0
        while size <= _LONGEST_LINE:
            try:
                chunk = os.read(self._descriptor, _CHUNK)
            except BlockingIOError:
                break
            if not chunk:
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
