"""Turns: the processes of one case sample one after the other, a slice of time each.

What the machine does in the meantime (a neighbour of a virtual machine, a clock that changes) then
meets all of them alike, and what is left of the difference between their medians is the processes'
own. Bulej et al. 2020 ("Duet benchmarking") and Abedi and Brecht 2017 ("Conducting repeatable
experiments in highly variable cloud computing environments") interleave for that reason.
"""

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from harness.case import Turn
from harness.environment.files import locked
from harness.measure.sampling import Clock

SLICE = 0.03
"""Seconds of one turn: several passes of a small module, and short against what disturbs a machine.

On a busy virtual machine five processes were 2 to 6 % apart with turns of 0.1 s over 2 s of samples
each, 0.6 to 1 % with these over 4 s on one core.
"""

SETTLE = 3
"""Passes at the beginning of a turn that are kept as warm-up: the caches hold the others' data."""

_JOINING = 20.0  # seconds in which the others may begin; one that failed before will not
_POLL = 0.001


class Turns:
    """A member's place in the ring: at most one member of a living ring has the turn.

    Members are processes. Each holds a lock on a file of its own as long as it lives, so that one
    which is killed loses its place, and its turn, with it.

    Args:
        turn: the ring and this member's number in it.
        clock: in seconds.
        sleep: lets others run.
    """

    def __init__(
        self,
        turn: Turn,
        clock: Clock = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._turn = turn
        self._clock = clock
        self._sleep = sleep
        self._folder = Path(turn.folder)
        self._baton = self._folder / "baton"
        self._stack = ExitStack()
        self.waited = 0.0
        """Seconds spent waiting for turns."""

    def __enter__(self) -> "Turns":
        # One computes at a time, and cores of a virtual machine differ by what they share.
        if self._turn.one_core and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        self._stack.enter_context(locked(self._member(self._turn.member)))
        limit = self._clock() + _JOINING
        files = [self._member(number) for number in range(self._turn.members)]
        while not all(file.exists() for file in files) and self._clock() < limit:
            self._wait_a_moment()
        return self

    def __exit__(self, *error: object) -> None:
        self.give()
        self._stack.close()

    def take(self) -> None:
        """Wait for the turn."""
        while True:
            with locked(self._baton) as baton:
                holder = self._holder(baton)
                if holder != self._turn.member and not self._alive(holder):
                    holder = self._next(holder + 1)
                    self._hand(baton, holder)
            if holder == self._turn.member:
                return
            self._wait_a_moment()

    def give(self) -> None:
        """Hand the turn to the next living member."""
        with locked(self._baton) as baton:
            if self._holder(baton) == self._turn.member:
                self._hand(baton, self._next(self._turn.member + 1))

    def _next(self, first: int) -> int:
        ring = [(first + step) % self._turn.members for step in range(self._turn.members)]
        return next(filter(self._alive, ring), self._turn.member)

    def _alive(self, member: int) -> bool:
        if member == self._turn.member:
            return True  # flock(2) knows descriptors, not processes: asking would take our own lock
        try:
            with self._member(member).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def _member(self, number: int) -> Path:
        return self._folder / f"member-{number}"

    def _holder(self, baton: int) -> int:
        return int(os.pread(baton, 16, 0) or b"0")

    def _hand(self, baton: int, member: int) -> None:
        os.pwrite(baton, f"{member:<16}".encode(), 0)

    def _wait_a_moment(self) -> None:
        start = self._clock()
        self._sleep(_POLL)
        self.waited += self._clock() - start


class InTurns:
    """Passes that are taken only while this process has the turn.

    Args:
        take: runs one pass; its duration in seconds.
        turns: the place in the ring.
        clock: in seconds.
    """

    def __init__(self, take: Callable[[], float], turns: Turns, clock: Clock) -> None:
        self._take = take
        self._turns = turns
        self._clock = clock
        self._until: float | None = None
        self.settling: list[float] = []
        """Seconds of the passes with which turns began."""

    def __call__(self) -> float:
        """One pass; its duration in seconds."""
        if self._until is not None and self._clock() >= self._until:
            self._turns.give()
            self._until = None
        if self._until is None:
            self._turns.take()
            self._until = self._clock() + SLICE
            start = self._clock()
            for _ in range(SETTLE):
                self.settling.append(self._take())
                if self._clock() - start >= SLICE / 2:
                    break
        return self._take()

    def own_time(self) -> float:
        """The clock without the time that others had."""
        return self._clock() - self._turns.waited
