"""A fresh process below its supervisor, and our end of the pipe through which both answer."""

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess, SpawnProcess

from harness.case import ANYWHERE, Slot
from harness.engines.process import server
from harness.engines.process.supervisor import Task, supervise
from harness.messages import HarnessError

LEAVING = 5.0  # seconds for a process that has answered, or was told to end, before it is killed
PATIENCE = (
    120.0  # seconds for a process to start; the first one waits for the imports of the server
)
_ATTEMPTS, _PAUSE = 3, 0.2  # to start a process, and seconds between two
_SERVER_GONE = 255  # exit code of multiprocessing for whose server was killed; it goes on


class StartError(HarnessError):
    """No process can be started on this machine just now."""


@dataclass(frozen=True)
class Child:
    """What a supervisor and its process are to whoever started them."""

    process: ForkServerProcess | SpawnProcess  # the supervisor
    pipe: Connection  # what they say; whoever closes it ends them

    @classmethod
    def start(cls, task: Task, slot: Slot = ANYWHERE, patience: float = PATIENCE) -> "Child":
        """Run a task in a fresh process.

        Args:
            task: called with what sends its answers; both cross to the process by pickle.
            slot: the part of the machine that it has for itself.
            patience: seconds that an attempt may take.

        Raises:
            StartError: the server of the processes does not answer, or the machine has no room.
        """
        context = server.context()
        failure: Exception | None = None
        for attempt in range(_ATTEMPTS):
            time.sleep(_PAUSE * attempt)
            receiving, sending = context.Pipe(duplex=False)
            process = context.Process(target=supervise, args=(sending, task, slot))
            try:
                with server.answering(patience):
                    process.start()
            except (OSError, EOFError) as error:
                receiving.close()
                failure = error
            else:
                return cls(process, receiving)
            finally:
                sending.close()
        raise StartError(_without_start(failure, patience))

    @property
    def is_gone(self) -> bool:
        """Whether nothing more can come; a supervisor whose server was killed goes on."""
        return not self.process.is_alive() and self.process.exitcode != _SERVER_GONE

    def tell(self) -> None:
        """Ask the supervisor to end its process; it still reports the last lines of output."""
        self._signal(signal.SIGTERM, signal.SIGCONT)  # a module may have stopped it

    def leave(self) -> None:
        """Close the pipe, which the supervisor waits for; kill one that does not go."""
        self.pipe.close()
        self._signal(signal.SIGCONT)
        if not server.join(self.process, LEAVING):
            self.process.kill()
            server.release(self.process, LEAVING)
        if self.process.exitcode:  # it was kept from ending what is below it
            server.end_orphans()

    def _signal(self, *numbers: int) -> None:
        if self.process.pid is not None:
            for number in numbers:
                with suppress(OSError):
                    os.kill(self.process.pid, number)


def _without_start(failure: Exception | None, patience: float) -> str:
    what = f"no process could be started: {type(failure).__name__}: {failure}"
    if "AF_UNIX" in str(failure):
        return f"{what}; set TMPDIR to a folder with a shorter name"
    if isinstance(failure, EOFError):
        what = f"no process could be started: no answer within {patience:g} s"
    return f"{what}; end other work on this machine, then go on with --resume"
