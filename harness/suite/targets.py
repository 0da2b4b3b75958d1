"""Modules that somebody names in place of a suite: what a file that does the same would hold."""

import re
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.environment.files import LONGEST_NAME
from harness.instantiate import names
from harness.measure import METRICS
from harness.messages import HarnessError, one_line, quote, suggest
from harness.records.run_directory import LATEST
from harness.suite.document import Problem, SuiteError
from harness.suite.schema import CASE_AXES
from harness.suite.shipped import ENDINGS, find, found, unknown


class TargetError(HarnessError):
    """What is named, or said of it, cannot be measured."""


@dataclass(frozen=True)
class Target:
    """A module to measure."""

    given: str  # as it was written
    label: str  # name of its row
    module: str  # a name of the catalog, or `package.file:Class`


def read(given: Sequence[str]) -> Path | tuple[Target, ...]:
    """The suite that is named, or the modules, each `MODULE` or `LABEL=MODULE`.

    A name that a suite and a module share is the suite's; with a label it is the module's.

    Raises:
        SuiteError: there is neither suite nor module of a name.
        TargetError: several suites, suites beside modules, or rows that share a label.
    """
    suites = [text for text in given if _is_suite(text)]
    if not suites:
        return _told_apart([_target(text) for text in given])
    if len(suites) < len(given):
        raise TargetError(
            f"{suites[0]}: a suite beside modules; name either, or write the modules into a copy "
            "of the suite"
        )
    if len(suites) > 1:
        raise TargetError(
            f"{suites[1]}: a second suite; run one after the other, or write one that has "
            f"include: [{', '.join(suites)}]"
        )
    return find(Path(suites[0]))


def _is_suite(text: str) -> bool:
    module = _labelled(text)[1]
    if text.endswith(".py"):
        return False
    is_path = text.endswith(ENDINGS) or ("/" in module and ":" not in module)
    return is_path or found(Path(text)) is not None


def _labelled(text: str) -> tuple[str, str]:
    label, equals, module = text.partition("=")
    return (label, module) if equals else ("", text)


def _target(text: str) -> Target:
    label, module = _labelled(text)
    if ":" in module:
        file, _, name = module.partition(":")
        if "/" in file or file.endswith(".py"):
            dotted = file.removesuffix(".py").removeprefix("./").strip("/").replace("/", ".")
            if dotted.startswith("."):
                raise TargetError(
                    f"{text}: a path where the name of a Python file belongs; change to its folder "
                    f"and write {Path(file).stem}:{name}"
                )
            raise TargetError(
                f"{text}: a path where the name of a Python file belongs; write {dotted}:{name}, "
                "looked up from the current folder"
            )
        return Target(text, label or name or module, module)
    if module in names():
        return Target(text, label or module, module)
    if label:
        raise TargetError(f"{text}: unknown module {module}; {suggest(module, names(), 'modules')}")
    file, _, name = module.rpartition(".")
    if module in METRICS or module.isdigit():
        raise TargetError(
            f"{text}: no suite or module; values of an option are separated by commas"
        )
    if module.endswith(".py"):
        raise TargetError(f"{text}: a Python file; write the class in it, {file}:Class")
    if file and name[:1].isupper():
        raise TargetError(f"{text}: no module is called so; write {file}:{name}")
    raise unknown(Path(text), names())


def _told_apart(targets: Sequence[Target]) -> tuple[Target, ...]:
    """The targets, whole names in place of labels that classes of several files would share."""
    shared = Counter(each.label for each in targets)
    made = tuple(
        replace(each, label=each.module)
        if shared[each.label] > 1 and not _labelled(each.given)[0]
        else each
        for each in targets
    )
    label, number = Counter(each.label for each in made).most_common(1)[0]
    if number > 1:
        cure = f"put a label of its own in front of each, as in a={made[0].module}"
        raise TargetError(f"{label}: {number} rows of that label; {cure}")
    return made


Options = Mapping[str, Any]
"""Values by argument or axis, with `LABEL.` in front where one target alone is meant."""

_MOST_NAMED = 4  # targets in the name of their suite
_OPTIONS = {"measure": "metrics", "inputs": "input"}  # where the option is called otherwise


