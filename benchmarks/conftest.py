"""What a benchmark found: ratios to a peer in the same minutes, printed, and kept with the commit.

`make benchmark` writes `results/benchmarks/ratios.json` anew, a row for each figure; rows of
benchmarks that did not run stay as they are. A ratio says more than seconds: what else a machine
does falls on both sides, and another machine mostly changes both alike.
"""

import json
import statistics
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from harness.environment.files import locked, write_atomically
from harness.environment.machine import describe_environment

KEPT = Path(__file__).parents[1] / "results" / "benchmarks" / "ratios.json"
Keep = Callable[[str, str, Sequence[float]], float]


@pytest.fixture(scope="session")
def origin() -> dict[str, Any]:
    """When, of which commit, and on which machine."""
    environment = describe_environment()
    git = environment.get("git") or {}
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": git.get("commit"),
        "dirty": git.get("dirty"),
        "machine": (environment.get("machine") or {}).get("cpu"),
        "machine_key": environment.get("machine_key"),
        "torch": (environment.get("libraries") or {}).get("torch"),
    }


@pytest.fixture
def keep(origin: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> Keep:
    """Print and keep the ratios of a figure; gives their median."""

    def kept(name: str, peer: str, found: Sequence[float]) -> float:
        median = statistics.median(found)
        with capsys.disabled():
            print(f"\n{name}: {median:.3g} of {peer} ({min(found):.3g} to {max(found):.3g})")
        row = {"peer": peer, "median": median, "ratios": list(found), **origin}
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        with locked(KEPT.parent):
            before = json.loads(KEPT.read_text()) if KEPT.exists() else {}
            figures = {**before, f"{name} / {peer}": row}
            write_atomically(KEPT, json.dumps(figures, indent=1, sort_keys=True) + "\n")
        return median

    return kept
