"""The local engine: a fork server with torch preloaded, and a fresh process per case.

Static cases of the catalog share some: they neither time nor hold anything, and what PyTorch has
worked out for one serves the next. The first that fails ends that; it and all behind it get
processes of their own.
"""

import platform
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import takewhile
from multiprocessing.connection import wait
from pathlib import Path

from harness.case import Identity, Job, Outcome, Place
from harness.engines.case_process import CaseProcess
from harness.engines.devices import Devices, Gpu, Grant, busy_cores, own_cores
from harness.engines.engine import (
    Event,
    Finished,
    Started,
    Waiting,
    is_static,
    is_timed,
    may_share,
    next_ring,
    with_turns,
)
from harness.engines.process.child import PATIENCE, Child, StartError
from harness.engines.process.server import context
from harness.engines.process.worker import work_in_turn

_LOOK_AGAIN = 0.25  # seconds until a device that was taken is asked for again


class LocalEngine:
    """Runs jobs on this machine, `slots` at a time.

    Args:
        slots: processes at once of jobs that neighbours do not disturb, see
            `harness.engines.engine`; what is timed runs alone.
        devices: what the cases may use; the processor or GPU on which a case is timed is locked, so
            that two runs on one machine do not measure one another.
        patience: seconds that an attempt to start a process may take.
    """

    def __init__(
        self, slots: int = 1, devices: Devices | None = None, *, patience: float = PATIENCE
    ) -> None:
        self._slots = slots
        self._devices = devices or Devices()
        self._blocked: Job | None = None  # it waits for a device, and that has been said
        self._rings: tempfile.TemporaryDirectory[str] | None = None
        self._queue: deque[Job] = deque()
        self._running: list[CaseProcess] = []
        self._alone: set[Identity] = set()  # of jobs that share a process no more
        self._patience = patience
        context()  # whoever starts the server from here on has it import torch once

    def submit(self, job: Job) -> None:
        """Queue a job."""
        self._queue.append(job)

    def events(self) -> Iterator[Event]:
        """Start jobs in the order of submission and report what happens to them."""
        try:
            while self._queue or self._running:
                while self._has_room():
                    grant = self._devices.take(self._queue[0])
                    if grant is not None:
                        yield from self._start_next(grant)
                        continue
                    if self._blocked is not self._queue[0]:
                        self._blocked = self._queue[0]
                        yield Waiting(self._blocked, self._devices.taken)
                    break
                if self._running:
                    yield from self._wait()
                elif self._blocked is not None:
                    time.sleep(_LOOK_AGAIN)
        finally:
            self.cancel()

    def cancel(self) -> None:
        """End every running job at once and forget the queued ones."""
        self._queue.clear()
        self._alone.clear()
        for running in self._running:
            running.forgotten = True
            running.child.pipe.close()  # what the supervisors wait for
        for running in self._running:
            running.child.leave()
            running.grant.close()
        self._running.clear()
        if self._rings is not None:
            self._rings.cleanup()
            self._rings = None

    def _has_room(self) -> bool:
        """Whether the next job may begin beside those that run."""
        if not self._queue or not self._running:
            return bool(self._queue)
        alone = is_timed(self._queue[0]) or any(is_timed(r.job) for r in self._running)
        return not alone and len(self._running) < self._slots

    def _start_next(self, grant: Grant) -> Iterator[Event]:
        """Start a job, or all processes of a case that sample in turns."""
        ring = next_ring(self._queue)
        if len(ring) > 1:
            if self._rings is None:
                self._rings = tempfile.TemporaryDirectory(prefix="harness-turns-")
            # Named after the moment: no two rings of this engine begin at the same one.
            ring = with_turns(ring, Path(self._rings.name) / str(time.monotonic_ns()))
        self._blocked = None
        grant.users = len(ring)
        for job in ring:
            if grant.closed:  # cancelled while somebody reads the events
                return
            yield self._start(job, grant)

    def _start(self, job: Job, grant: Grant) -> Started | Finished:
        following = self._share_after(job)
        try:
            task = partial(work_in_turn, (job, *following))
            child = Child.start(task, grant.slot, self._patience)
        except StartError as error:
            self._put_back(following)
            grant.release()
            return Finished(job, Outcome("error", str(error)))
        self._running.append(CaseProcess(job, child, grant, deque(following)))
        return Started(job)

    def _share_after(self, first: Job) -> list[Job]:
        """Take from the queue what is measured after a job in its process."""
        if first.identity in self._alone or not may_share(first):
            return []
        able = [
            job
            for job in takewhile(is_static, self._queue)
            if may_share(job) and job.identity not in self._alone
        ]
        # Every n-th for each of n processes: a queue with the longest first falls into equal parts.
        room = max(1, self._slots - len(self._running))
        taken = able[room - 1 :: room]
        chosen = {job.identity for job in taken}
        self._queue = deque(job for job in self._queue if job.identity not in chosen)
        return taken

    def _put_back(self, jobs: Iterable[Job]) -> None:
        """Have jobs that were to share a process start next, each in one of its own."""
        back = list(jobs)
        self._alone.update(job.identity for job in back)
        self._queue.extendleft(reversed(back))

    def _wait(self) -> Iterator[Event]:
        """Block until a process speaks or ends, or a deadline passes."""
        timeout = max(0.0, min(r.limit for r in self._running) - time.monotonic())
        if self._blocked is not None:
            timeout = min(timeout, _LOOK_AGAIN)
        children = [r.child for r in self._running]
        sentinels = [each.process.sentinel for each in children if each.process.is_alive()]
        wait([*(each.pipe for each in children), *sentinels], timeout)
        for running in list(self._running):
            if running.forgotten:
                continue
            gone = running.child.is_gone  # before listening: nothing can follow then
            yield from running.listen()
            if not running.forgotten and (gone or running.is_over()):
                self._running.remove(running)
                ended = running.finish()
                self._put_back(running.following)
                if isinstance(ended, Waiting):
                    self._put_back([ended.job])
                running.grant.release()
                yield ended


