"""A noisy neighbour: a process that loads the machine on and off, for trying out the gate.

The file is its own script, so that starting it imports nothing.
"""

import random
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# Bursts and rests of a few hundred milliseconds: long against one process of the self-test, so that
# one of a pair may meet a burst that the other one misses, and short against the whole.
_SHORTEST, _LONGEST = 0.05, 0.6
"""Seconds."""

_SLICE = 0.01
_BURDEN = 1 << 24
"""Beyond the caches of a core: a burst takes memory bandwidth, not only time."""


@contextmanager
def noisy_neighbours(count: int, seed: int) -> Iterator[None]:
    """Let so many processes burst and rest until the block ends."""
    started = [
        subprocess.Popen(
            [sys.executable, "-S", __file__, str(seed + number)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        for number in range(count)
    ]
    try:
        yield
    finally:
        for process in started:
            assert process.stdin is not None
            with suppress(OSError):
                process.stdin.close()
        for process in started:
            process.wait(10)


def main(seed: int) -> None:
    """Burst and rest until stdin is closed, also by the death of who started us."""
    rng = random.Random(seed)
    source = bytes(_BURDEN)
    while True:
        busy_until = time.monotonic() + rng.uniform(_SHORTEST, _LONGEST)
        while time.monotonic() < busy_until:
            until, total = time.monotonic() + _SLICE, 0
            while time.monotonic() < until:
                total += len(bytearray(source))
                for number in range(2000):
                    total = (total * 1103515245 + number) & 0xFFFFFFFF
            if _is_left(0.0):
                return
        if _is_left(rng.uniform(_SHORTEST, _LONGEST)):
            return


def _is_left(patience: float) -> bool:
    return bool(select.select([sys.stdin], [], [], patience)[0])


if __name__ == "__main__":
    main(int(sys.argv[1]))
