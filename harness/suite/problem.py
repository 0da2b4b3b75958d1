"""What is wrong with a suite, where, and what to do about it."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import HarnessError
from harness.wording import one_line


@dataclass(frozen=True)
class Problem:
    """One mistake, shown as `file:line:col: where: what; cure`.

    Attributes:
        file: path as shown to the user.
        line: 1-based; 0 where the mistake has no place in a file.
        column: 1-based.
        where: dotted path of keys and indices (`cases.0.input`), or what part of the file.
        what: what is wrong.
        cure: what to do.
    """

    file: str
    line: int
    column: int
    where: str
    what: str
    cure: str

    def __str__(self) -> str:
        parts = (one_line(text) for text in (self.where, self.what, self.cure))
        where, what, cure = parts
        at = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{at}: {where}: {what}; {cure}"


class SuiteError(HarnessError):
    """A suite cannot be used; carries every mistake of every file, in file order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))
