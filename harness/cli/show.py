"""`harness show`: one module's arguments and costs, layer by layer; or the tables of a run."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.api.run import load
from harness.api.show import DEFAULT_INPUT, PASSES, Description, costs, describe
from harness.case import Case
from harness.cli.options import (
    MODULE,
    RUN,
    FigureSize,
    FontName,
    Input,
    Notes,
    Picture,
    PicturedCases,
    PicturedImages,
    PicturedSeed,
    PicturedSteps,
    Plots,
    PlotsFolder,
    Quiet,
    Titled,
    Why,
    found_run,
    modules_or_runs,
    parse_arguments,
    parse_shapes,
    table_formats,
)
from harness.cli.output import busy, console, say, strangers
from harness.cli.pictures import draw_picture
from harness.cli.printed import Below, below_of, print_run, print_tables
from harness.instantiate import names
from harness.messages import HarnessError, OptionError, hint, quote, suggest
from harness.present.forms import TABLE_FORMATS, FormatError, formatted
from harness.present.latex.source import Typesetting, typesetting_of
from harness.present.pictures import TRAINED
from harness.records.names import UnknownRunError, suites_in, tags_in
from harness.records.remarks import DATED
from harness.records.run_directory import LATEST, RunDirectoryError
from harness.runner import DEFAULT_ROOT


def show_run(
    name: str,
    which: str | None,
    form: str | None,
    *,
    typesetting: Typesetting | None,
    below: Below,
) -> None:
    """Print the tables of a run as its records give them now: all, or one, in a format.

    Args:
        name: what the run is called.
        which: name of a table.
        form: one of `TABLE_FORMATS`; as in a terminal, with the summary, if absent.
        typesetting: of LaTeX; other formats have none.
        below: in a terminal, what stands below the tables; in other formats all notes do.
    """
    if form is not None and form not in TABLE_FORMATS:
        raise FormatError(
            f"--format {form}: no such format; {suggest(form, TABLE_FORMATS, 'formats')}"
        )
    if typesetting is not None and form != "latex":
        raise FormatError("--best, --full and --columns are for LaTeX; add --format latex")
    with busy("reading the run"):
        run = load(name)
        run.rows()
    if form is None and which is None:
        print_run(run, console(), below=below)
        return
    tables = run.shown() if which is None else {which: run.table(which)}
    if form in (None, "console"):
        print_tables(tables, console(), below=below)
    else:
        texts = [formatted(table, name, form, typesetting) for name, table in tables.items()]
        sys.stdout.write("\n".join(texts))


def draw_run(
    name: str, folder: Path | None, figure: str | None, font: str | None, *, titled: bool
) -> None:
    """Draw the plots of a run as its records give them now, and say where they are.

    Args:
        name: what the run is called.
        folder: of the files; `plots/` in the run's directory if absent.
        figure: what they are sized for.
        font: family of their letters.
        titled: whether title and notes stand in the figures.
    """
    from harness.present.plots.sheet import sheet_of

    sized = figure or "page"
    try:
        sheet_of(sized, font)
    except HarnessError as error:
        raise OptionError(f"--{error}") from error
    with busy("drawing the plots"):
        written = load(name).write_plots(folder, sized, font, titled=titled)
    if not written:
        raise OptionError(
            f"--plots: {name} has none; write plots: into its suite, or draw one with "
            "harness.load().plot(kind=...)"
        )
    kinds: dict[Path, list[str]] = {}
    for path in written:
        kinds.setdefault(path.with_suffix(""), []).append(path.suffix[1:])
    for path, endings in kinds.items():
        say(f"plot: {path}.{{{','.join(endings)}}}", console())


def show(  # noqa: PLR0917 - typer calls it with names
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME",
            help="A module: a name of `harness list` or package.file:Class; or a run: its suite, "
            "`latest`, an id, a tag or a path. Where both are called so, write module NAME or run "
            "NAME.",
            autocompletion=modules_or_runs,
        ),
    ],
    input_: Input = None,
    with_: Annotated[
        list[str] | None,
        typer.Option("--with", metavar="NAME=VALUE", help="An argument of the module; repeatable."),
    ] = None,
    pass_: Annotated[
        str | None, typer.Option("--pass", help="inference (if absent) or training.")
    ] = None,
    picture: Picture = None,
    cases: PicturedCases = None,
    seed: PicturedSeed = None,
    images: PicturedImages = None,
    steps: PicturedSteps = None,
    table: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of a run: only this table.")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="Of a run: markdown, latex, csv, html or console.",
            autocompletion=table_formats,
        ),
    ] = None,
    best: Annotated[
        bool | None,
        typer.Option(
            "--best/--no-best",
            help="In LaTeX: best value of a column bold, second underlined; they are if absent.",
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="In LaTeX: as a float, with caption and notes.")
    ] = False,
    columns: Annotated[
        int | None,
        typer.Option(
            min=1, max=2, help="In LaTeX: columns of a two-column page that a table has to fit in."
        ),
    ] = None,
    notes: Notes = False,
    why: Why = False,
    quiet: Quiet = False,
    plots: Plots = False,
    out: PlotsFolder = None,
    figure: FigureSize = None,
    font: FontName = None,
    titled: Titled = False,
) -> None:
    """Show what a module takes and costs at a size, layer by layer; or a run's tables again."""
    of_tables = {
        "--table": table,
        "--format": form,
        "--best": best,
        "--full": full or None,
        "--columns": columns,
        "--notes": notes or None,
        "--why": why or None,
        "--quiet": quiet or None,
    }
    of_plots = {"--figure": figure, "--font": font, "--titled": titled or None}
    of_pictures = {"--case": cases, "--seed": seed, "--image": images, "--step": steps}
    of_run = {**of_tables, "--plots": plots or None, "--out": out, **of_plots, **of_pictures}
    may_be_run = picture in TRAINED or any(each is not None for each in of_run.values())
    kind, name = _told_apart(what, may_be_run=may_be_run)
    if kind == RUN:
        given = {"--input": input_, "--with": with_, "--pass": pass_}
        _refuse(given, f"is for modules, and {name} is a run")
        if picture is not None:
            others = {**of_tables, **of_plots, "--plots": plots or None}
            _refuse(others, "is not for pictures")
            draw_picture(
                name,
                picture,
                cases or [],
                seed=seed,
                images=images or [],
                steps=steps or [],
                out=out,
            )
            return
        _refuse(of_pictures, "is for pictures", "add --picture NAME")
        if plots:
            _refuse(of_tables, "is for tables", "leave out --plots")
            draw_run(name, out, figure, font, titled=titled)
            return
        _refuse({"--out": out, **of_plots}, "is for plots", "add --plots")
        asked = typesetting_of(best, columns, full=full)
        below = below_of(notes, why, quiet)
        show_run(name, table, form, typesetting=asked, below=below)
        return
    _refuse(of_run, f"is for runs, and {name} is a module")
    _show_module(name, input_, with_ or [], pass_ or "inference", picture)


