"""What is written over while a run goes on: a bar a table on a terminal, a line in a notebook."""

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from harness.messages import printable

_BAR = 12  # columns


class Bars:
    """A line a table that has begun: a bar, how many of its cases have ended, what is measured."""

    def __init__(self, console: Console) -> None:
        self._shown = Progress(
            TextColumn("  {task.description}", markup=False),
            BarColumn(_BAR),
            TextColumn("{task.completed:.0f}/{task.total:.0f}", justify="right"),
            TextColumn("{task.fields[now]}", markup=False),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def start(self) -> None:
        """Take the last lines of the terminal."""
        self._shown.start()

    def update(self, name: str, title: str, done: int, total: int, now: str) -> None:
        """Say of a table how far it is, and what is measured now or how long it took."""
        if name not in self._tasks:
            self._tasks[name] = self._shown.add_task(title, total=total, now="")
        self._shown.update(self._tasks[name], completed=done, now=now)

    def stop(self) -> None:
        """Leave the lines as they are."""
        self._shown.stop()


class NotebookLine:
    """A line under a notebook's cell that is written over, and gone in the end."""

    def start(self) -> None:
        """Take the place under the cell."""
        from IPython.display import display

        show: Callable[..., Any] = display  # IPython's has no types
        self._place = show(_plain("starting"), raw=True, display_id=True)

    def update(self, text: str) -> None:
        """Write another text there."""
        self._place.update(_plain(text), raw=True)

    def stop(self) -> None:
        """Leave nothing there."""
        self.update("")


def _plain(text: str) -> dict[str, str]:
    return {"text/plain": printable(text)}
