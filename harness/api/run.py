"""A run as people use it: rows with the printed figures beside them, tables, plots, a report."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from pydantic import ValidationError

from harness.api.choice import NotThereError, one
from harness.api.setting import context_of, environment_of
from harness.judge.order import printed_orders
from harness.judge.part import Context
from harness.judge.relative import with_relative
from harness.judge.statistics.rank_correlation import RankCorrelation
from harness.judge.verdict import VerdictTally, annotate, tally_of
from harness.measure.roofline.calibration import DEFAULT_FOLDER, known_roofs
from harness.messages import HarnessError
from harness.present.formats import Table, html
from harness.present.forms import Format, FormatError, formatted
from harness.present.latex.fit import PageColumns
from harness.present.latex.source import typesetting_of
from harness.present.measured import measured_plots
from harness.present.rows import rows_of, with_roofs
from harness.present.table import make, usual_columns
from harness.present.write import named_plots, table_names, write_tables
from harness.records.kept_run import KeptRun
from harness.records.names import find_run
from harness.records.record import Record
from harness.records.remarks import Remarks
from harness.records.run_directory import DESCRIPTION, LATEST, RunDirectory, RunDirectoryError
from harness.records.stored_runs import find_runs
from harness.runner import DEFAULT_ROOT
from harness.suite.presentation import PlotSpec, TableSpec
from harness.suite.suite import Suite, suite_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from harness.api.timing import Comparison


@dataclass(frozen=True, eq=False)
class Run:
    """The records of a suite with what the suite asks to see of them.

    Rows and tables are made once, at the first question for them.
    """

    suite: Suite
    """What was measured."""
    directory: RunDirectory
    """Where it is kept."""
    records: Sequence[Record]
    """One per finished process of a case, in the suite's order."""

    @property
    def total(self) -> int:
        """Processes that the suite asks for; as many as `records` when the run is complete."""
        return len(self.suite.all_jobs())

    @property
    def complete(self) -> bool:
        """Whether every case has ended, well or not."""
        return len(self.records) == self.total

    @property
    def ok(self) -> bool:
        """Whether every case has ended well."""
        return self.complete and all(record.status == "ok" for record in self.records)

    @property
    def started_at(self) -> str:
        """UTC, ISO 8601."""
        return str(self._description.get("started_at") or "")

    @property
    def tags(self) -> tuple[str, ...]:
        """By which it is found, too; `harness runs RUN --tag NAME` adds one."""
        return Remarks.of(self.directory.path).tags

    @property
    def note(self) -> str:
        """What was said of it with `--note`; empty where nothing was."""
        return Remarks.of(self.directory.path).note

    def rows(self) -> list[dict[str, Any]]:
        """Flat rows with stored names, `reported` figures and verdicts, in the suite's order.

        One per case, failed ones included, values in SI base units; `None` where a metric was not
        measured.
        """
        return [row for part in self.suite.parts() for row in self.part_rows(part)]

    def part_rows(self, part: Suite) -> list[dict[str, Any]]:
        """The rows of one included suite."""
        return [dict(row) for row in self._rows[part.name]]

    def frame(self, *, all: bool = False) -> "pd.DataFrame":  # noqa: A002 - all columns
        """The rows as a pandas table.

        One line per case, failed ones included: label, status, cause, grid axes by their names,
        what was measured with its intervals, the tables' columns, printed figures, verdicts. Whole
        numbers are `Int64`, others `Float64`, truth values `boolean`, text `string`, words of a
        small set (`status`, `device`, `dtype`, `pass`, verdicts) `category`; what was not measured
        is `<NA>`. Values are in SI base units, which `frame.attrs["units"]` names by column.

        Args:
            all: every column: each stored and derived quantity, conditions, machine, commit.
        """
        from harness.present.frame import cases

        tables = [table for part in self.suite.parts() for table in part.tables]
        shown = [name for table in tables for name in table.names]
        return cases(self.rows(), None if all else shown)

    def samples(self) -> "pd.DataFrame":
        """Every sample of every latency: suite, label, replicate, sample and `seconds`."""
        from harness.present.frame import samples_frame

        return samples_frame(self.records)

    def tables(self, part: Suite | None = None) -> dict[str, Table]:
        """The tables that the suite and those it includes ask for, by the name of their file.

        Args:
            part: only those of this one.
        """
        names = self._tables if part is None else {part.name: self._tables[part.name]}
        found: dict[str, Table] = {}
        for owner, tables in names.items():
            for name, table in tables.items():  # of two of one name the second has its part's, too
                found[f"{owner}/{name}" if name in found else name] = table
        return found

    def shown(self) -> dict[str, Table]:
        """The tables to look at: those asked for, else one per suite of what was measured."""
        if asked := self.tables():
            return asked
        found: dict[str, Table] = {}
        for part in self.suite.parts():
            if self._rows[part.name]:
                metrics = {name for job in part.jobs for name in job.metrics}
                own = dict.fromkeys(
                    name
                    for job in part.jobs
                    for name, said in job.declared.items()
                    if said["metric"] in job.metrics
                )
                columns = usual_columns(self._rows[part.name], metrics, own)
                found.update([self._own_table(columns, part.name)])
        return found

    @overload
    def table(
        self,
        which: str | int | None = None,
        *,
        columns: Sequence[str] | None = None,
        sort: str | None = None,
        relative_to: str | None = None,
        part: str | None = None,
        format: None = None,
    ) -> Table: ...

    @overload
    def table(
        self,
        which: str | int | None = None,
        *,
        columns: Sequence[str] | None = None,
        sort: str | None = None,
        relative_to: str | None = None,
        part: str | None = None,
        format: Format,
        full: bool = False,
        page_columns: PageColumns | None = None,
        best: bool | None = None,
    ) -> str: ...

    def table(
        self,
        which: str | int | None = None,
        *,
        columns: Sequence[str] | None = None,
        sort: str | None = None,
        relative_to: str | None = None,
        part: str | None = None,
        format: Format | None = None,  # noqa: A002 - as in pandas and polars
        full: bool = False,
        page_columns: PageColumns | None = None,
        best: bool | None = None,
    ) -> Table | str:
        """One table, as an object that notebooks show, or as text.

        Args:
            which: name or number of a table that the suite asks for; may be left out where there
                is one. Where the suite asks for none, each has one of what was measured, by its
                name.
            columns: quantities, for a table of its own instead; the two below are of that.
            sort: quantity or axis by which its rows stand, `-latency` from the most.
            relative_to: label of the row that is 1 in its column `relative`.
            part: name of the included suite that `columns` are of.
            format: `console`, `markdown`, `latex`, `csv` or `html`; the table itself if absent.
            full: in LaTeX, a float with caption and notes.
            page_columns: in LaTeX, of a two-column page, that the table has to fit in; 1 or 2.
            best: in LaTeX, whether best and second values are marked; they are if absent.

        Raises:
            HarnessError: there is no such table or column; names the nearest.
        """
        if columns is not None:
            names = (columns,) if isinstance(columns, str) else tuple(columns)
            name, made = self._own_table(names, part, sort, relative_to)
        else:
            name, made = one(self.shown(), which, "tables")
        typesetting = typesetting_of(best, page_columns, full=full)
        if format is not None:
            return formatted(made, name, format, typesetting)
        if typesetting is not None:
            raise FormatError("full, page_columns and best are of LaTeX; add format='latex'")
        return made

    def plots(self) -> list[str]:
        """Names of the plots that the suite and those it includes ask for."""
        return list(self._plots)

    def plot(
        self,
        which: str | int | None = None,
        *,
        kind: Literal["bar", "scatter", "line", "roofline", "heatmap"] | None = None,
        x: str | None = None,
        y: str | Sequence[str] | None = None,
        value: str | None = None,
        series: str | None = None,
        log: Literal["auto", "none", "x", "y", "both"] = "auto",
        title: str | None = None,
        part: str | None = None,
        figure: Literal["column", "page", "slide"] = "page",
        font: str | None = None,
        titled: bool = False,
    ) -> "Figure":
        """One plot, whose `savefig` writes what `harness show RUN --plots` writes.

        Args:
            which: name or number of a plot that the suite asks for; may be left out where there is
                one.
            kind: of a plot of its own instead, which the arguments below describe as in a suite.
            x: quantity or grid axis.
            y: quantity; for bars several; for a heat map a second grid axis.
            value: of a heat map, the quantity in its cells.
            series: grid axis or column that splits the rows.
            log: which axes are logarithmic.
            title: in place of the usual one.
            part: name of the included suite whose rows are shown.
            figure: what it is sized for: a column of a paper, its page, or a slide.
            font: family of its letters that is installed.
            titled: whether title and notes stand in the figure, as they do with a `title` that is
                given; its `caption` has them in any case.

        Raises:
            HarnessError: there is no such plot, quantity, size or font; names the nearest.
        """
        from harness.present.plots.plot import draw
        from harness.present.plots.sheet import sheet_of

        to = sheet_of(figure, font, titled=titled or title is not None)

        if kind is None:
            _, (owner, spec) = one(self._plots, which, "plots")
        else:
            asked = {"kind": kind, "x": x, "y": y, "value": value, "series": series}
            asked |= {"log": log, "title": title}
            owner, spec = self._part(part), _plot_spec(asked)
        return draw(spec, owner, self._rows[owner.name], self.context, to)

    def picture(
        self,
        name: str,
        *cases: str,
        images: Sequence[int] = (),
        seed: int | None = None,
        steps: Sequence[int] = (),
    ) -> "Figure":
        """What trained networks of the run hold inside, or say, for images of its validation split.

        The networks are taken from the store of trainings; without `steps` nothing is trained.

        Args:
            name: `prior`, `regions`, `nodes`, `relations`, `receptive-field` or `predictions`.
            cases: labels, `suite: label` where the run has several suites; several stand in one
                figure. May be left out where there is one.
            images: their numbers; the first, of predictions the first four, if absent.
            seed: of the training; the first of each case if absent.
            steps: of one case, side by side: its network after so many steps of its training,
                which on the CPU is repeated that far, bit by bit.

        Raises:
            HarnessError: there is no such picture, case, seed or image, the picture is not one of
                this network, or the network is not kept any more.
        """
        from harness.api.pictures import networks_of
        from harness.present.pictures.trained import draw_trained, require_picture

        require_picture(name)
        return draw_trained(name, networks_of(self, cases, seed, steps), images)

    def compare(self, *labels: str) -> "Comparison":
        """Which row is the fastest, and by how much.

        From three processes of each case on (`repeats`) the ratio has an interval and a verdict,
        by the test that `harness compare` has; one process cannot tell.

        Args:
            labels: of the rows to compare, `suite: label` where the run has several suites; all if
                absent.

        Raises:
            HarnessError: no row has such a label, fewer than two were timed, or rows of several
                inputs are there and none is named.
        """
        from harness.api.timing import compare_rows

        parts, rows = self.suite.parts(), self.rows()
        if len(parts) > 1:  # which may have a label in common
            rows = [{**row, "label": f"{row['suite']}: {row['label']}"} for row in rows]
        by_label = {str(row["label"]): row for row in rows}
        timed = [row for row in rows if row.get("latency_seconds")]
        works = {repr((row.get("input"), row.get("pass"))) for row in timed}
        if len(works) > 1 and not labels:
            raise NotThereError(
                f"rows of {len(works)} inputs or passes, which do not do the same work; name the "
                f"labels of those to compare: {', '.join(by_label)}"
            )
        return compare_rows([one(by_label, label, "rows")[1] for label in labels or by_label])

    def tally(self) -> VerdictTally:
        """How many printed figures agree, differ, are explained, or cannot be reproduced."""
        return tally_of(self.rows())

    def tallies(self) -> dict[str, VerdictTally]:
        """The same of each included suite, by its title."""
        parts = self.suite.parts()
        short = len({part.short_title for part in parts}) == len(parts)
        return {
            part.short_title if short else part.title: tally_of(self._rows[part.name])
            for part in parts
        }

    def orders(self) -> dict[str, dict[str, RankCorrelation]]:
        """How alike the order of the rows is to the printed one, by suite and printed accuracy.

        Accuracies of other data are not judged; where three rows or more have a printed one, their
        order is compared by Spearman's rank correlation.
        """
        found = {
            part.name: {
                each.figure: each.found for each in printed_orders(self._rows[part.name], part)
            }
            for part in self.suite.parts()
        }
        return {name: each for name, each in found.items() if each}

    def write(self, *, plots: bool = True) -> None:
        """Write `tables/` and `plots/` of every part into the run directory.

        Args:
            plots: whether they are drawn, too; `write_plots` does that at any time.

        A plot of something that no case measures is left to `write_plots`. Of a run that went on
        with some of its cases, all that it has is written.
        """
        shown = self if self.suite.whole is None else load(self.directory.path)
        if not shown.tables():  # what is looked at in their place
            write_tables(shown.shown(), self.directory.path)
        parts = shown.suite.parts()
        for part in parts:
            rows = shown._rows[part.name]
            if rows and part.tables:
                write_tables(shown._tables[part.name], self.directory.path)
        if not plots:
            return
        asked = {part.name: dict[str, Sequence[str]]() for part in parts}
        for record in shown.records:
            asked[record.suite][record.label] = record.metrics
        shown._draw({p.name: measured_plots(p, shown._rows[p.name], asked[p.name]) for p in parts})

    def write_plots(
        self,
        folder: Path | None = None,
        figure: str = "page",
        font: str | None = None,
        *,
        titled: bool = False,
    ) -> list[Path]:
        """Draw the plots of every part: each as PNG, SVG and PDF, its caption as TXT.

        Args:
            folder: that of the files; `plots/` in the run directory if absent.
            figure: what they are sized for; see `plot`.
            font: family of their letters.
            titled: whether title and notes stand in the figures, too.

        Returns:
            The files, in the order written.

        Raises:
            HarnessError: there is no such size or font, or a file cannot be written.
        """
        every = {part.name: named_plots(part) for part in self.suite.parts()}
        return self._draw(every, folder, figure, font, titled=titled)

    def _draw(
        self,
        wanted: Mapping[str, Mapping[str, PlotSpec]],
        folder: Path | None = None,
        figure: str = "page",
        font: str | None = None,
        *,
        titled: bool = False,
    ) -> list[Path]:
        """Draw plots by file name, by part."""
        written: list[Path] = []
        for part in self.suite.parts():
            rows = self._rows[part.name]
            if rows and wanted[part.name]:  # matplotlib takes half a second to import
                from harness.present.plots.plot import write_plots
                from harness.present.plots.sheet import sheet_of

                to = sheet_of(figure, font, titled=titled)
                place = folder or self.directory.path / "plots"
                written += write_plots(wanted[part.name], part, rows, place, self.context, to=to)
        return written

    def _part(self, name: str | None) -> Suite:
        parts = {part.name: part for part in self.suite.parts()}
        return one(parts, name, "included suites, given as part=")[1]

    def _own_table(
        self,
        columns: tuple[str, ...],
        part: str | None,
        sort: str | None = None,
        relative_to: str | None = None,
    ) -> tuple[str, Table]:
        owner = self._part(part)
        if not columns:
            raise NotThereError("columns: empty; name the quantities to show")
        spec = TableSpec(columns=columns, sort=sort, relative_to=relative_to)
        return owner.name, make(spec, owner, self._rows[owner.name], self.context)

    @cached_property
    def _rows(self) -> dict[str, list[dict[str, Any]]]:
        """Rows by the name of their part; here, and nowhere else, they are judged."""
        mix = bool(self._description.get("mix_machines"))
        # Runs lie in <root>/<suite>/<time>: calibrations beside that root belong to them.
        beside = self.directory.path.parent.parent.parent / DEFAULT_FOLDER.name
        roof_of = known_roofs((DEFAULT_FOLDER, beside), self._environment.get("threads"))
        found = {}
        for part in self.suite.parts():
            rows = rows_of(self.records, part.name, part.convention, mix=mix)
            found[part.name] = with_relative(annotate(with_roofs(rows, roof_of), part))
        return found

    @cached_property
    def _tables(self) -> dict[str, dict[str, Table]]:
        """Tables by file name, by part; a part of which nothing is measured has none."""
        found = {}
        for part in self.suite.parts():
            rows = self._rows[part.name]
            made = [make(spec, part, rows, self.context) for spec in part.tables if rows]
            found[part.name] = dict(zip(table_names(part), made, strict=False))
        return found

    @cached_property
    def _plots(self) -> dict[str, tuple[Suite, PlotSpec]]:
        found: dict[str, tuple[Suite, PlotSpec]] = {}
        for part in self.suite.parts():
            for name, spec in named_plots(part).items():
                found[f"{part.name}/{name}" if name in found else name] = (part, spec)
        return found

    @cached_property
    def _description(self) -> Mapping[str, Any]:
        return self.directory.description()

    @cached_property
    def _environment(self) -> Mapping[str, Any]:
        return environment_of(self._description, self.records)

    @cached_property
    def context(self) -> Context:
        """Machine and versions, as `run.json` has them."""
        return context_of(self._environment, self.records)

    def summary(self) -> str:
        """One line: cases by status, printed figures by verdict, the folder."""
        rows, tally = self.rows(), self.tally()
        statuses = Counter(str(row.get("status")) for row in rows)
        counts = ", ".join(f"{number} {status}" for status, number in statuses.most_common())
        cases = f"{len(rows)} {'case' if len(rows) == 1 else 'cases'}: {counts}"
        parts = [cases if rows else "no cases", *([tally.text] if tally.total else [])]
        return "; ".join([*parts, str(self.directory.path)])

    def __repr__(self) -> str:
        return f"<Run of {self.suite.name}: {self.summary()}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the summary, the tables, failed cases with their causes."""
        head = f"<h4>{escape(self.suite.title)}</h4><p>{escape(self.summary())}</p>"
        return "<div>" + head + "".join(map(html, self.shown().values())) + "</div>"


