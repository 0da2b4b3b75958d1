"""Running a suite: `harness.run`."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.api.options import SuiteLike, validate
from harness.api.run import Run
from harness.engines.engine import Engine
from harness.engines.local import start_server
from harness.engines.registry import LOCAL, make_engine
from harness.errors import HarnessError
from harness.runner import DEFAULT_ROOT, Listener, execute
from harness.suite import Suite


def run(
    suite: SuiteLike,
    *,
    input: Sequence[Any] | None = None,  # noqa: A002 - the word of suites
    only: str | Iterable[str] | None = None,
    metrics: str | Iterable[str] | None = None,
    device: str | None = None,
    dtype: str | None = None,
    threads: int | None = None,
    weights: str | Path | None = None,
    data_root: str | Path | None = None,
    out: str | Path = DEFAULT_ROOT,
    force: bool = False,
    resume: bool = False,
    engine: str | Engine = LOCAL,
    engine_options: Mapping[str, str] | None = None,
    mix_machines: bool = False,
    jobs: int = 1,
    progress: bool = True,
    listener: Listener | None = None,
    write: bool = True,
) -> Run:
    """Measure every case of a suite, each in a fresh process; keep records, tables and plots.

    A case that fails is a row with its cause and ends nothing. Records are on disk as their cases
    end. Scripts need no `if __name__ == "__main__"`: the processes of cases import the measured
    modules only.

    Args:
        suite: the path of a YAML file, or the same as a mapping; see `validate`.
        input: see `validate`, as the options below down to `data_root`, and `force`.
        only: labels of the cases to run.
        metrics: names, or `static`.
        device: `auto`, `cpu` or `cuda`.
        dtype: floating type of parameters and inputs.
        threads: CPU threads of every case.
        weights: file of backbone weights.
        data_root: folder of the images that accuracy is measured on.
        out: folder of the run directories.
        force: run also what is predicted not to fit into the free memory.
        resume: go on with the latest run of this suite in `out`; finished cases are kept.
        engine: where cases run: `local`, `ray`, `slurm`, or an engine that is made.
        engine_options: of an engine given by its name.
        mix_machines: whether times of different machines may stand in one column; it says so.
        jobs: trainings at once on this machine, ahead of the measurements; what is timed runs
            alone.
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
        weights=weights,
        data_root=data_root,
        force=force,
    )
    if listener is None and progress:
        from harness.api.progress import Reporter, stderr

        with Reporter(stderr(), checked) as reporter:
            result = measure(
                checked, Path(out), resume, reporter, chosen, mix_machines=mix_machines, jobs=jobs
            )
    else:
        result = measure(
            checked, Path(out), resume, listener, chosen, mix_machines=mix_machines, jobs=jobs
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
    resume: bool,
    listener: Listener | None,
    engine: Engine | None = None,
    *,
    mix_machines: bool = False,
    jobs: int = 1,
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
        engine=engine,
        mix_machines=mix_machines,
        slots=jobs,
    )
    return Run(suite, execution.directory, execution.records)


def write_results(run: Run) -> None:
    """Write tables and plots.

    Raises:
        HarnessError: a file cannot be written; the records are kept.
    """
    try:
        run.write()
    except HarnessError as error:
        raise HarnessError(f"{error}; the records are kept in {run.directory.path}") from error
