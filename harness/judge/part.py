"""What the tables and plots of a suite are made from: the suite's asks, and the run's context."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from harness.measure.convention import CONVENTIONS, ConventionSpec
from harness.messages import HarnessError, hint
from harness.suite.presentation import PlotSpec, ReferenceSpec, TableSpec


class Part(Protocol):
    """A suite, as far as its presentation goes."""

    @property
    def name(self) -> str:
        """Name of the suite."""

    @property
    def title(self) -> str | None:
        """Title for people; the name if absent."""

    @property
    def path(self) -> Path | None:
        """The suite file: printed figures are searched from its folder upwards."""

    @property
    def tables(self) -> Sequence[TableSpec]:
        """Tables asked for."""

    @property
    def plots(self) -> Sequence[PlotSpec]:
        """Plots asked for."""

    @property
    def reference(self) -> ReferenceSpec | None:
        """The printed table beside which the rows stand."""

    @property
    def convention(self) -> ConventionSpec | str:
        """What "FLOPs" means here, or its name."""

    @property
    def note(self) -> str | None:
        """A remark under every table."""


@dataclass(frozen=True)
class Context:
    """What is the same for all rows of a run, for the foot of tables and plots."""

    # name of a property: its value (CPU, GPU, memory, ...)
    machine: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)  # name of a package: its version
    warnings: Sequence[str] = ()  # what may have spoiled the numbers of the whole run


def convention_of(part: Part) -> ConventionSpec:
    """The convention of a part: its own, or the built-in one it names.

    Raises:
        HarnessError: the part names a convention that is not built in.
    """
    if isinstance(part.convention, ConventionSpec):
        return part.convention
    if part.convention not in CONVENTIONS:
        raise HarnessError(
            f"unknown convention {part.convention!r}{hint(part.convention, CONVENTIONS)}"
        )
    return CONVENTIONS[part.convention]
