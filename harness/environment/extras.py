"""The optional parts of this package, and which of them are installed."""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

# Comes with matplotlib.
from packaging.requirements import InvalidRequirement, Requirement

PACKAGE = "context-harness"
PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"

_DEEPEST = 4  # extras that name extras
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


@dataclass(frozen=True)
class Extra:
    """One optional part.

    Attributes:
        name: as in `pip install 'context-harness[name]'`.
        installed: distributions that it needs and that are there, with their versions.
        missing: requirements that nothing installed meets.
    """

    name: str
    installed: Mapping[str, str]
    missing: Sequence[str]


def extras(project: Path = PROJECT) -> tuple[Extra, ...]:
    """Every optional part, in the order of the package's own list; none where that is unknown.

    Args:
        project: `pyproject.toml` of a source checkout, which may be newer than what is installed;
            where it is not there, the installed package says.
    """
    declared = _of_project(project) or _of_package()
    return tuple(_look(name, list(_written_out(name, declared))) for name in declared)


def _of_project(file: Path) -> dict[str, list[str]]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        found: dict[str, list[str]] = content["project"]["optional-dependencies"]
        return found if content["project"]["name"] == PACKAGE else {}
    except (OSError, KeyError, ValueError):
        return {}


def _of_package() -> dict[str, list[str]]:
    try:
        said = metadata(PACKAGE)
    except PackageNotFoundError:
        return {}
    found: dict[str, list[str]] = {name: [] for name in said.get_all("Provides-Extra") or ()}
    for requirement in said.get_all("Requires-Dist") or ():
        marker = _EXTRA.search(requirement)
        if marker and marker.group(1) in found:
            found[marker.group(1)].append(requirement)
    return found


def _written_out(
    extra: str, declared: Mapping[str, Sequence[str]], depth: int = 0
) -> Iterator[Requirement]:
    """Requirements, with those of the extras that an extra names: `context-harness[report]`."""
    for text in declared.get(extra, ()):
        requirement = _requirement(text)
        if requirement is None or not _applies(requirement, extra):
            continue
        if requirement.name == PACKAGE and depth < _DEEPEST:
            for named in sorted(requirement.extras):
                yield from _written_out(named, declared, depth + 1)
        else:
            yield requirement


def _applies(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _requirement(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def _look(name: str, wanted: Sequence[Requirement]) -> Extra:
    installed: dict[str, str] = {}
    missing: list[str] = []
    for requirement in wanted:
        try:
            there = version(requirement.name)
        except PackageNotFoundError:
            missing.append(requirement.name)
            continue
        if requirement.specifier.contains(there, prereleases=True):
            installed[requirement.name] = there
        else:
            missing.append(f"{requirement.name}{requirement.specifier} (there is {there})")
    return Extra(name, installed, tuple(missing))
