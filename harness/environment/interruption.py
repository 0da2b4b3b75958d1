"""Ctrl-C at a moment when it may not come: kept until what has begun is known or removed.

And where it is lost: what libraries in C import while it comes clears any error, this one, too.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that ask a program to end: Ctrl-C, a batch system, a terminal that was closed."""


INTERRUPTED = 130
"""Exit code of what Ctrl-C or its like has ended, as shells have it."""

_state = {"unheeded": False}


def leave_at_once() -> None:
    """Have Ctrl-C and its like end the program on the spot, as long as nothing has begun.

    An exception would go through what is being imported, which may make another one of it.
    """

    def leave(*_: object) -> NoReturn:
        with suppress(OSError):
            os.write(2, b"interrupted\n")
        os._exit(INTERRUPTED)

    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, leave)


def interrupt() -> None:
    """Raise KeyboardInterrupt, and remember it until somebody has heeded it."""
    _state["unheeded"] = True
    raise KeyboardInterrupt


def heed() -> None:
    """Raise KeyboardInterrupt where one was lost on the way."""
    if _state["unheeded"]:
        raise KeyboardInterrupt


def heeded() -> bool:
    """Forget it, since what was asked for ends; whether there was one."""
    was, _state["unheeded"] = _state["unheeded"], False
    return was


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let Ctrl-C and its like wait for the end of the block, which then raises KeyboardInterrupt.

    Signals that are ignored stay so. Only the main thread is ever interrupted by one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []
    heeded = [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {n: signal.signal(n, lambda number, _: pending.append(number)) for n in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
    if pending:
        raise KeyboardInterrupt
