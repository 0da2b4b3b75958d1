"""The terminal, which obeys no text of ours."""

from collections.abc import Iterator
from io import StringIO
from shutil import get_terminal_size
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from harness.messages import printable


class PrintableConsole(Console):
    """Text of any origin, kept runs among them, reaches a terminal as text: it obeys none of it.

    Nor is `x.yaml:100:38` a place with an emoji in it.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"highlight": False, "emoji": False, **options})

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """The segments of a renderable; what the terminal would obey is rich's own alone."""
        for segment in super().render(renderable, options):
            text = segment.text
            if segment.control or text.isprintable() or text == "\n":
                yield segment
            else:
                yield segment._replace(text=printable(text))


def as_text(renderable: RenderableType) -> str:
    """A rendering without colours, as wide as the terminal (80 columns where there is none)."""
    made = PrintableConsole(file=StringIO(), width=get_terminal_size().columns, color_system=None)
    with made.capture() as captured:
        made.print(renderable)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())
