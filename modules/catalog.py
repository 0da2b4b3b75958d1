"""The list of every module that a suite can name."""

import importlib
from dataclasses import dataclass
from typing import cast

from torch import nn


@dataclass(frozen=True)
class Entry:
    """One module of the catalog.

    Attributes:
        name: what a suite writes behind `module:`.
        target: where the class is, `package.file:Class`.
        paper: the paper that introduced it, or whose structure it follows.
        description: one line.
    """

    name: str
    target: str
    paper: str
    description: str

    def load(self) -> type[nn.Module]:
        """Import the class."""
        module, _, attribute = self.target.partition(":")
        return cast(type[nn.Module], getattr(importlib.import_module(module), attribute))


CATALOG: tuple[Entry, ...] = ()

BY_NAME = {entry.name: entry for entry in CATALOG}
