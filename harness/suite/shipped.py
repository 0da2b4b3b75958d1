"""The suites that come with the harness, and the file of a suite from what somebody writes."""

import os
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

import harness
from harness.messages import LONGEST_QUOTE
from harness.suite.document import Problem, SuiteError, shown

ENDINGS = (".yaml", ".yml")
"""Of suite files."""

_PACKAGE = Path(harness.__file__).resolve().parent
_INSTALLED = _PACKAGE / "_suites"  # where a wheel has them

FOLDER = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent / "suites"
"""The suites of this installation: those of the wheel, or of the clone."""

RECIPES = FOLDER / "recipes"
"""Recipes of trainings, which lie among the suites and are none."""

_NEAREST = 3


def shipped() -> dict[str, Path]:
    """The suites that come with the harness, those of papers first, by the name of their file.

    A test holds the names apart, so that none needs its folder; with it they are found, too. Of
    what a user adds to a clone the file that lies higher up has the name.
    """
    found = (path for path in FOLDER.rglob("*.yaml") if RECIPES not in path.parents)
    names: dict[str, Path] = {}
    for path in sorted(found, key=lambda path: (len(path.parts), path)):
        names.setdefault(path.stem, path)
    return names


def find(given: Path) -> Path:
    """The file of a suite: what is written itself, or with an ending, or the shipped one.

    A file of the user goes first, so that a copy of a shipped suite is run under the same name. A
    folder of that name is no file.

    Raises:
        SuiteError: there is neither; names the nearest.
    """
    if (path := found(given)) is not None:
        return path
    try:
        given.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise unknown(given) from None
    except (OSError, ValueError):
        pass
    return given  # whoever reads it says why it cannot be read


def found(given: Path) -> Path | None:
    """The file that `find` finds, of the user or shipped; `None` where there is neither."""
    for path in (given, *(Path(f"{given}{ending}") for ending in ENDINGS)):
        if os.path.isfile(path):  # noqa: PTH113 - of what may not be read, it says no
            return path
    return named(given)


def named(given: Path) -> Path | None:
    """The shipped suite of a name, such as `smoke`, `smoke.yaml` or `ablations/smoke`."""
    return {name: path for path in shipped().values() for name in _names(path)}.get(str(given))


def unknown(given: Path, modules: Sequence[str] = ()) -> SuiteError:
    """That there is no such suite, with the nearest names.

    Args:
        given: what was written.
        modules: names that could have been meant, too.
    """
    from harness.instantiate import names as of_modules

    if not modules and str(given) in of_modules():
        said = f'{{"suite": "mine", "module": "{given}", "input": [1, 512, 97, 97]}}'
        cure = f"give a suite that names it: {said}"
        return SuiteError([Problem(shown(given), 0, 0, "suite", "this is a module", cure)])
    names = [*shipped(), *modules]
    near = get_close_matches(given.stem[:LONGEST_QUOTE], names, n=_NEAREST, cutoff=0.6)
    cure = f"did you mean {' or '.join(near)}?" if near else "check the path or the name"
    cure = f"{cure} (all names: harness list suites{', harness list' if modules else ''})"
    where, what = "suite", "no such file or shipped suite"
    if modules:
        where, what = "suite or module", "no such file, shipped suite or module"
    return SuiteError([Problem(shown(given), 0, 0, where, what, cure)])


def home(suite: Path) -> Path:
    """The folder whose repository a run belongs to: the suite's; of an installed suite the current.

    Args:
        suite: its file, symbolic links resolved.
    """
    return Path.cwd() if _INSTALLED in suite.parents else suite.parent


def _names(path: Path) -> Iterator[str]:
    relative = path.relative_to(FOLDER)
    yield from (path.stem, path.name, str(relative), str(relative.with_suffix("")))
