"""The columns of a table as a paper has them: what it shows, ranked, under short words."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from harness.present.best import ranks
from harness.present.formats import ABSENT, MARKS, NUMBER, Column, Table


@dataclass(frozen=True)
class Entry:
    """One place of a column."""

    text: str  # not yet escaped
    rank: int | None = None  # 1 for the best of its column, 2 for the second
    mark: str = ""  # of the verdict, to be raised behind it


@dataclass(frozen=True)
class Ranked:
    """One column."""

    head: str  # complete, with unit
    entries: tuple[Entry, ...]  # one per row
    words: bool  # whether it is set as text whatever stands in it
    group: str = ""  # head shared with the columns beside it
    sub: str = ""  # its own below that
    block: int = 0  # equal for columns that share a head; others may have one of the same words

    @property
    def name(self) -> str:
        """What it is called alone."""
        return self.group or self.head

    @property
    def has_numbers(self) -> bool:
        """Whether its numbers are aligned."""
        return not self.words and any(NUMBER.fullmatch(each.text) for each in self.entries)


VERDICT, OURS = "verdict", "ours"
_SUBS = {"reported": "paper", "difference": "Δ"}


def ranked(table: Table, *, best: bool, marks: bool) -> list[Ranked]:
    """The columns of a table; its verdicts as marks, or not at all.

    Args:
        best: whether the best and the second value of a column are to be ranked.
        marks: whether verdicts are shown.
    """
    marked = marks and any(cell.verdict for column in table.shown for cell in column.cells)
    told = [each for each in table.shown if each.stored != VERDICT or (marks and not marked)]
    found: list[Ranked] = []
    for column in told if len(told) > 1 else table.shown:  # unless it is all that there is
        made = _ranked(column, table.peers, best=best, marks=marks)
        last = found[-1] if found else None
        shares = last is not None and made.group == last.group != "" and made.sub != OURS
        found.append(replace(made, block=len(found) if not shares else found[-1].block))
    return found


def _ranked(column: Column, peers: Sequence[str], *, best: bool, marks: bool) -> Ranked:
    # What has too few samples to compare rows by is neither best nor second.
    few = [cell.spread is not None and cell.spread.few for cell in column.cells]
    texts = ["" if doubt else cell.text for cell, doubt in zip(column.cells, few, strict=True)]
    found = _among_peers(texts, column, peers) if best and column.aim else [None] * len(texts)
    entries = tuple(
        Entry(cell.text, rank, MARKS.get(cell.verdict, "") if marks else "")
        for cell, rank in zip(column.cells, found, strict=True)
    )
    sub = column.sub
    for word, short in _SUBS.items():
        sub = sub.replace(word, short, 1) if sub.startswith(word) else sub
    return Ranked(column.head, entries, column.align == "left", column.group, sub)


def _among_peers(texts: Sequence[str], column: Column, peers: Sequence[str]) -> list[int | None]:
    """Ranks within the rows that did the same work; of rows that failed there are none."""
    peers = peers or ["all"] * len(texts)
    found: list[int | None] = [None] * len(texts)
    for kind in dict.fromkeys(peers):
        if kind:
            alike = [text if each == kind else "" for text, each in zip(texts, peers, strict=True)]
            places = ranks(alike, column.aim)
            found = [old or new for old, new in zip(found, places, strict=True)]
    return found


def without_empty(columns: Sequence[Ranked]) -> tuple[list[Ranked], list[str]]:
    """Columns of which any row has a value, with what stands beside them; and the others' names."""
    first, *rest = columns
    kept, left = [first], []
    for _, alike in groupby(rest, key=lambda column: column.block):
        group = list(alike)
        texts = {entry.text for entry in group[0].entries}
        if texts == {ABSENT}:
            left.append(group[0].name)
        else:
            kept += group
    return kept, left


def without_equal(columns: Sequence[Ranked]) -> tuple[list[Ranked], list[str]]:
    """Columns that tell rows apart; and what the others say, `Seeds 3`."""
    first, *rest = columns
    kept, said = [first], []
    for column in rest:
        texts = {entry.text for entry in column.entries}
        if len(texts) == 1 and len(column.entries) > 1 and not column.group:
            said.append(f"{column.head} {texts.pop()}")
        else:
            kept.append(column)
    return kept, said


_TAIL = re.compile(r" \(([^()]+)\)$")


def without_shared_tail(columns: Sequence[Ranked]) -> tuple[list[Ranked], list[str]]:
    """Labels without the point of a grid behind them where that is the same; and what it says."""
    first, *rest = columns
    found = [_TAIL.search(entry.text) for entry in first.entries]
    tails = {tail and tail[1] for tail in found}
    if len(found) < 2 or len(tails) > 1 or None in tails:
        return list(columns), []
    entries = tuple(replace(each, text=_TAIL.sub("", each.text)) for each in first.entries)
    return [replace(first, entries=entries), *rest], [str(tails.pop())]


def with_rows(columns: Sequence[Ranked], rows: Iterable[int]) -> list[Ranked]:
    """The columns with some of their rows."""
    chosen = list(rows)
    return [replace(each, entries=tuple(each.entries[n] for n in chosen)) for each in columns]


def told_rows(columns: Sequence[Ranked]) -> list[int]:
    """Rows with a value behind the first column; all where there is none."""
    every = list(zip(*(column.entries for column in columns[1:]), strict=True))
    told = [n for n, row in enumerate(every) if any(each.text != ABSENT for each in row)]
    return told or list(range(len(columns[0].entries)))
