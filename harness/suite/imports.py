"""The files of users that a suite names, imported elsewhere before they are imported here."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from harness.instantiate import ModuleError, UserFile, file_of, target_of
from harness.measure.own import is_own, metric_target
from harness.suite.schema import Conditions
from harness.suite.suite import Overrides
from harness.suite.tree import Source

Probe = Callable[[Sequence[UserFile]], Mapping[UserFile, ModuleError]]
"""Tells which files must not be imported in this process, and why."""

Refused = Mapping[UserFile, ModuleError]


def search_path_of(source: Source) -> tuple[str, ...]:
    """Folders of a user's own modules: that of the suite file, and the current one."""
    return tuple(dict.fromkeys((str(source.document.path.parent), str(Path.cwd()))))


def refused_files(root: Source, overrides: Overrides, probe: Probe) -> Refused:
    """What a probe refuses of the files that a suite and what it includes name."""
    named = {
        (search_path_of(source), file): None
        for source in root.walk()
        for file in _files(source, overrides)
    }
    return probe(tuple(named)) if named else {}


def require_importable(refused: Refused, search_path: tuple[str, ...], target: str | None) -> None:
    """Raise `ModuleError` where the file of a name was refused."""
    error = refused.get((search_path, file_of(target) or ""))
    if error is not None:
        raise error


def _files(source: Source, overrides: Overrides) -> Iterator[str]:
    if source.spec is None:
        return
    entries: list[Conditions] = [source.spec, *(source.spec.cases or ())]
    axes = [axis.get("module", ()) for each in entries for axis in (each.grid, each.zip_)]
    modules = chain((each.module for each in entries), *axes)
    measured = chain(overrides.metrics or (), *(_names(each.measure) for each in entries))
    prepared = (step for each in entries for step in _names(each.prepare) if ":" in step)
    functions = chain(prepared, *(each.counting.values() for each in entries))
    own = map(metric_target, filter(is_own, measured))
    targets = chain(map(target_of, _texts(modules)), own, functions)
    yield from filter(None, map(file_of, targets))


def _names(said: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else said or ()


def _texts(values: Iterator[Any]) -> Iterator[str]:
    return (each for each in values if isinstance(each, str))
