"""What people say of a run: tags and a note, in a file of their own beside its `run.json`.

Whoever measures writes `run.json` anew now and then; a remark is written meanwhile.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.case import from_json, from_plain
from harness.environment.files import locked, write_atomically
from harness.messages import HarnessError, quote, suggest
from harness.records.run_directory import LATEST

REMARKS = "remarks.json"
DATED = re.compile(r"\d{8}")
"""How ids of runs begin, and no tag does."""

_TAG = re.compile(r"\w[\w.-]{0,99}")


class RemarkError(HarnessError):
    """A tag that no run may have, or that this one has not; or a remark that cannot be kept."""


@dataclass(frozen=True)
class Remarks:
    """What was said of a run."""

    tags: tuple[str, ...] = ()  # by which commands find it, too
    note: str = ""  # of any text

    @property
    def text(self) -> str:
        """In one line, tags between parentheses; empty where nothing was said."""
        tags = f"({', '.join(self.tags)}) " if self.tags else ""
        return " ".join((tags + self.note).split())

    @classmethod
    def of(cls, run: Path) -> "Remarks":
        """Those of a run directory; none where none can be read."""
        try:
            return from_plain(cls, from_json((run / REMARKS).read_bytes()))
        except (OSError, ValueError):
            return cls()


def check_tags(tags: Iterable[str], root: Path) -> None:
    """Refuse tags that would mean something else where a run is named.

    Args:
        root: folder of the suites' folders.

    Raises:
        RemarkError: the first of them.
    """
    for tag in tags:
        if not _TAG.fullmatch(tag):
            cure = "use up to 100 letters, digits, dots, - and _"
            raise RemarkError(f"tag {quote(tag)}: no tag; {cure}")
        if tag == LATEST or DATED.match(tag):
            what = "the run that was started last" if tag == LATEST else "a run by its id"
            raise RemarkError(f"tag {tag}: stands for {what}; choose another one")
        if (root / tag).is_dir():
            raise RemarkError(f"tag {tag}: a suite in {root} is called so; choose another one")


def remark(
    run: Path, tags: Sequence[str] = (), *, untag: Sequence[str] = (), note: str | None = None
) -> Remarks:
    """Add tags to a run directory, take some away, replace its note.

    Args:
        run: the directory; it may be written by a run that goes on.
        tags: to add.
        untag: to take away.
        note: in place of the earlier one, which stays if absent.

    Raises:
        RemarkError: a tag is no tag, one to take away is not there, or the file cannot be written.
    """
    check_tags(tags, run.parent.parent)
    try:
        with locked(run):  # of two at once, each has what the other has said
            before = Remarks.of(run)
            for tag in untag:
                if tag not in before.tags:
                    cure = suggest(tag, before.tags, "tags")
                    raise RemarkError(f"{run}: has no tag {quote(tag)}; {cure}")
            kept = [tag for tag in before.tags if tag not in untag]
            made = Remarks(
                tuple(dict.fromkeys((*kept, *tags))), before.note if note is None else note
            )
            write_atomically(run / REMARKS, json.dumps(asdict(made), indent=1) + "\n")
    except OSError as error:
        raise RemarkError(
            f"{run / REMARKS}: cannot be written: {error.strerror or error}; make it writable"
        ) from error
    return made