def _plot_spec(asked: Mapping[str, Any]) -> PlotSpec:
    """A plot as a suite would describe it; `NotThereError` where none can be drawn."""
    given = {name: value for name, value in asked.items() if value is not None}
    if isinstance(given.get("y"), list):
        given["y"] = tuple(given["y"])
    try:
        return PlotSpec.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"][:1])
        message = first["msg"].removeprefix("Value error, ")
        raise NotThereError(f"{where}: {message}" if where else message) from error


def load(path: str | Path = LATEST, *, root: str | Path = DEFAULT_ROOT) -> Run:
    """A run that was kept, with the suite as it was run.

    Args:
        path: what a run is called: its directory, its suite or that one's folder (for the latest
            run), `latest`, its id or the beginning of it, a tag.
        root: folder of run directories.

    Raises:
        RunDirectoryError: there is no run, or it cannot be read.
    """
    kept = KeptRun.open(find_run(path, Path(root)))
    described = kept.suite
    try:
        suite = suite_of(described)
    except HarnessError as error:
        raise RunDirectoryError(f"{kept.path / DESCRIPTION}: {error}") from error
    return Run(suite, kept.directory, kept.records)


def load_all(folder: str | Path = DEFAULT_ROOT) -> list[Run]:
    """Every run in and below a folder, by the time of its start.

    One that cannot be read is left out, with a warning.
    """
    runs = []
    for path in find_runs([Path(folder)]):
        try:
            runs.append(load(path))
        except HarnessError as error:
            warnings.warn(f"left out: {error}", stacklevel=2)
    return sorted(runs, key=lambda run: (run.started_at, run.directory.path))
