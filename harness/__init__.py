"""Benchmarks and ablations of the context modules of semantic segmentation.

    import harness

    run = harness.run("ocnet_table4", metrics="static")
    run.table(), run.frame(), run.plot()

    harness.count(net, (1, 3, 512, 512)), harness.latency(net, image)  # of what stands here

Nothing heavy is imported before it is asked for: `import harness` takes milliseconds.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api.comparing import RunComparison, compare
    from harness.api.counting import count
    from harness.api.measure import run, validate
    from harness.api.reports import report
    from harness.api.run import Run, load, load_all
    from harness.api.show import ModuleCosts, show
    from harness.api.timing import Comparison, Latency, latency
    from harness.measure.own import metric
    from harness.messages import HarnessError
    from harness.suite.document import SuiteError
    from harness.suite.suite import Suite

    __version__: str

__all__ = [
    "Comparison",
    "HarnessError",
    "Latency",
    "ModuleCosts",
    "Run",
    "RunComparison",
    "Suite",
    "SuiteError",
    "compare",
    "count",
    "latency",
    "load",
    "load_all",
    "metric",
    "report",
    "run",
    "show",
    "validate",
]

ELSEWHERE = (
    "context-harness runs on Linux and macOS; on Windows run it in WSL: https://aka.ms/wsl"
    if sys.platform == "win32"
    else ""
)
"""What is said on systems without `fork` and `flock`; empty where it runs."""

_PLACES = {
    "Comparison": "harness.api.timing",
    "HarnessError": "harness.messages",
    "Latency": "harness.api.timing",
    "ModuleCosts": "harness.api.show",
    "Run": "harness.api.run",
    "RunComparison": "harness.api.comparing",
    "Suite": "harness.suite.suite",
    "SuiteError": "harness.suite.document",
    "compare": "harness.api.comparing",
    "count": "harness.api.counting",
    "latency": "harness.api.timing",
    "load": "harness.api.run",
    "load_all": "harness.api.run",
    "metric": "harness.measure.own",
    "report": "harness.api.reports",
    "run": "harness.api.measure",
    "show": "harness.api.show",
    "validate": "harness.api.measure",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("context-harness")
    if name not in _PLACES:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    from importlib import import_module

    if ELSEWHERE and name != "HarnessError":
        raise import_module("harness.messages").HarnessError(ELSEWHERE)
    found = globals()[name] = getattr(import_module(_PLACES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
