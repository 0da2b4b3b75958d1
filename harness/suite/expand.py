"""The cases of one suite file, written out."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness import instantiate
from harness.case import Case, Device, Job
from harness.environment.gpu import cuda_is_available
from harness.instantiate import ModuleError
from harness.measure import SHARING, STATIC, inputs
from harness.measure.own import Declared, MetricError, is_own, metric_target, own_function
from harness.messages import CuredError, quote, suggest
from harness.records.quantities.registry import is_taken
from harness.signature import ArgumentTypeError, Signature, convert
from harness.suite.accuracy import Accuracies
from harness.suite.document import written
from harness.suite.entry import Combination, Place, Recipe
from harness.suite.imports import Refused, require_importable, search_path_of
from harness.suite.schema import CASE_AXES, MOST_CASES, SuiteSpec, timing
from harness.suite.suite import Overrides
from harness.suite.tree import Source


@dataclass(eq=False)
class Constructors:
    """Signatures by module name, each module imported and each mistake reported once."""

    search_path: tuple[str, ...]  # folders of a user's own modules
    refused: Refused  # files that must not be imported
    _known: dict[str, Signature | ModuleError] = field(default_factory=dict)
    _checked: set[tuple[object, ...]] = field(default_factory=set)

    def signature(self, recipe: Recipe, place: Place, module: str) -> Signature | None:
        """The signature of a module; `None` after reporting that there is none."""
        if module not in self._known:
            try:
                target = instantiate.target_of(module)
                require_importable(self.refused, self.search_path, target)
                self._known[module] = instantiate.signature_of(module, self.search_path)
            except ModuleError as error:
                self._known[module] = error
        found = self._known[module]
        if isinstance(found, Signature):
            return found
        if self.is_first(recipe, place, module):
            recipe.document.report(place, found.what, found.cure)
        return None

    def check(
        self,
        recipe: Recipe,
        module: str,
        signature: Signature,
        places: Mapping[str, tuple[Place, Any]],
    ) -> None:
        """Report arguments that are unknown or of a wrong type.

        Args:
            recipe: the entry that makes the case.
            module: its module.
            signature: of the module.
            places: argument: where it stands, and its value.
        """
        for name, (place, value) in places.items():
            if self.is_first(recipe, place, module):  # the place says which value
                parameter = signature.parameters.get(name)
                if parameter is not None:
                    try:
                        convert(value, parameter.hint)
                    except ArgumentTypeError as error:
                        what = f"{error} as {module} takes it, not {written(value)}"
                        recipe.document.report(place, what, "correct the value")
                elif not signature.takes_any:
                    key_place = place[: len(recipe.place) + 2]  # without an axis' index
                    if self.is_first(recipe, key_place, module, "unknown"):
                        cure = suggest(name, signature.parameters, "arguments")
                        what = f"{module} has no argument {name}"
                        recipe.document.report(key_place, what, cure, key=True)

    def check_missing(
        self, recipe: Recipe, module: str, signature: Signature, given: Mapping[str, Any]
    ) -> None:
        """Report required arguments that nothing gives."""
        for name in signature.missing(given.keys()):
            if self.is_first(recipe, recipe.place, module, name, "missing"):
                what = f"{instantiate.shown_name(module)} needs the argument {name}"
                recipe.document.report(recipe.place, what, f"add {name} to with", absent="with")

    def parameters(self) -> tuple[str, ...]:
        """Every argument of every module that was read."""
        read = (found for found in self._known.values() if isinstance(found, Signature))
        return tuple({name for signature in read for name in signature.parameters})

    def is_first(self, recipe: Recipe, *what: object) -> bool:
        """Whether this is asked for the first time."""
        key = (recipe.document.path, *what)
        if key in self._checked:
            return False
        self._checked.add(key)
        return True


@dataclass(eq=False)
class OwnMetrics:
    """Users' metrics of one file, each imported and each mistake reported once."""

    source: Source  # the file
    by_option: tuple[str, ...]  # those that the command line names
    refused: Refused  # files that must not be imported
    _known: dict[str, Declared | MetricError] = field(default_factory=dict)
    _giver: dict[str, str] = field(default_factory=dict)  # stored name: the metric that declares it
    _reported: set[tuple[Place, str]] = field(default_factory=set)

    def declared(self, recipe: Recipe, measured: tuple[str, ...]) -> dict[str, Mapping[str, Any]]:
        """What the metrics of an entry declare, by stored name; mistakes go to the document."""
        found: dict[str, Mapping[str, Any]] = {}
        for name in filter(is_own, measured):
            if name not in self._known:
                try:
                    path = search_path_of(self.source)
                    require_importable(self.refused, path, metric_target(name))
                    self._known[name] = own_function(name, path)[1]
                except CuredError as error:
                    self._known[name] = MetricError(error.what, error.cure)
            said = self._known[name]
            wrong = said if isinstance(said, MetricError) else self._taken(recipe, name, said)
            if wrong is not None:
                self._report(recipe, name, wrong)
            elif not isinstance(said, MetricError):
                found.update(said)
        return found

    def _taken(self, recipe: Recipe, metric: str, said: Declared) -> MetricError | None:
        for name in said:
            what = f"{metric} declares {name}, which is "
            if is_taken(name):
                return MetricError(f"{what}a quantity of the harness", "give it another name")
            if name in recipe.axes:
                return MetricError(f"{what}an axis of the grid", "give one of the two another name")
            if (giver := self._giver.setdefault(name, metric)) != metric:
                return MetricError(f"{what}declared by {giver}", "give it another name")
        return None

    def _report(self, recipe: Recipe, name: str, error: MetricError) -> None:
        document, said = recipe.document, recipe.spec.measure
        place: Place = ("measure",) if said is None else (*recipe.place, "measure")
        measure = self.source.spec.measure if said is None and self.source.spec else said
        if isinstance(measure, tuple) and name in measure:
            place = (*place, measure.index(name))
        if (place, name) in self._reported:
            return
        self._reported.add((place, name))
        if name in self.by_option:
            document.problems.append(document.option_problem("metrics", error.what, error.cure))
        else:
            document.report(place, error.what, error.cure)


