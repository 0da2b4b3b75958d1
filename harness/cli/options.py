"""Options that several commands take, and how their text is read."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.case import Device, Shape
from harness.cli.spread import RESUME
from harness.messages import OptionError
from harness.records.names import DEFAULT_ROOT, find_run, runs_below, suites_in, tags_in
from harness.records.run_directory import DESCRIPTION, LATEST

if TYPE_CHECKING:
    from harness.suite.suite import Overrides

MODULE, RUN = "module", "run"
"""What `harness show` is told to show."""

_DEVICES = ("auto", "cpu", "cuda")
_DTYPES = ("float32", "float64", "float16", "bfloat16")


def suites(incomplete: str) -> list[str]:
    """YAML files and shipped suites; without any, the shell completes folders by itself."""
    from harness.suite.shipped import ENDINGS

    files = [path for path in _beside(incomplete) if path.endswith(ENDINGS)]
    # Before anything is written, a user's own files are not lost among ours.
    return files + (suite_names(incomplete) if incomplete or not files else [])


def suite_names(incomplete: str) -> list[str]:
    """Suites that come with the harness."""
    from harness.suite.shipped import shipped

    return _starting(shipped(), incomplete)


def suites_or_modules(incomplete: str) -> list[str]:
    """What `harness run` takes, as far as it has a name."""
    return suites(incomplete) + [name for name, _ in modules(incomplete) if incomplete]


def runs(incomplete: str) -> list[str]:
    """Names of runs: `latest`, suites, tags, ids; behind a folder what it holds."""
    folder, slash, _ = incomplete.rpartition("/")
    if slash:
        # As `find_run` looks: from here, then from the folder of all runs.
        for place in (Path(folder or slash), DEFAULT_ROOT / folder):
            names = [name for name in _names(place) if runs_below(place / name)]
            names += [name for name in _names(place) if (place / name / DESCRIPTION).is_file()]
            if found := _starting([f"{folder}{slash}{name}" for name in names], incomplete):
                return sorted(found)
        return []
    suites = suites_in(DEFAULT_ROOT)
    found = _starting([LATEST, *suites, *tags_in(DEFAULT_ROOT)] if suites else [], incomplete)
    if incomplete:  # before anything is written, ids would hide the short names
        long = [*(f"{DEFAULT_ROOT}/{name}" for name in suites)]
        long += [run.name for run in runs_below(DEFAULT_ROOT)]
        found += _starting(long, incomplete)
    return found


def suites_run(incomplete: str) -> list[str]:
    """Suites of which there are runs."""
    return _starting(suites_in(DEFAULT_ROOT), incomplete)


def tags(incomplete: str) -> list[str]:
    """Tags that runs have."""
    return _starting(tags_in(DEFAULT_ROOT), incomplete)


def modules(incomplete: str) -> list[tuple[str, str]]:
    """Names of the catalog with their descriptions."""
    from context_modules.catalog import CATALOG

    return [(e.name, e.description) for e in CATALOG if e.name.startswith(incomplete)]


def modules_or_runs(incomplete: str) -> list[tuple[str, str]]:
    """What `harness show` takes."""
    kinds = [(RUN, "the tables of a run"), (MODULE, "what a module takes and costs")]
    found = [(name, "") for name in runs(incomplete)]
    return modules(incomplete) + found + [each for each in kinds if each[0].startswith(incomplete)]


def metrics(incomplete: str) -> list[str]:
    """Names of metrics, of a list the last one; each once."""
    from harness.measure import METRICS

    before, comma, last = incomplete.rpartition(",")
    given = before.split(",")
    names = [name for name in ("static", *METRICS) if name not in given]
    return [f"{before}{comma}{name}" for name in _starting(names, last)]


def engines(incomplete: str) -> list[str]:
    """Names of engines."""
    from harness.engines.engine import ENGINES, LOCAL

    return _starting((LOCAL, *ENGINES), incomplete)


def table_formats(incomplete: str) -> list[str]:
    """Formats of tables."""
    from harness.present.forms import TABLE_FORMATS

    return _starting(TABLE_FORMATS, incomplete)


def export_formats(incomplete: str) -> list[str]:
    """Formats of other tools."""
    from harness.present.exporters.exported import EXPORTERS, MLFLOW

    return _starting((*EXPORTERS, MLFLOW), incomplete)


def figures(incomplete: str) -> list[str]:
    """Sizes of plots."""
    from harness.present.plots.sheet import FIGURES

    return _starting(FIGURES, incomplete)


def among(names: tuple[str, ...]) -> Callable[[str], list[str]]:
    """Completes an option of few values."""

    def complete(incomplete: str) -> list[str]:
        return _starting(names, incomplete)

    return complete


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


SuiteFile = Annotated[
    Path,
    typer.Argument(
        metavar="SUITE",
        help="A suite file (YAML), or a name of `harness list suites`.",
        autocompletion=suites,
    ),
]
Input = Annotated[
    str | None,
    typer.Option(
        "--input",
        metavar="B,C,H,W",
        help="Shape of the input of every case; several inputs are separated by ';'.",
    ),
]
Only = Annotated[
    list[str] | None, typer.Option("--only", metavar="LABEL", help="Only this case; repeatable.")
]
Metrics = Annotated[
    str | None,
    typer.Option(
        help="'static', or names separated by commas: params,flops,memory,latency.",
        autocompletion=metrics,
    ),
]
DeviceName = Annotated[
    str | None, typer.Option(help="auto, cpu or cuda.", autocompletion=among(_DEVICES))
]
FloatType = Annotated[
    str | None,
    typer.Option(help="float32, float64, float16 or bfloat16.", autocompletion=among(_DTYPES)),
]
Threads = Annotated[int | None, typer.Option(help="CPU threads of every case.")]
Repeats = Annotated[
    int | None,
    typer.Option(metavar="N", help="Fresh processes of every case that is timed, in rounds."),
]
UntilSeparated = Annotated[
    float | None,
    typer.Option(
        metavar="POINTS",
        help="More seeds by rounds, for the rows that are not told apart yet and whose differences "
        "are not known to POINTS of mIoU.",
    ),
]
MaxSeeds = Annotated[
    int | None,
    typer.Option(metavar="N", help="Seeds of a row at which --until-separated ends; 12 if absent."),
]
RUN_HELP = "A run: its suite, `latest`, an id, a tag or a path."
RunName = Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP, autocompletion=runs)]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="NAME", help="By which the run is found, too; repeatable."),
]
Note = Annotated[
    str | None, typer.Option(metavar="TEXT", help="On the run; lists and reports show it.")
]

Notes = Annotated[
    bool,
    typer.Option(
        "--notes",
        help="Below each table all of its notes: what is counted, versions, machine, warnings.",
    ),
]

Why = Annotated[bool, typer.Option("--why", help="Below each table the reasons of its verdicts.")]

Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Tables alone; of progress only what fails.")
]

Plots = Annotated[
    bool,
    typer.Option("--plots", help="Of a run: draw its plots anew, as PNG, SVG and PDF."),
]
PlotsFolder = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR|FILE",
        help="Folder of plots, or file of a picture (.png, .svg, .pdf); plots/ or pictures/ in the "
        "run's directory if absent.",
    ),
]
FigureSize = Annotated[
    str | None,
    typer.Option(
        "--figure",
        metavar="SIZE",
        help="Of plots: column or page (if absent) of a paper, or slide.",
        autocompletion=figures,
    ),
]
FontName = Annotated[
    str | None,
    typer.Option("--font", metavar="NAME", help="Of plots: a font that is installed."),
]
Titled = Annotated[
    bool,
    typer.Option(
        "--titled", help="Of plots: title and notes in the figure, not only beside it as text."
    ),
]

EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="NAME",
        help="Where cases run: local, ray or slurm.",
        autocompletion=engines,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT", help="The cluster that the engine asks; its default if absent."
    ),
]
EngineOptions = Annotated[
    list[str] | None,
    typer.Option("--engine-option", metavar="KEY=VALUE", help="Of the engine; repeatable."),
]

MixMachines = Annotated[
    bool,
    typer.Option(
        "--mix-machines", help="Times of different machines may stand in one column; it says so."
    ),
]

Resume = Annotated[
    str | None,
    typer.Option(
        RESUME,
        metavar="[RUN]",
        help="Go on with a run, by path, id or tag; without RUN with the latest of the same cases. "
        "What is still true is kept.",
        autocompletion=runs,
    ),
]

Jobs = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        help="Trainings at once on this machine, ahead of the measurements; what is timed runs "
        "alone.",
    ),
]


def found_run(name: str | Path) -> Path:
    """The directory of the run that is called so; see `harness.records.names.find_run`."""
    return find_run(name, DEFAULT_ROOT)


def parse_shapes(text: str) -> tuple[Shape, ...]:
    """`1,2048,64,96` or `1,1024,97,97;1,2048,97,97`.

    Raises:
        OptionError: not whole numbers, or smaller than 1.
    """
    cure = "write e.g. 1,2048,64,96"
    try:
        shapes = tuple(
            tuple(int(size) for size in shape.split(",")) for shape in text.split(";") if shape
        )
    except ValueError as error:
        what = "sizes are whole numbers separated by commas"
        raise OptionError(f"--input {text}: {what}; {cure}") from error
    if not shapes or min(size for shape in shapes for size in shape) < 1:
        raise OptionError(f"--input {text}: sizes are at least 1; {cure}")
    return shapes


def overrides_of(
    input_: str | None,
    only: list[str] | None,
    device: str | None,
    dtype: str | None,
    threads: int | None,
    *,
    metrics: str | None = None,
    repeats: int | None = None,
    until_separated: float | None = None,
    max_seeds: int | None = None,
) -> "Overrides":
    """What the options of a command change in every case."""
    from harness.suite.suite import Overrides, names_of

    return Overrides(
        inputs=parse_shapes(input_) if input_ else None,
        metrics=names_of(metrics),
        device=device,
        dtype=dtype,
        threads=threads,
        repeats=repeats,
        only=tuple(only) if only else None,
        until_separated=until_separated,
        max_seeds=max_seeds,
    )


def chosen_device(device: str) -> Device:
    """What `--device` of a command without a suite means here.

    Raises:
        OptionError: there is no such device, or not here.
    """
    import torch

    from harness.suite.schema import require_no_index

    try:
        require_no_index(device)
    except ValueError as error:
        raise OptionError(f"--device: {error}") from error
    if device not in ("auto", "cpu", "cuda"):
        raise OptionError(f"--device {device}: no such device; write auto, cpu or cuda")
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise OptionError("--device cuda: PyTorch sees no GPU here; write --device cpu")
    return "cuda" if device != "cpu" and available else "cpu"


def parse_pairs(option: str, texts: list[str] | None) -> dict[str, str]:
    """`["partition=gpu", "time=60"]` as a mapping.

    Raises:
        OptionError: a text without `=`, or a key that is given twice.
    """
    pairs: dict[str, str] = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise OptionError(f"{option} {text}: no KEY=VALUE; write e.g. {option} partition=gpu")
        if key.strip() in pairs:
            raise OptionError(f"{option} {text}: {key.strip()} is given twice; leave one")
        pairs[key.strip()] = value.strip()
    return pairs


def parse_arguments(option: str, texts: list[str]) -> dict[str, Any]:
    """`["bins=[1, 2]"]` as keyword arguments of a module, their values read as YAML.

    Raises:
        OptionError: a value that is no YAML, a text without `=`, or a name that is given twice.
    """
    return _parsed(option, texts, "NAME=VALUE", "{}")


def parse_axes(option: str, texts: list[str]) -> dict[str, list[Any]]:
    """`["bins=[1],[1, 2]"]` as axes: what stands between the outer commas is each read as YAML.

    Raises:
        OptionError: as `parse_arguments`, or an axis without a value.
    """
    axes = _parsed(option, texts, "AXIS=VALUE,VALUE", "[{}]")
    for axis, values in axes.items():
        if not values:
            raise OptionError(f"{option} {axis}=: no value; write {option} {axis}=VALUE,VALUE")
    return axes


def _parsed(option: str, texts: list[str], form: str, frame: str) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    found: dict[str, Any] = {}
    for given in texts:
        name, equals, value = given.partition("=")
        try:
            read = YAML(typ="safe", pure=True).load(frame.format(value))
        except (YAMLError, ValueError) as error:
            raise OptionError(f"{option} {given}: the value is not YAML; quote it") from error
        if not equals or not name:
            raise OptionError(f"{option} {given}: no value; write {option} {form}")
        if name in found:
            raise OptionError(f"{option} {given}: {name} is given twice; leave one")
        found[name] = read
    return found
