"""Running a suite: `harness.run`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from harness.api.run import Run
from harness.case import Shape
from harness.engines.engine import LOCAL, Engine, make_engine
from harness.engines.process.imports import probe
from harness.engines.process.server import start_server
from harness.messages import HarnessError, OptionError, quote
from harness.present.check import check
from harness.runner import DEFAULT_ROOT, Listener, Resumed, execute
from harness.suite.loader import load, require_inputs, with_weights
from harness.suite.suite import Overrides, Suite, names_of
from harness.training.ahead import train_ahead
from harness.training.rounds import further

SuiteLike = str | Path | Mapping[str, Any] | Suite
"""A suite file or the name of a shipped one, the same as a mapping, or a suite that is loaded."""


def validate(
    suite: SuiteLike,
    *,
    input: Sequence[Any] | None = None,  # noqa: A002 - the word of suites
    only: str | Iterable[str] | None = None,
    metrics: str | Iterable[str] | None = None,
    device: str | None = None,
    dtype: str | None = None,
    threads: int | None = None,
    repeats: int | None = None,
    until_separated: float | None = None,
    max_seeds: int | None = None,
    weights: str | Path | None = None,
    data_root: str | Path | None = None,
    force: bool = False,
) -> Suite:
    """Read a suite and check all that it names: modules, arguments, columns, printed figures.

    Args:
        suite: the path of a YAML file or the name of a suite that comes with the harness, such as
            `efficiency`; or the same as a mapping of plain values. In a mapping a class may stand
            for its name, as may a module that is made or a function that makes one; what no other
            process can import is measured in this one, and its row says so. Paths are taken from
            the current directory.
        input: shape of every case's input, batch first, or one shape per argument of `forward`.
        only: labels of the cases to keep.
        metrics: names, or `static`; a text may hold several, separated by commas.
        device: `auto`, `cpu` or `cuda`, of every case.
        dtype: `float32`, `float64`, `float16` or `bfloat16`, of every case.
        threads: CPU threads of every case.
        repeats: fresh processes of every case that is timed, whatever the suite says.
        until_separated: points of mIoU: rows get more seeds by rounds until they are told apart or
            their differences are known to so many points.
        max_seeds: of a row, at which rounds end; 12 if nothing is said.
        weights: file of backbone weights (safetensors, or a torch file).
        data_root: folder of the images that accuracy is measured on.
        force: run also what is predicted not to fit into the free memory.

    Returns:
        The suite with every case written out.

    Raises:
        SuiteError: with every mistake of every file, one line each with its place and cure.
        OptionError: options beside a suite that is loaded already.
    """
    overrides = Overrides(
        inputs=None if input is None else shapes_of(input),
        metrics=names_of(metrics),
        device=device,
        dtype=dtype,
        threads=threads,
        repeats=repeats,
        only=(only,) if isinstance(only, str) else None if only is None else tuple(only),
        force=force,
        data_root=None if data_root is None else Path(data_root),
        until_separated=until_separated,
        max_seeds=max_seeds,
    )
    if not isinstance(suite, (Suite, Mapping, str, Path)):
        raise OptionError(
            f"{quote(suite)} is no suite; give a file, the name of a shipped one, or a mapping: "
            '{"suite": "mine", "module": Mine, "input": (1, 512, 97, 97)}'
        )
    if not isinstance(suite, Suite):
        source = suite if isinstance(suite, Mapping) else Path(suite)
        loaded = load(source, overrides, probe, check)
    elif overrides == Overrides():
        loaded = suite
    else:
        raise OptionError(
            f"suite {suite.name} is loaded already, which options come too late for; "
            "give them to harness.validate, or give the path of its file here"
        )
    if overrides.inputs is not None:
        require_inputs(loaded, len(overrides.inputs))
    return loaded if weights is None else with_weights(loaded, Path(weights))


def shapes_of(given: Sequence[Any]) -> tuple[Shape, ...]:
    """One shape, or several, as a tuple of shapes.

    Raises:
        OptionError: it is text.
    """
    if isinstance(given, str):
        raise OptionError(f"input {given}: write numbers, such as input=(1, 2048, 64, 96)")
    several = bool(given) and isinstance(given[0], Sequence)
    return tuple(tuple(shape) for shape in (given if several else [given]))


def run(
    suite: SuiteLike,
    *,
    input: Sequence[Any] | None = None,  # noqa: A002 - the word of suites
    only: str | Iterable[str] | None = None,
    metrics: str | Iterable[str] | None = None,
    device: str | None = None,
    dtype: str | None = None,
    threads: int | None = None,
    repeats: int | None = None,
    until_separated: float | None = None,
    max_seeds: int | None = None,
    weights: str | Path | None = None,
    data_root: str | Path | None = None,
    out: str | Path = DEFAULT_ROOT,
    force: bool = False,
    resume: bool | str | Path = False,
    keep_failed: bool = False,
    engine: str | Engine = LOCAL,
    engine_options: Mapping[str, str] | None = None,
    mix_machines: bool = False,
    jobs: int = 1,
    tags: Sequence[str] = (),
    note: str | None = None,
    progress: bool = True,
    listener: Listener | None = None,
    write: bool = True,
) -> Run:
    """Measure every case of a suite in fresh processes; keep records, tables and plots.

    A case that fails is a row with its cause and ends nothing. Records are on disk as their cases
    end. Scripts need no `if __name__ == "__main__"`: the processes of cases import the measured
    modules only.

    Args:
        suite: the path of a YAML file, the name of a shipped suite, or a mapping; see `validate`.
        input: see `validate`, as the options below down to `data_root`, and `force`.
        only: labels of the cases to run.
        metrics: names, or `static`.
        device: `auto`, `cpu` or `cuda`.
        dtype: floating type of parameters and inputs.
        threads: CPU threads of every case.
        repeats: fresh processes of every case that is timed, whatever the suite says.
        until_separated: points of mIoU, see `validate`.
        max_seeds: of a row, at which rounds end.
        weights: file of backbone weights.
        data_root: folder of the images that accuracy is measured on.
        out: folder of the run directories.
        force: run also what is predicted not to fit into the free memory.
        resume: go on with the latest run of the same cases in `out`, or with the run of that name
            (see `load`); what was measured of the same code, under the same versions and settings,
            on this machine, as the suite asks for it now, is kept, all else measured again.
        keep_failed: when going on, keep also what failed.
        engine: where cases run: `local`, `ray`, `slurm`, or an engine that is made.
        engine_options: of an engine given by its name.
        mix_machines: whether times of different machines may stand in one column; it says so.
        jobs: trainings at once on this machine, ahead of the measurements; what is timed runs
            alone.
        tags: by which the run is found, too.
        note: on the run, of any text.
        progress: show each case on stderr as it ends.
        listener: told of every event, instead of `progress`.
        write: write the tables and plots that the suite asks for into the run directory.

    Returns:
        The run: rows, tables and plots of what was measured.

    Raises:
        SuiteError: the suite or an option is wrong; nothing was measured.
        KeyboardInterrupt: Ctrl-C; finished cases are kept, `resume=True` measures the rest, and
            `harness.load` has what there is.
        HarnessError: a device is missing, or the folder cannot be written.
    """
    chosen = (
        make_engine(engine, engine_options or {}, mix_machines)
        if isinstance(engine, str)
        else engine
    )
    if chosen is None:
        start_server()  # its imports take as long as reading the suite
    checked = validate(
        suite,
        input=input,
        only=only,
        metrics=metrics,
        device=device,
        dtype=dtype,
        threads=threads,
        repeats=repeats,
        until_separated=until_separated,
        max_seeds=max_seeds,
        weights=weights,
        data_root=data_root,
        force=force,
    )
    with ExitStack() as shown:
        resumed = None
        if listener is None and progress:
            from harness.api.progress import Reporter, stderr

            listener = shown.enter_context(Reporter(stderr(), checked))
            resumed = listener.resumed
        result = measure(
            checked,
            Path(out),
            listener,
            chosen,
            resume=resume,
            keep_failed=keep_failed,
            resumed=resumed,
            mix_machines=mix_machines,
            jobs=jobs,
            tags=tags,
            note=note,
        )
    if not result.complete:
        # Itself, not a class derived from it: Python then ends a script as Ctrl-C ends programs.
        raise KeyboardInterrupt(
            f"{len(result.records)} of {result.total} cases are kept in {result.directory.path}; "
            "go on with resume=True"
        )
    if write:
        write_results(result)
    return result


def measure(
    suite: Suite,
    out: Path,
    listener: Listener | None,
    engine: Engine | None = None,
    *,
    resume: bool | str | Path = False,
    keep_failed: bool = False,
    resumed: Callable[[Resumed], None] | None = None,
    mix_machines: bool = False,
    jobs: int = 1,
    tags: Sequence[str] = (),
    note: str | None = None,
) -> Run:
    """Run a suite that is loaded; nothing but records is written.

    Returns:
        The run, which is not complete when Ctrl-C ended it.
    """
    execution = execute(
        suite,
        out,
        listener=listener,
        resume=resume,
        keep_failed=keep_failed,
        resumed=resumed,
        engine=engine,
        mix_machines=mix_machines,
        slots=jobs,
        ahead=train_ahead,
        further=further(suite.all_jobs()),
        tags=tags,
        note=note,
    )
    return Run(suite, execution.directory, execution.records)


def write_results(run: Run, *, plots: bool = True) -> None:
    """Write tables and plots, or tables alone.

    Raises:
        HarnessError: a file cannot be written; the records are kept.
    """
    try:
        run.write(plots=plots)
    except HarnessError as error:
        raise HarnessError(f"{error}; the records are kept in {run.directory.path}") from error
