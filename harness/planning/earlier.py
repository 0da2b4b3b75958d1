"""Earlier measurements: the records below result folders, newest runs first, within bounds."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from harness.records.record import Record
from harness.records.run_directory import RECORDS
from harness.records.stored_runs import find_runs

MOST_BYTES = 64 << 20
"""Of records that are read; what is older than these is left out, and that is said."""


@dataclass(frozen=True)
class Earlier:
    """What was measured before.

    Attributes:
        records: newest run first, within a run the last record first.
        runs: how many runs they are from.
        notes: what was left out.
    """

    records: tuple[Record, ...] = ()
    runs: int = 0
    notes: tuple[str, ...] = field(default=())


def read_earlier(folders: Iterable[Path], most_bytes: int = MOST_BYTES) -> Earlier:
    """Read the records of all runs in and below folders; no run at all is no mistake.

    Lines that are no records are left out and counted in a note: damage to an earlier run costs the
    estimate and nothing else.

    Args:
        folders: run directories, or folders of them at any depth.
        most_bytes: bound on what is read.
    """
    # Names of runs begin with the time of their start.
    runs = sorted(find_runs(folders), key=lambda path: (path.name, path), reverse=True)
    records: list[Record] = []
    left, bad, read = most_bytes, 0, 0
    for run in runs:
        try:
            content = (run / RECORDS).read_bytes()
        except OSError:
            content = b""  # gone since it was found, or another user's
        if len(content) > left:
            break
        left -= len(content)
        read += 1
        for line in reversed(content.split(b"\n")[:-1]):  # an unfinished last line is no record
            try:
                records.append(Record.from_line(line.decode("utf-8")))
            except (ValueError, TypeError, KeyError):
                bad += 1
    return Earlier(tuple(records), read, tuple(_notes(len(runs) - read, bad, most_bytes)))


def _notes(unread: int, bad: int, most_bytes: int) -> Iterable[str]:
    if unread:
        what = "1 older run is" if unread == 1 else f"{unread} older runs are"
        yield f"{what} not read: the newer ones fill {most_bytes >> 20} MiB"
    if bad:
        what = "1 line of earlier runs is no record" if bad == 1 else f"{bad} lines are no records"
        yield f"{what} and left out of the estimates"
