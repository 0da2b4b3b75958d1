"""An engine under test with its machines; `conftest.py` has one lab per engine."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harness.engines.engine import Engine
from harness.engines.local import LocalEngine

HERE = Path(__file__).parent


class Lab:
    """This machine with the local engine; others override what they do otherwise.

    Attributes:
        fate_shared: whether a command line is to be tried whose cases end with it.
        nodes: how many machines (or what stands for them) the engine places cases on.
        arguments: of `harness run`, that choose the engine.
        environment: that `harness run` needs besides.
        limit: seconds after which the hanging case of the contract is ended.
    """

    fate_shared = False
    nodes = 1
    arguments: tuple[str, ...] = ()
    limit = 2.0
    patience = 60.0
    environment: Mapping[str, str] = MappingProxyType({})

    def engine(self) -> Engine:
        return LocalEngine()

    def lose_node(self, name: str) -> None:
        """Take the power from the node of that name."""
        raise NotImplementedError

    def heal(self) -> None:
        """Have all nodes again."""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def finished(events: Any) -> dict[str, Any]:
    """Outcome by label; each ends once."""
    from harness.engines.engine import Finished

    found: dict[str, Any] = {}
    for event in events:
        if isinstance(event, Finished):
            assert event.job.label not in found
            found[event.job.label] = event.outcome
    return found
