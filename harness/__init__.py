"""Benchmarks and ablations of the context modules of semantic segmentation.

    import harness

    run = harness.run("suites/ocnet_table4.yaml", metrics="static")
    run.table(), run.frame(), run.plot()

Nothing heavy is imported before it is asked for: `import harness` takes milliseconds.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api.load import load, load_all
    from harness.api.measure import run
    from harness.api.options import validate
    from harness.api.report import report
    from harness.api.run import Run
    from harness.api.show import ModuleCosts, show
    from harness.errors import HarnessError
    from harness.suite import Suite, SuiteError

    __version__: str

__all__ = [
    "HarnessError",
    "ModuleCosts",
    "Run",
    "Suite",
    "SuiteError",
    "load",
    "load_all",
    "report",
    "run",
    "show",
    "validate",
]

_PLACES = {
    "HarnessError": "harness.errors",
    "ModuleCosts": "harness.api.show",
    "Run": "harness.api.run",
    "Suite": "harness.suite",
    "SuiteError": "harness.suite",
    "load": "harness.api.load",
    "load_all": "harness.api.load",
    "report": "harness.api.report",
    "run": "harness.api.measure",
    "show": "harness.api.show",
    "validate": "harness.api.options",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("context-harness")
    if name not in _PLACES:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(_PLACES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