@dataclass(frozen=True)
class Asked:
    """Targets and what options say of them."""

    targets: tuple[Target, ...]
    arguments: Options  # of the constructors
    axes: Options  # of the grid of each target, lists of values
    conditions: Options  # of all targets: keys of a suite

    def __post_init__(self) -> None:
        known = {name for each in self.targets for name in (each.label, each.module)}
        for option, given in (("--with", self.arguments), ("--grid", self.axes)):
            for key in given:
                label = key.rpartition(".")[0]
                if label and label not in known:
                    cure = suggest(label, {each.label for each in self.targets}, "labels")
                    raise TargetError(f"{option} {key}: no module is called {label}; {cure}")
        axes = {axis for each in self.targets for axis in _of(each, self.axes)}
        for axis in axes & set(CASE_AXES) & self.conditions.keys():
            raise TargetError(f"--grid {axis}: --{axis} gives one already; leave one of the two")
        if "module" in axes:
            raise TargetError("--grid module: modules are no axis here; name them one by one")

    @property
    def name(self) -> str:
        """Of the suite, and so of the folder of its runs: `mlp-vs-gate`."""
        words = [re.sub(r"[^a-z0-9]+", "-", each.label.lower()).strip("-") for each in self.targets]
        more = len(words) - _MOST_NAMED
        end = f"-and-{more}-more" if more > 0 else ""
        name = "-vs-".join(filter(None, words[:_MOST_NAMED]))[: LONGEST_NAME - len(end)]
        name = f"{name.rstrip('-')}{end}".lstrip("-")
        return name if name and name != LATEST else "modules"

    def suite(self) -> dict[str, Any]:
        """What a suite file would hold."""
        cases = [self._case(each) for each in self.targets]
        return {"suite": self.name, **self.conditions, "cases": cases}

    def has_input(self) -> bool:
        """Whether every target has one."""
        return "input" in self.conditions or all(
            "input" in _of(each, self.axes) for each in self.targets
        )

    def _case(self, target: Target) -> dict[str, Any]:
        said = {
            key: {name: options[option] for name, option in _of(target, options).items()}
            for key, options in (("with", self.arguments), ("grid", self.axes))
        }
        named = {"label": target.label, "module": target.module}
        return named | {key: options for key, options in said.items() if options}

    def told(self, error: SuiteError) -> TargetError:
        """The mistakes of `suite()` in words of the command line."""
        places = {self._place(problem.where) for problem in error.problems}
        lines = dict.fromkeys(self._line(each, places) for each in error.problems)
        return TargetError("\n".join(lines))

    def _line(self, problem: Problem, places: Container[tuple[str, Target | None]]) -> str:
        """A mistake; where an option for all targets fits others, how they alone are given it."""
        place, target = self._place(problem.where)
        what, cure = problem.what, problem.cure
        if target is not None and place == target.given:
            what = what.removeprefix(f"{target.module} ")
        cure = re.sub(r"^add (\w+) to with$", r"add --with \1=VALUE", cure)
        if place.startswith("--grid") and "has no argument" in what:
            cure += "; axes of every module are input, dtype and pass"
        others = [each.label for each in self.targets if (place, each) not in places]
        if target is not None and place.startswith("--") and "." not in place and others:
            option, _, name = place.partition(" ")
            cure += f"; for {others[0]} alone write {option} {quote(others[0])}.{name}=..."
        return f"{one_line(place)}: {one_line(what)}; {one_line(cure)}"

    def _place(self, where: str) -> tuple[str, Target | None]:
        """What of the command line has said it, and of which target."""
        steps = where.split(".")
        if steps[0] != "cases" or len(steps) == 1:
            option = steps[0].removeprefix("option ")
            return f"--{_OPTIONS.get(option, option)}", None
        target = self.targets[int(steps[1])]
        options = {"with": self.arguments, "grid": self.axes}.get("".join(steps[2:3]), {})
        if len(steps) > 3 and (key := _of(target, options).get(steps[3])):
            return f"--{steps[2]} {key}", target
        return target.given, target


def _of(target: Target, options: Options) -> dict[str, str]:
    """By argument or axis of a target the option that says it; one that names it goes first."""
    found: dict[str, str] = {}
    for key in options:
        label, _, name = key.rpartition(".")
        if label in (target.label, target.module) or (not label and name not in found):
            found[name] = key
    return found