# A node of a cluster runs cases as one machine does; around that the locks on devices and a look at
# the load, since on a cluster nobody sits beside the machine.


def describe_node(name: str | None = None) -> Place:
    """This machine as a place of that name in its cluster, or of its own; imports torch."""
    from harness.environment.machine import describe_environment

    environment = describe_environment()
    return Place(name or platform.node(), environment["machine_key"], environment)


def run_here(
    jobs: Sequence[Job],
    *,
    cores: tuple[int, ...] | None = None,
    gpus: Sequence[Gpu] | None = None,
    slots: int = 1,
) -> Iterator[tuple[int, Event]]:
    """Run a job, or the processes of a case that sample in turns, on this node.

    Args:
        jobs: what to run; see `harness.engines.engine.next_ring`.
        cores: those that this node owns, to which the cases are pinned; `None`: not pinned.
        gpus: those that the cases may use; `None`: those that PyTorch sees.
        slots: processes at once of jobs that neighbours do not disturb.

    Yields:
        Events, each after the number of its job in `jobs`; closing the generator ends what runs.
    """
    engine = LocalEngine(slots, Devices(cores=cores, gpus=gpus, load=busy_cores))
    numbers: dict[Identity, int] = {}
    threads = len(cores or own_cores())
    for number, job in enumerate(jobs):
        missing = [folder for folder in job.search_path if not Path(folder).is_dir()]
        if missing:
            cause = (
                f"{missing[0]}: no such folder on node {platform.node()}; keep suites and modules "
                "on a file system that all nodes share, or clone them to the same path"
            )
            yield number, Started(job)
            yield number, Finished(job, Outcome("error", cause))
            continue
        numbers[job.identity] = number
        # Left to PyTorch, the number would be that of the process that started the fork server.
        own = job.threads if job.threads is not None or is_static(job) else threads
        engine.submit(replace(job, threads=own))
    for event in engine.events():
        yield numbers[event.job.identity], event
