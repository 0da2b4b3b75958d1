"""`harness.compare`: modules that stand in a session, or two runs that were kept."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, overload

from harness.api.run import Run
from harness.api.timing import Comparison, compare_modules
from harness.case import Cache, Criterion, Pass
from harness.judge.regression.compare import By
from harness.judge.regression.verdict import Report
from harness.messages import OptionError
from harness.records.names import find_run
from harness.runner import DEFAULT_ROOT

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console, ConsoleOptions, RenderableType


@dataclass(frozen=True, repr=False)
class RunComparison:
    """What one run has changed against another: a verdict for each case and metric."""

    report: Report  # findings, notes and the rule behind the verdicts

    @property
    def summary(self) -> str:
        """Regressions, and how often each verdict was given."""
        from harness.present.comparison import counted

        return counted(self.report)

    @property
    def notes(self) -> tuple[str, ...]:
        """Why verdicts are as they are, what else differs between the runs, the rule."""
        from harness.present.comparison import why_changed

        return (*why_changed(self.report), *self.report.notes, self.report.rule)

    def frame(self) -> "pd.DataFrame":
        """A line for each case and metric, values in SI base units, effects as shares."""
        import pandas as pd

        return pd.DataFrame(self.report.found.rows()).convert_dtypes()

    to_frame = frame
    """The same, as other libraries call it."""

    def __rich_console__(
        self, console: "Console", options: "ConsoleOptions"
    ) -> "Iterator[RenderableType]":
        """What has changed, then what a reader must know."""
        from rich.text import Text

        from harness.present.comparison import changes
        from harness.present.console_table import ConsoleTable

        table = changes(self.report, reasons=False)
        if table.lines:
            yield ConsoleTable(table, notes=table.footnotes)
        for note in self.notes:
            yield Text(fill(f"- {note}", options.max_width, subsequent_indent="  "))
        yield Text(self.summary)

    def __repr__(self) -> str:
        from harness.present.console import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from harness.present.comparison import changes
        from harness.present.formats import html

        table = changes(self.report, reasons=False)
        notes = "".join(f"<li>{escape(note)}</li>" for note in self.notes)
        shown = html(table) if table.lines else ""
        return f"<div>{shown}<p>{escape(self.summary)}</p><ul>{notes}</ul></div>"


@overload
def compare(
    modules: Mapping[str, Any],
    /,
    *inputs: Any,
    pass_: Pass = ...,
    criterion: Criterion = ...,
    samples: int | None = ...,
    min_time: float | None = ...,
    max_time: float | None = ...,
    relative_stdev: float | None = ...,
    cache: Cache = ...,
    threads: int | None = ...,
    seed: int = ...,
    **named: Any,
) -> Comparison: ...


@overload
def compare(
    before: Run | str | Path, after: Run | str | Path, /, *, by: By = ...
) -> RunComparison: ...


def compare(first: Any, /, *others: Any, **options: Any) -> Comparison | RunComparison:
    """Which of several modules is the fastest, and by how much; or what a run has changed.

    Modules, by name, are timed in this process. Their passes run in turns, in blocks whose order is
    drawn anew and which then run backwards (A B B A): what the machine does meanwhile meets all
    alike and cancels in the differences of neighbours. The ratio is that of Yuen's test on their
    logarithms; it is a verdict where p < 0.01 (Benjamini-Hochberg over the modules) and it is at
    least 1.02. When to stop follows from each one's own noise, never from the ratio, so that
    looking does not make a difference.

        print(harness.compare({"mine": net, "theirs": "interlaced"}, (1, 512, 97, 97)))

    Two runs, before and after, are held against each other as `harness compare` does it.

        print(harness.compare("mine", run))

    Args:
        first: at least two modules by name, each as `harness.count` takes it; or the run before,
            itself or what `harness.load` takes.
        others: inputs of every `forward`, each module has copies of its own; or the run after.
        options: of modules, as `harness.latency` has them: `pass_`, `criterion`, `samples`,
            `min_time` and `relative_stdev` of each one, `max_time` (times their number), `cache`
            (`hot`: as the pass before, of any module, left them), `threads`; `seed` of the order;
            and further inputs by name. Of runs `by`: `case`, or `label`, which pairs cases by their
            labels alone and says what else differs.

    Raises:
        HarnessError: fewer than two modules, or as `harness.latency`; a run cannot be read, or the
            runs have no case in common.
    """
    if isinstance(first, (Run, str, Path)):
        return _compare_runs(first, *others, **options)
    return compare_modules(first, *others, **options)


def _compare_runs(*runs: Run | str | Path, by: By = "case") -> RunComparison:
    from harness.judge.regression.compare import compare as compare_observed
    from harness.judge.regression.observed import observe

    if len(runs) != 2:
        raise OptionError(
            f"compare takes two runs, before and after, not {len(runs)}; or modules by name: "
            '{"a": a, "b": b}'
        )
    before, after = (
        observe(run.directory.path if isinstance(run, Run) else find_run(run, DEFAULT_ROOT))
        for run in runs
    )
    return RunComparison(compare_observed(before, after, by=by))
