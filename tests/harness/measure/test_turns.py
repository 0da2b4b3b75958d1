"""Turns: one member at a time, in a ring, and nobody waits for the dead."""

import os
import signal
import subprocess
import sys
import threading
import time
from itertools import pairwise

import pytest

from harness.case import Turn
from harness.measure.turns import SETTLE, InTurns, Turns


def place(folder, member, members):
    return Turns(Turn(str(folder), member, members))


def test_turns_go_around_and_never_overlap(tmp_path):
    held, lock = [], threading.Lock()

    def sample(member):
        with place(tmp_path, member, 3) as turns:
            for _ in range(4):
                turns.take()
                begun = time.perf_counter()
                time.sleep(0.002)
                with lock:
                    held.append((member, begun, time.perf_counter()))
                turns.give()

    threads = [threading.Thread(target=sample, args=(member,)) for member in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(held) == 12
    held.sort(key=lambda each: each[1])
    assert all(ended <= begun for (_, _, ended), (_, begun, _) in pairwise(held))
    assert [member for member, _, _ in held[:9]] == [0, 1, 2] * 3


def test_a_member_alone_has_every_turn_and_waits_for_nobody(tmp_path):
    with place(tmp_path, 0, 1) as turns:
        for _ in range(3):
            turns.take()
            turns.give()
        assert turns.waited == 0.0


HOLDER = """
import sys, time
from harness.case import Turn
from harness.measure.turns import Turns
with Turns(Turn(sys.argv[1], 0, 2)) as turns:
    turns.take()
    print("taken", flush=True)
    time.sleep(600)
"""


def test_the_turn_of_a_killed_process_passes_on(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder,
        place(tmp_path, 1, 2) as turns,
    ):
        assert holder.stdout is not None
        assert holder.stdout.readline() == "taken\n"
        taking = threading.Thread(target=turns.take)
        taking.start()
        taking.join(0.05)
        assert taking.is_alive()
        os.kill(holder.pid, signal.SIGKILL)
        taking.join(60)
        assert not taking.is_alive()


class Alone:
    """A ring whose others take a known time."""

    def __init__(self, clock, others):
        self.clock, self.others, self.waited = clock, others, 0.0
        self.log = []

    def take(self):
        self.clock.now += self.others
        self.waited += self.others
        self.log.append("take")

    def give(self):
        self.log.append("give")


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("seconds", "settling", "samples"), [(0.0029, SETTLE, 8), (0.01, 2, 1), (3.0, 1, 1)]
)
def test_a_turn_is_a_slice_that_begins_with_warm_up(seconds, settling, samples):
    """Of 30 ms; a slow pass has a turn of two: one warm-up, one sample."""
    clock = Clock()

    def take():
        clock.now += seconds
        return seconds

    ring = Alone(clock, others=5.0)
    passes = InTurns(take, ring, clock)
    start, taken = passes.own_time(), 0
    while len(ring.log) < 3:  # until the second turn
        passes()
        taken += 1
    assert ring.log == ["take", "give", "take"]
    assert taken - 1 == samples
    assert passes.settling == [seconds] * 2 * settling
    own = passes.own_time() - start
    assert own == pytest.approx(seconds * (taken + len(passes.settling)))
