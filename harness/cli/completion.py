"""What the shell completes: suites, runs, modules, metrics and formats, read when it asks."""

import os
from collections.abc import Iterable
from pathlib import Path

from harness.records.run_directory import DESCRIPTION, LATEST
from harness.runner import DEFAULT_ROOT

_SUITE_ENDINGS = (".yaml", ".yml")


def suites(incomplete: str) -> list[str]:
    """YAML files; where there are none, the shell completes folders by itself."""
    return [path for path in _beside(incomplete) if path.endswith(_SUITE_ENDINGS)]


def runs(incomplete: str) -> list[str]:
    """Folders of suites, which stand for their latest run; behind one of them its runs."""
    folder = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    if any((folder / each / DESCRIPTION).is_file() for each in _names(folder)):
        return [path for path in _beside(incomplete) if (Path(path) / DESCRIPTION).is_file()]
    root = str(DEFAULT_ROOT)
    return _starting([f"{root}/{name}" for name in _names(DEFAULT_ROOT)], incomplete)


def modules(incomplete: str) -> list[tuple[str, str]]:
    """Names of the catalog with their descriptions."""
    from context_modules.catalog import CATALOG

    return [(e.name, e.description) for e in CATALOG if e.name.startswith(incomplete)]


def modules_or_runs(incomplete: str) -> list[tuple[str, str]]:
    """What `harness show` takes."""
    latest = [(LATEST, "the run that was started last")] if LATEST.startswith(incomplete) else []
    found = [(path, "") for path in runs(incomplete)] if incomplete else []
    return modules(incomplete) + latest + found


def metrics(incomplete: str) -> list[str]:
    """Names of metrics, of a list the last one; each once."""
    from harness.suite.schema import METRIC_NAMES

    before, comma, last = incomplete.rpartition(",")
    given = before.split(",")
    names = [name for name in ("static", *METRIC_NAMES) if name not in given]
    return [f"{before}{comma}{name}" for name in _starting(names, last)]


def devices(incomplete: str) -> list[str]:
    """Where cases can run."""
    return _starting(("auto", "cpu", "cuda"), incomplete)


def dtypes(incomplete: str) -> list[str]:
    """Floating types."""
    return _starting(("float32", "float64", "float16", "bfloat16"), incomplete)


def engines(incomplete: str) -> list[str]:
    """Names of engines."""
    from harness.engines.registry import ENGINES, LOCAL

    return _starting((LOCAL, *ENGINES), incomplete)


def table_formats(incomplete: str) -> list[str]:
    """Formats of tables."""
    from harness.api.texts import FORMATS

    return _starting(FORMATS, incomplete)


def export_formats(incomplete: str) -> list[str]:
    """Formats of other tools."""
    from harness.exporters.formats import FORMATS, MLFLOW

    return _starting((*FORMATS, MLFLOW), incomplete)


def _beside(incomplete: str) -> list[str]:
    """Paths that begin so, as they were begun."""
    folder, slash, name = incomplete.rpartition("/")
    place = Path(folder or slash or ".").expanduser()
    return [f"{folder}{slash}{each}" for each in _starting(_names(place), name)]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208 - names
    except OSError:
        return []


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
