"""Markdown pages as their readers follow them: files to write and commands to run, in order."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    path
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "results" / "ablations" / "README.md",
        *sorted((ROOT / "docs").rglob("*.md")),
    )
    if path.parent.name != "ci"  # whose workflows tests/harness/ci runs step by step
]

_FENCE = re.compile(
    r"(?:^<!-- test: (?P<marker>.*?) -->\n)?"
    r"^(?P<indent> *)```(?P<language>[\w-]*)(?: title=\"(?P<title>[^\"]+)\")?[^\n]*\n"
    r"(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_REPLACE = re.compile(r'replace "([^"]*)" by "([^"]*)"')
_EXIT = re.compile(r"exit ([\d, ]+)")


@dataclass(frozen=True)
class Marker:
    """What a comment `<!-- test: ... -->` before a block says about running it.

    Attributes:
        replacements: `replace "A" by "B"`: how the test shortens a command.
        exits: `exit 0, 3`: exit codes that are right; 0 alone if absent.
        not_run: `not run: REASON`: why it cannot run in a test.
        run_by: `run by FILE`: the test that runs it.
        printed: `printed`: lines that the last command above prints.
    """

    replacements: tuple[tuple[str, str], ...] = ()
    exits: tuple[int, ...] = (0,)
    not_run: str = ""
    run_by: str = ""
    printed: bool = False


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        language: first word behind the fence.
        title: name of the file that a reader is to write.
        text: without the fences.
        place: page and line, for messages.
        marker: what is said about running it.
    """

    language: str
    title: str
    text: str
    place: str
    marker: Marker = field(default_factory=Marker)

    def commands(self) -> list[str]:
        """Command lines with their continuations, shortened as the marker says."""
        text = self.text.replace("\\\n", " ")
        for long, short in self.marker.replacements:
            assert long in text, f"{self.place}: the marker replaces {long!r}, which is not there"
            text = text.replace(long, short)
        lines = (line.strip() for line in text.splitlines())
        return [line for line in lines if line and not line.startswith("#")]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start("language")) + 1
        place = f"{page.relative_to(ROOT)}:{line}"
        indent = len(match["indent"])
        body = "".join(part[indent:] for part in match["text"].splitlines(keepends=True))
        yield Block(
            match["language"],
            match["title"] or "",
            body,
            place,
            marker(match["marker"] or "", place),
        )


def marker(text: str, place: str) -> Marker:
    """A marker of its text; everything that it says must be understood."""
    if not text:
        return Marker()
    if text == "printed":
        return Marker(printed=True)
    if text.startswith("not run: "):
        return Marker(not_run=text.removeprefix("not run: "))
    if text.startswith("run by "):
        return Marker(run_by=text.removeprefix("run by "))
    replacements, exits = _REPLACE.findall(text), _EXIT.findall(text)
    rest = _EXIT.sub("", _REPLACE.sub("", text)).strip(" ;")
    assert not rest, f"{place}: a marker that nobody understands: {rest!r}"
    codes = tuple(int(code) for code in exits[0].split(",")) if exits else (0,)
    return Marker(tuple(replacements), codes)