def _told_apart(what: list[str], *, may_be_run: bool) -> tuple[str, str]:
    """Whether a module or a run is meant, and its name; of one that is both the module.

    Args:
        may_be_run: whether an option is given that only runs have, which then means the run.

    Raises:
        OptionError: it is no name.
        RunDirectoryError: a run is meant, and there is none.
    """
    *kinds, name = what
    if kinds:
        if len(kinds) > 1 or kinds[0] not in (MODULE, RUN):
            said = " ".join(map(quote, what))
            raise OptionError(f"show {said}: not one name; write run NAME or module NAME")
        return kinds[0], name
    is_module = name in names() or ":" in name
    try:
        found_run(name)
    except UnknownRunError:
        if is_module:
            return MODULE, name
        if name == LATEST or "/" in name or DATED.match(name):
            raise  # no module is called so
        near = hint(name, [*names(), *suites_in(DEFAULT_ROOT), *tags_in(DEFAULT_ROOT)])
        raise OptionError(
            f"{quote(name)}: no module and no run is called so{near}; harness list and harness "
            "runs list them"
        ) from None
    except RunDirectoryError:  # a folder is called so, and holds none
        if not is_module:
            raise
        return MODULE, name
    if is_module and not may_be_run:  # no run hides it, whatever was measured under its name
        say(f"{name}: a run is called so, too: harness show run {name}", console(stderr=True))
        return MODULE, name
    return RUN, name


def _refuse(options: Mapping[str, object], reason: str, cure: str = "leave it out") -> None:
    for name, value in options.items():
        if value is not None and value != []:
            raise OptionError(f"{name} {reason}; {cure}")


def _show_module(
    module: str, input_: str | None, with_: list[str], pass_: str, picture: str | None
) -> None:
    if picture in TRAINED:
        raise OptionError(
            f"--picture {picture}: of trained networks, and {module} is a module; name a run, or a "
            ".png or .svg file for its maps on a made scene"
        )
    if pass_ not in PASSES:
        raise OptionError(f"--pass {pass_}: no such pass; write inference or training")
    shapes = parse_shapes(input_) if input_ else (DEFAULT_INPUT,)
    given = parse_arguments("--with", with_)
    where = console()
    with busy("importing the module"), strangers():
        found = describe(module)
    _description(where, found)
    if picture is not None:
        from harness.present.pictures import demonstrate

        figure = demonstrate(module)
        try:
            figure.savefig(picture, dpi=150)
        except (OSError, ValueError) as error:
            raise OptionError(
                f"{picture}: cannot be written: {error}; name a .png or .svg file"
            ) from error
        say(f"drawn: {picture}", where)
        return
    case = Case(module, given, shapes, pass_=pass_)  # type: ignore[arg-type]
    with busy("counting"), strangers():
        counted = costs(found, case)
    where.print(counted)


def _description(where: Console, found: Description) -> None:
    paper = f", {found.paper}" if found.paper else ""
    where.print(Text(f"{found.module} ({found.target}){paper}", style="bold"))
    where.print(Text(found.summary))
    table = Table("argument", "type", "default", header_style="bold")
    for each in found.arguments:
        default = "required" if each.required else repr(each.default)
        table.add_row(Text(each.name), Text(each.type), Text(default))
    where.print(table)
