"""From a suite file to a suite: every mistake of every file is found before anything runs."""

from collections.abc import Mapping
from dataclasses import replace
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from harness.case import DType, Job, as_plain
from harness.measure import SHARING
from harness.measure.inputs import is_shape
from harness.messages import HarnessError, suggest
from harness.suite import reader, tree
from harness.suite.document import SuiteError, details, validated, words
from harness.suite.draft import Check, Draft
from harness.suite.expand import Budget, Expansion
from harness.suite.imports import Probe, Refused, refused_files
from harness.suite.reader import Given, read_mapping
from harness.suite.recipe import MostSeeds, Points
from harness.suite.schema import DeviceChoice, MetricChoice, Repeats, Shape, SuiteSpec, Threads
from harness.suite.shipped import find
from harness.suite.suite import Overrides, Suite
from harness.suite.tree import Source

ARGUMENTS = ("weights", "backbone_weights")  # of a backbone, of a network that holds one


class WeightsError(HarnessError):
    """A file of weights that is not there, or that nothing takes."""


def with_weights(suite: Suite, file: Path) -> Suite:
    """The suite with the file in every case whose module, or whose recipe's network, takes weights.

    Raises:
        WeightsError: there is no such file, or no case takes weights.
    """
    if not file.is_file():
        raise WeightsError(f"weights {file}: there is no such file; give a .safetensors or .pth")
    path = str(file.resolve())
    found = suite.with_jobs(lambda job: _with_argument(job, path))
    if found == suite:
        raise WeightsError(
            f"weights {file}: no case takes weights; they belong to resnet, hrnet and segmentor, "
            "and to networks that are trained"
        )
    return found


def _with_argument(job: Job, path: str) -> Job:
    from harness.instantiate import signature_of

    taken = signature_of(job.case.module, job.search_path).parameters
    for name in filter(taken.__contains__, ARGUMENTS):
        case = replace(job.case, arguments={**job.case.arguments, name: path})
        return replace(job, case=case)
    if job.accuracy is None:
        return job
    recipe = job.accuracy["recipe"]
    network = {**recipe["network"], "backbone_weights": path}
    return replace(job, accuracy={**job.accuracy, "recipe": {**recipe, "network": network}})


class InputError(HarnessError):
    """An option gives fewer inputs than a module takes."""


def require_inputs(suite: Suite, count: int) -> None:
    """Refuse an option that gives every case so many inputs where a module takes more.

    Raises:
        InputError: names the first case and what it takes.
    """
    from harness.instantiate import resolve

    for job in suite.all_jobs():
        maker = resolve(job.case.module, job.search_path)
        if not isinstance(maker, type):
            continue
        try:
            taken = list(signature(maker.forward).parameters.values())[1:]  # type: ignore[attr-defined]
        except (TypeError, ValueError):  # of a class that is no Python
            continue
        kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
        needed = [each.name for each in taken if each.kind in kinds and each.default is each.empty]
        if len(needed) > count:
            raise InputError(
                f"input: {job.label} takes {len(needed)} ({', '.join(needed)}), not {count}; "
                "separate shapes by ';', or choose cases with --only"
            )


_OVERRIDE_TYPES: dict[str, TypeAdapter[Any]] = {
    "inputs": TypeAdapter(Annotated[tuple[Shape, ...], Field(min_length=1)]),
    "metrics": TypeAdapter(Annotated[tuple[MetricChoice, ...], Field(min_length=1)]),
    "device": TypeAdapter(DeviceChoice),
    "dtype": TypeAdapter(DType),
    "threads": TypeAdapter(Threads),
    "repeats": TypeAdapter(Repeats),
    "until_separated": TypeAdapter(Points),
    "max_seeds": TypeAdapter(MostSeeds),
}


