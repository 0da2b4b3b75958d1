"""What a task of a Slurm array runs on its node."""

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path

from harness.case import Job
from harness.engines.devices import own_cores
from harness.engines.local import start_server
from harness.engines.need import is_static
from harness.engines.node import describe_node, run_here
from harness.engines.slurm.journal import JournalWriter
from harness.outcome import Place

ELSEWHERE, PLACE, END = "elsewhere", "place", "end"
"""Names of messages that are about the task and not about one of its jobs."""


def run_task(journal: str, jobs: Sequence[Job], kind: str | None) -> None:
    """Run jobs on this node and tell of them in a journal.

    Args:
        journal: path of the journal.
        jobs: what to run, in order.
        kind: file that names the kind of machine for all tasks of a comparison; the first of them
            writes it, and a task on a machine of another kind runs nothing. `None`: any machine.
    """
    # submitit ends a task at these signals in its own way; ours is to end at once.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGUSR2, _go_on)
    log = JournalWriter(Path(journal))
    place = _described(os.environ.get("SLURMD_NODENAME"))
    if kind is not None:
        needed = agreed(Path(kind), place.machine_key)
        if needed != place.machine_key:
            log.write({ELSEWHERE: place.node, "machine": place.machine_key, "needed": needed})
            log.close()
            return
    log.write({PLACE: asdict(place)})
    slots = len(own_cores()) if all(map(is_static, jobs)) else 1
    for number, event in run_here(jobs, slots=slots):
        log.event(number, event)
    log.write({END: True})
    log.close()


def _described(name: str | None) -> Place:
    """This node, described by a child of the fork server, which has PyTorch at hand."""
    start_server()
    context = multiprocessing.get_context("forkserver")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_describe, args=(sending, name))
    process.start()
    sending.close()
    try:
        place: Place = receiving.recv()
    except EOFError:  # it came to grief; here the error has a traceback, in the task's log
        place = describe_node(name)
    process.join()
    return place


def _describe(answer: Connection, name: str | None) -> None:
    answer.send(describe_node(name))


def agreed(path: Path, machine: str) -> str:
    """The kind of machine that a file names; the machine's own, written there, if it is the first.

    Creating a hard link succeeds for one process only, also on network file systems.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        file.write(machine)
    with suppress(FileExistsError):
        os.link(temporary, path)
    Path(temporary).unlink()
    return path.read_text(encoding="utf-8").strip()


def _go_on(_number: int, _frame: object) -> None:
    """Slurm's announcement of the time limit: the case may still finish before it."""
