"""What somebody means by a table or plot: its name, its number, or the only one there is."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from harness.case import Job
from harness.errors import HarnessError
from harness.present.table import Table
from harness.present.write import plot_names
from harness.suite import Suite
from harness.suite.presentation import PlotSpec
from harness.wording import suggest

T = TypeVar("T")

# What a metric is looked at for, where a suite asks for no table.
_COLUMNS: Mapping[str, str] = {
    "params": "params",
    "flops": "flops",
    "memory": "memory",
    "resident": "resident",
    "allocator": "allocator",
    "latency": "latency",
    "energy": "energy",
    "accuracy": "miou",
}


class NotThereError(HarnessError):
    """There is no such table or plot."""


def one(known: Mapping[str, T], which: str | int | None, noun: str) -> tuple[str, T]:
    """The entry of that name or number; without either, the only one.

    Raises:
        NotThereError: there is none, or more than one; names them.
    """
    names = list(known)
    if isinstance(which, int):
        if not -len(names) <= which < len(names):
            raise NotThereError(f"no number {which}: there are {len(names)} {noun}{_list(names)}")
        which = names[which]
    if which is None and len(names) == 1:
        which = names[0]
    if which is None:
        what = f"{len(names)} {noun}, so that one has to be named" if names else f"no {noun}"
        raise NotThereError(f"the suite has {what}{_list(names)}")
    if which not in known:
        cure = suggest(which, names, noun)
        raise NotThereError(f"nothing is called {which!r} among the {noun}; {cure}")
    return which, known[which]


def _list(names: list[str]) -> str:
    return f": {', '.join(names)}" if names else ""


def by_name(parts: Mapping[str, Mapping[str, Table]]) -> dict[str, Table]:
    """Tables of all parts by name; one whose name another part has gets that of its part too."""
    found: dict[str, Table] = {}
    for part, tables in parts.items():
        for name, table in tables.items():
            found[f"{part}/{name}" if name in found else name] = table
    return found


def plots(parts: Iterable[Suite]) -> dict[str, tuple[Suite, PlotSpec]]:
    """Plots of all parts by name, each with the part that asks for it."""
    found: dict[str, tuple[Suite, PlotSpec]] = {}
    for part in parts:
        for name, spec in zip(plot_names(part), part.plots, strict=True):
            found[f"{part.name}/{name}" if name in found else name] = (part, spec)
    return found


def plot_spec(asked: Mapping[str, Any]) -> PlotSpec:
    """A plot as a suite would describe it.

    Raises:
        NotThereError: no such plot can be drawn.
    """
    given = {name: value for name, value in asked.items() if value is not None}
    if isinstance(given.get("y"), list):
        given["y"] = tuple(given["y"])
    try:
        return PlotSpec.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"][:1])
        message = first["msg"].removeprefix("Value error, ")
        raise NotThereError(f"{where}: {message}" if where else message) from error


def usual_columns(jobs: Iterable[Job]) -> tuple[str, ...]:
    """Columns of a table of what was measured, where the suite asks for none."""
    asked = {name for job in jobs for name in job.metrics}
    return ("label", *(column for metric, column in _COLUMNS.items() if metric in asked))
