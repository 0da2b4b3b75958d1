"""Finding a data set's files, and saying what was expected where when they are not there."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.training.data.dataset import DataError
from harness.wording import suggest

Pair = tuple[Path, Path]
"""An image and its labels."""


class Layout:
    """Where a data set lies, and how its publishers lay it out.

    Args:
        name: of the data set, for messages.
        expected: one line: what lies where below the root.
        root: as given by the user.
        inside: folder names in which the archives may have been unpacked; the first is used that
            holds everything in `required`.
        required: paths below it, one of which must exist.

    Raises:
        DataError: no root, no such folder, or none of the required paths.
    """

    def __init__(
        self,
        name: str,
        expected: str,
        root: Path | None,
        *,
        inside: Sequence[str] = (".",),
        required: Sequence[str],
    ) -> None:
        self.name, self.expected = name, expected
        if root is None:
            raise DataError(f"{name} needs its folder; give it with --data-root ({expected})")
        if not root.is_dir():
            raise DataError(f"{name}: there is no folder {root} ({expected})")
        for folder in inside:
            if any((root / folder / path).exists() for path in required):
                self.root = root / folder
                return
        raise DataError(
            f"{name}: {root} is laid out in another way: neither of "
            f"{', '.join(required)} is there ({expected})"
            if len(required) > 1
            else f"{name}: {root} is laid out in another way: {required[0]} is not there "
            f"({expected})"
        )

    def folder(self, path: str) -> Path:
        """A folder that must exist below the root."""
        found = self.root / path
        if not found.is_dir():
            raise DataError(f"{self.name}: the folder {found} is missing ({self.expected})")
        return found

    def files(self, folder: Path, glob: str) -> list[Path]:
        """All files of a kind, in order of their names; at least one."""
        found = sorted(folder.glob(glob))
        if not found:
            raise DataError(f"{self.name}: {folder} holds no {glob} ({self.expected})")
        return found

    def names(self, path: Path) -> list[str]:
        """The first word of each line of a list of images."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not a text"
            message = f"{self.name}: cannot read the list {path}: {why} ({self.expected})"
            raise DataError(message) from error
        names = [line.split()[0] for line in lines if line.strip()]
        if not names:
            raise DataError(f"{self.name}: the list {path} is empty")
        return names

    def complete(self, pairs: Iterable[Pair]) -> tuple[Pair, ...]:
        """The pairs, when each of their files exists."""
        found = tuple(pairs)
        missing = [path for pair in found for path in pair if not path.is_file()]
        if missing:
            rest = f" and {len(missing) - 1} other files are" if len(missing) > 1 else " is"
            raise DataError(f"{self.name}: {missing[0]}{rest} missing ({self.expected})")
        return found


def options(name: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A data set's parameters, with defaults for those that are not given.

    Raises:
        DataError: a name that is no parameter of it.
    """
    for key in given:
        if key not in defaults:
            cure = suggest(key, defaults, "parameters")
            raise DataError(f"{name} has no parameter {key!r}: {cure}")
    return {**defaults, **given}
