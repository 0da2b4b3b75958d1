"""Answers: what the process of a case says over a pipe, one line of JSON per message.

JSON and not pickle: the process ran a stranger's code, and reading what it wrote must neither run
code nor wait for bytes that never come.
"""

import json
import os
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from harness.case import from_plain

CHUNK = 1 << 16  # bytes that are read from a pipe at once
_MOST_LEVELS = 50  # levels of a message
_SCALARS = (str, int, float, type(None))  # bool is an int
_MOST_DIGITS = 300  # of a whole number; more is no number to compute with
_LONGEST_LINE = 1 << 26  # all samples of a long measurement are a few MB


class AnswerError(Exception):
    """The pipe holds what no worker writes."""


class AnswerWriter:
    """Writing end of a pipe, whose descriptor stays the caller's.

    The process that sends first is the one that is heard: a module may fork it, and parent and
    child would both tell what they go on to measure.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._sender: int | None = None

    def send(self, *message: Any) -> None:
        """Write one message.

        Raises:
            OSError: nobody reads any more, or the pipe was closed.
            TypeError: a value that JSON cannot express.
        """
        self._sender = self._sender or os.getpid()
        if os.getpid() != self._sender:
            return
        # The line feed in front ends whatever a module wrote into the pipe before.
        data = memoryview(b"\n" + json.dumps(message).encode() + b"\n")
        while data:
            data = data[os.write(self._descriptor, data) :]


class AnswerReader:
    """Reading end of a pipe, whose descriptor stays the caller's; never blocks."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.closed = False  # whether nobody can write any more
        self._descriptor = descriptor
        self._rest = bytearray()  # of a line whose end has not arrived
        self._lines: deque[bytes] = deque()

    def take(self) -> list[list[Any]]:
        """Every whole message that has arrived since the last call.

        Raises:
            AnswerError: the next line is no message, or has no end; it is dropped, and what lies
                behind it comes with the next call.
        """
        self._receive()
        messages: list[list[Any]] = []
        while self._lines:
            message: Any = None
            with suppress(ValueError, RecursionError):
                message = json.loads(self._lines[0], parse_int=_whole, parse_constant=_nothing)
            words = isinstance(message, list) and message and isinstance(message[0], str)
            if words and not _is_deep(message):
                self._lines.popleft()
                messages.append(message)
            elif messages:
                break  # first what came before it
            else:
                raise AnswerError(f"{self._lines.popleft()[:40]!r} is no answer of a worker")
        return messages

    def _receive(self) -> None:
        """Take what lies in the pipe, at most as much as a line may be long, as lines."""
        chunks, size = [], 0
        while size <= _LONGEST_LINE:
            try:
                chunk = os.read(self._descriptor, CHUNK)
            except BlockingIOError:
                break
            if not chunk:
                self.closed = True
                break
            chunks.append(chunk)
            size += len(chunk)
        head, feed, rest = b"".join(chunks).rpartition(b"\n")
        if feed:
            self._lines.extend(line for line in bytes(self._rest + head).split(b"\n") if line)
            self._rest = bytearray()
        elif len(self._rest) + size > _LONGEST_LINE:
            self._rest.clear()
            raise AnswerError("an answer without an end")
        self._rest += rest


def understood(forms: Mapping[str, Any], message: list[Any]) -> tuple[str, tuple[Any, ...]]:
    """The first word of a message and what follows it.

    Args:
        forms: what follows each word, as a type of `tuple`.
        message: as it arrived.

    Raises:
        AnswerError: no worker says this.
    """
    kind, *said = message
    try:
        return kind, from_plain(forms[kind], said)
    except (KeyError, ValueError) as error:
        raise AnswerError(f"{kind!r:.40} is no answer of a worker: {error}") from error


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError("too many digits")
    return int(text)


def _nothing(_: str) -> None:
    """NaN and infinity, for which records have no words."""


def _is_deep(message: list[Any]) -> bool:
    """Whether a message is nested as no worker nests it; what writes it down would not bear it."""
    level: list[Any] = message
    for _ in range(_MOST_LEVELS):
        inner = [each.values() if isinstance(each, dict) else each for each in level]
        level = [part for each in inner if not isinstance(each, _SCALARS) for part in each]
        if not level:
            return False
    return True