DEFAULT_TIMEOUT = 600.0
"""Seconds."""


@dataclass(eq=False)
class Budget:
    """Cases that the tree of suites may still add."""

    left: int = MOST_CASES


_ASKED_FOR = ("memory_kept", "witness")
"""What a suite asks for by name; the option `static` alone does not add it."""


@dataclass(eq=False)
class Expansion:
    """Makes the jobs of one file; mistakes go to its document."""

    source: Source  # the file
    spec: SuiteSpec  # what it says
    overrides: Overrides  # what the command line changes
    budget: Budget  # shared by all files of the tree
    refused: Refused  # files that must not be imported
    jobs: list[Job] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    # label of a case: what the file measures of it, whatever options say
    asked: dict[str, tuple[str, ...]] = field(default_factory=dict)
    is_open: bool = False  # whether an entry is so wrong that the labels of its cases are not known
    _used_defaults: set[str] = field(default_factory=set)
    _unchecked: bool = False
    _constructors: Constructors = field(init=False)
    _own: OwnMetrics = field(init=False)
    _accuracies: Accuracies = field(init=False)
    _repeats: dict[str, int] = field(default_factory=dict)

    def run(self) -> None:
        """Fill `jobs` and `notes`."""
        self._constructors = Constructors(search_path_of(self.source), self.refused)
        by_option = self.overrides.metrics or ()
        self._own = OwnMetrics(self.source, by_option, self.refused)
        names = ("until_separated", "max_seeds")
        rounds = {name: getattr(self.overrides, name) for name in names}
        self._accuracies = Accuracies(self.source, self.spec, self.overrides.data_root, rounds)
        first: dict[str, str] = {}
        for recipe in self._recipes():
            made = list(self._jobs(recipe))
            self._check_labels(recipe, made, first)
            self.jobs += made
            self.asked.update({job.label: self._asked(recipe) for job in made})
            self._repeats.update({job.label: self._processes(recipe) for job in made})
            if recipe.spec.note is not None and recipe.place:
                self.notes.update({job.label: recipe.spec.note for job in made})
        if not self._unchecked and self.source.complete and not self.source.lost_cases:
            for name in self.spec.with_.keys() - self._used_defaults:  # misspelt ones
                what = "no case's module has this argument"
                cure = suggest(name, self._constructors.parameters(), "arguments")
                self.source.document.report(("with", name), what, cure, key=True)
        # Every case once, then every case a second time, and so on: processes of one case are so
        # spread over the run, and what drifts meets all cases alike.
        self.jobs = [
            replace(job, replicate=number)
            for number in range(1, max(self._repeats.values(), default=1) + 1)
            for job in self.jobs
            if number <= self._repeats[job.label]
        ]

    def number(self) -> int:
        """How many jobs `run` would make of a file without mistakes."""
        return sum(
            len(recipe.combinations(self.budget.left) or ()) * self._processes(recipe)
            for recipe in self._recipes()
        )

    def _recipes(self) -> Iterator[Recipe]:
        """The entries that make cases, after what is wrong at the top is reported."""
        document, spec, forced = self.source.document, self.spec, _forced(self.overrides)
        if spec.cases is not None:
            for key in ("module", "label", "grid", "zip", "exclude"):
                if key in self.source.data:
                    what, cure = "stands beside cases", f"move {key} into a case, or remove cases"
                    document.report((key,), what, cure, key=True)
            for index, case in zip(self.source.original, spec.cases, strict=True):
                yield Recipe(document, ("cases", index), case, forced)
            return
        has_module = spec.module is not None or "module" in {*spec.grid, *spec.zip_}
        if self.source.complete and not self.source.lost_cases:
            if spec.module or spec.label or spec.grid or spec.zip_ or spec.exclude:
                if not has_module:
                    document.report((), "missing required key", "add module: ...", absent="module")
            elif not spec.include:
                document.report((), "nothing to measure", "add cases, module or include")
        if has_module:
            yield Recipe(document, (), spec, forced)

    def _jobs(self, recipe: Recipe) -> Iterator[Job]:
        before = len(recipe.document.problems)
        processes = self._processes(recipe)
        combinations = recipe.combinations(self.budget.left // processes)
        if combinations is None or not self._has(
            recipe, "module", recipe.spec.module, "add module: name"
        ):
            self._unchecked = self.is_open = True
            return
        self.budget.left -= len(combinations) * processes
        shape = recipe.spec.input or self.spec.input or self.overrides.inputs
        cure = "add input: [B, C, H, W] here or for the whole suite"
        self._has(recipe, "input", shape, cure, sure=self.source.complete)
        has_label = recipe.check_label()
        self.is_open |= not has_label
        asked, measured = self._asked(recipe), self._metrics(recipe)
        # Also of what an option leaves out: columns of the file name it.
        declared = self._own.declared(recipe, tuple(dict.fromkeys((*asked, *measured))))
        accuracy = self._accuracies.of(recipe) if "accuracy" in measured else None
        for combination in combinations:
            module = str(combination.get("module", recipe.spec.module))
            arguments = self._arguments(recipe, module, combination) or {}
            if has_label:
                # Also of a case with mistakes: columns and references speak of its label and axes.
                job = self._job(
                    recipe, module, arguments, combination, measured=measured, accuracy=accuracy
                )
                yield replace(job, declared=declared) if declared else job
        self._unchecked |= len(recipe.document.problems) > before

    def _processes(self, recipe: Recipe) -> int:
        timed = not SHARING.issuperset(self._metrics(recipe))
        forced = self.overrides.repeats if timed else None
        return int(_first(forced, recipe.spec.repeats, self.spec.repeats, 1))

    def _has(self, recipe: Recipe, key: str, given: Any, cure: str, *, sure: bool = True) -> bool:
        if given is not None or key in recipe.axes:
            return True
        if sure:
            recipe.document.report(recipe.place, "missing required key", cure, absent=key)
        return False

    def _arguments(
        self, recipe: Recipe, module: str, combination: Combination
    ) -> dict[str, Any] | None:
        """Arguments of a case: the suite's defaults, then the case's, then the axes'."""
        place: Place = (*recipe.place, "module")
        if "module" in combination:
            place = recipe.place_of("module", module)
        signature = self._constructors.signature(recipe, place, module)
        if signature is None:
            return None
        given: dict[str, tuple[Place, Any]] = {
            name: (("with", name), value)
            for name, value in self.spec.with_.items()
            if signature.accepts(name)
        }
        self._used_defaults.update(given)
        if recipe.place:
            given |= {
                name: ((*recipe.place, "with", name), value)
                for name, value in recipe.spec.with_.items()
            }
        given |= {
            axis: (recipe.place_of(axis, value), value)
            for axis, value in combination.items()
            if axis not in CASE_AXES
        }
        self._constructors.check(recipe, module, signature, given)
        if self.source.complete:
            self._constructors.check_missing(recipe, module, signature, given)
        return {name: value for name, (_, value) in given.items()}

    def _job(
        self,
        recipe: Recipe,
        module: str,
        arguments: dict[str, Any],
        combination: Combination,
        *,
        measured: tuple[str, ...],
        accuracy: dict[str, Any] | None,
    ) -> Job:
        spec = recipe.spec
        threads = _first(self.overrides.threads, spec.threads, self.spec.threads)
        given = self._condition(recipe, combination, "input", None)
        shapes, call = ((), None) if given is None else inputs.as_call(given)
        device = _device(_first(self.overrides.device, spec.device, self.spec.device, "auto"))
        float32 = _first(spec.float32, self.spec.float32, "default")
        case = Case(
            module=module,
            arguments=arguments,
            inputs=shapes,
            device=device,
            dtype=self._condition(recipe, combination, "dtype", "float32"),
            pass_=self._condition(recipe, combination, "pass", "inference"),
            channels_last=_first(spec.channels_last, self.spec.channels_last, False),
            compile=_first(spec.compile, self.spec.compile, False),
            autocast=_first(spec.autocast, self.spec.autocast),
            call=call,
            prepare=self._prepare(recipe),
            # On the CPU it decides nothing, and the case is the same as without.
            float32=None if device == "cpu" or float32 == "default" else float32,
        )
        counting = self._counting(recipe)
        named = (module, *measured, *case.prepare, *counting.values())
        return Job(
            suite=self.spec.suite,
            label=recipe.label(module, combination),
            case=case,
            metrics=measured,
            timeout=_first(spec.timeout, self.spec.timeout, DEFAULT_TIMEOUT),
            threads=threads,
            seed=_first(spec.seed, self.spec.seed, 0),
            search_path=search_path_of(self.source) if ":" in "".join(named) else (),
            factors=dict(combination),
            timing=timing(spec.latency, self.spec.latency),
            force=self.overrides.force,
            accuracy=accuracy,
            counting=counting,
            depends_on=self._depends_on(recipe),
        )

    def _prepare(self, recipe: Recipe) -> tuple[str, ...]:
        """Steps of `prepare`; functions that cannot be imported are reported."""
        said = recipe.spec.prepare
        steps = _listed(_first(said, self.spec.prepare, ()))
        at: Place = ("prepare",) if said is None else (*recipe.place, "prepare")
        for step in steps:
            if ":" in step:
                self._require_function(recipe, at, step)
        return steps

    def _counting(self, recipe: Recipe) -> dict[str, str]:
        """Users' rules by operator; functions that cannot be imported are reported."""
        found: dict[str, str] = {}
        for place, spec in {(): self.spec, recipe.place: recipe.spec}.items():
            for operator, function in spec.counting.items():
                self._require_function(recipe, (*place, "counting", operator), function)
            found |= spec.counting
        return found

    def _require_function(self, recipe: Recipe, at: Place, name: str) -> None:
        if not self._constructors.is_first(recipe, at, name):
            return
        path = search_path_of(self.source)
        try:
            require_importable(self._own.refused, path, name)
            instantiate.load_name(name, path, "function")
        except ModuleError as error:
            recipe.document.report(at, error.what, error.cure)

    def _depends_on(self, recipe: Recipe) -> tuple[str, ...]:
        """Absolute paths of what suite and entry name; those that are not there are reported."""
        folder = self.source.document.path.parent
        found = []
        for place, spec in {(): self.spec, recipe.place: recipe.spec}.items():
            for number, name in enumerate(spec.depends_on):
                at = (*place, "depends_on", number)
                path = folder / Path(name).expanduser()
                if not path.exists() and self._constructors.is_first(recipe, at):
                    cure = "check the path, it is taken from the suite's folder"
                    recipe.document.report(at, f"no such file or folder: {name}", cure)
                found.append(str(path.resolve()))
        return tuple(dict.fromkeys(found))

    def _asked(self, recipe: Recipe) -> tuple[str, ...]:
        return metrics(_first(recipe.spec.measure, self.spec.measure, "static"))

    def _metrics(self, recipe: Recipe) -> tuple[str, ...]:
        asked = self._asked(recipe)
        if self.overrides.metrics is None:
            return asked
        forced = metrics(self.overrides.metrics)
        if "static" not in self.overrides.metrics:
            return forced
        said = {*asked, *self.overrides.metrics}
        return tuple(name for name in forced if name in said or name not in _ASKED_FOR)

    def _condition(self, recipe: Recipe, combination: Combination, key: str, default: Any) -> Any:
        name = "pass_" if key == "pass" else key
        return _first(
            _forced(self.overrides).get(key),
            combination.get(key),
            getattr(recipe.spec, name),
            getattr(self.spec, name),
            default,
        )

    def _check_labels(self, recipe: Recipe, made: list[Job], first: dict[str, str]) -> None:
        for job in made:
            if job.label in first:
                what = f"duplicate label {quote(job.label)}, as {first[job.label]}"
                cure = (
                    "name every axis in the label" if job.factors else "give it a label of its own"
                )
                recipe.report(("label",), what, cure)
                return
            first[job.label] = ".".join(map(str, recipe.place)) or "the same label"


def number_of_cases(source: Source) -> int:
    """Processes of the cases of a file without mistakes, without what it includes.

    Imports no module, and so takes milliseconds.
    """
    spec = source.spec
    return 0 if spec is None else Expansion(source, spec, Overrides(), Budget(), {}).number()


def metrics(choice: str | tuple[str, ...]) -> tuple[str, ...]:
    """Names of metrics, `static` written out, each once."""
    expanded = (name for one in _listed(choice) for name in (STATIC if one == "static" else (one,)))
    return tuple(dict.fromkeys(expanded))


def _listed(choice: str | tuple[str, ...]) -> tuple[str, ...]:
    return (choice,) if isinstance(choice, str) else choice


def _forced(overrides: Overrides) -> Combination:
    """Axes that the command line fixes, as JSON values."""
    forced: Combination = {}
    if overrides.inputs is not None:
        shapes = [list(shape) for shape in overrides.inputs]
        forced["input"] = shapes[0] if len(shapes) == 1 else shapes
    if overrides.dtype is not None:
        forced["dtype"] = overrides.dtype
    return forced


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


@functools.cache
def _device(choice: str) -> Device:
    if choice == "auto":
        return "cuda" if cuda_is_available() else "cpu"
    return "cuda" if choice == "cuda" else "cpu"