def load(
    suite: Path | Given,
    overrides: Overrides | None = None,
    probe: Probe | None = None,
    check: Check | None = None,
) -> Suite:
    """Read a suite and what it includes, and write out every case.

    Args:
        suite: the YAML file, the name of one that comes with the harness, or what a file would
            hold as a Python mapping.
        overrides: what options change in every case.
        probe: tries the imports of users' files where they can end nothing; without one they are
            imported here at once.
        check: looks up what each file asks to see; without one that is left to whoever shows it.

    Raises:
        SuiteError: with every mistake of every file, in file order.
    """
    overrides = overrides or Overrides()
    suite = find(suite) if isinstance(suite, Path) else suite
    document = read_mapping(suite) if isinstance(suite, Mapping) else reader.read_file(suite)
    problems = []
    for name, adapter in _OVERRIDE_TYPES.items():
        try:
            if (value := getattr(overrides, name)) is not None:
                validated(adapter, value)
        except ValidationError as error:
            problems += [document.option_problem(name, *words(each)) for each in details(error)]
    folder = suite.parent if isinstance(suite, Path) else document.path.parent
    root = tree.read(document, folder)
    usable = Overrides() if problems else overrides
    refused = refused_files(root, usable, probe) if probe else {}
    drafts: list[Draft] = []
    loaded = _suite(root, usable, Budget(), refused, drafts)
    if check is not None:
        for draft in drafts:
            if draft.has_cases:
                check(draft)
    for source in root.walk():
        problems += sorted(source.document.problems, key=lambda p: (p.line, p.column))
    timed = loaded and not all(SHARING.issuperset(job.metrics) for job in loaded.all_jobs())
    if overrides.repeats is not None and not problems and not timed:
        what = "no case is timed, and every process would give the same"
        cure = "add latency to the metrics, or leave it out"
        problems.append(document.option_problem("repeats", what, cure))
    if loaded and not problems and (idle := _idle_rounds(loaded, overrides)) is not None:
        problems.append(document.option_problem(*idle))
    if problems or loaded is None:
        raise SuiteError(problems)
    return loaded if overrides.only is None else keep_only(loaded, overrides.only)


def _idle_rounds(suite: Suite, overrides: Overrides) -> tuple[str, str, str] | None:
    """An option about rounds of seeds that changes nothing, why, and the cure."""
    points = overrides.until_separated
    if points is None and overrides.max_seeds is None:
        return None
    name = "until_separated" if points is not None else "max_seeds"
    evaluations = [job.accuracy["evaluation"] for job in suite.all_jobs() if job.accuracy]
    if not evaluations:
        return name, "no case measures accuracy", "add accuracy to the metrics, or leave it out"
    if all(each["until_separated"] is None for each in evaluations):
        return name, "there are no rounds of seeds that it would end", "add until-separated"
    return None


def _suite(
    source: Source, overrides: Overrides, budget: Budget, refused: Refused, drafts: list[Draft]
) -> Suite | None:
    """The suite of one file, as far as it is right; it and those below are added to the drafts."""
    spec = source.spec
    if spec is None:
        for below in source.included:
            _suite(below, overrides, budget, refused, drafts)
        return None
    expansion = Expansion(source, spec, overrides, budget, refused)
    expansion.run()
    suite = Suite(
        name=spec.suite,
        title=spec.title or spec.suite,
        path=source.document.path,
        jobs=tuple(expansion.jobs),
        tables=spec.tables,
        plots=spec.plots,
        reference=spec.reference,
        convention=spec.convention or "flops",
        note=spec.note,
        notes=expansion.notes,
        document=source.document,
    )
    suite = _beside_nothing(suite) if _is_resized(spec, overrides) else suite
    drafts.append(Draft(source, suite, expansion.asked, expansion.is_open))
    included = [_suite(below, overrides, budget, refused, drafts) for below in source.included]
    return replace(suite, included=tuple(each for each in included if each is not None))


RESIZED = "measured at another input than the paper's"


def _is_resized(spec: SuiteSpec, overrides: Overrides) -> bool:
    """Whether an option gives inputs of another size than the file's."""
    if overrides.inputs is None:
        return False
    entries = (spec, *(spec.cases or ()))
    said = [each.input for each in entries if each.input is not None]
    said += [value for each in entries for value in each.grid.get("input", ())]
    said += [value for each in entries for value in each.zip_.get("input", ())]
    shapes = [[each] if is_shape(each) else each for each in said]
    return any(as_plain(each) != as_plain(overrides.inputs) for each in shapes)


def _beside_nothing(suite: Suite) -> Suite:
    """A suite at inputs of another size: what a paper prints is of its own."""
    if suite.reference is None:
        return suite
    note = f"Measured at inputs that an option gave, not at the suite's. {suite.note or ''}"
    tables = tuple(
        table.model_copy(
            update={
                "reported": False,
                "columns": tuple(each for each in table.columns if each != "verdict"),
            }
        )
        for table in suite.tables
    )
    reference = suite.reference.model_copy(update={"unjudged": RESIZED})
    title = f"{suite.title}; here at other inputs"
    return replace(suite, title=title, reference=reference, tables=tables, note=note.strip())


def keep_only(suite: Suite, only: tuple[str, ...]) -> Suite:
    """A loaded suite with the cases of these labels alone.

    Raises:
        SuiteError: no case has one of the labels; names the nearest.
    """
    assert suite.document is not None
    labels = {job.label for job in suite.all_jobs()}
    problems = [
        suite.document.option_problem(
            "only", f"no case is labelled {label}", suggest(label, labels, "labels")
        )
        for label in only
        if label not in labels
    ]
    if problems:
        raise SuiteError(problems)
    part = suite.with_jobs(lambda job: job if job.label in only else None)
    return replace(part, whole=suite)
