"""A run at the command line: its tables, what has to be said below them, and where to go on."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from rich.console import Console

from harness.api.run import Run
from harness.cli.output import say
from harness.judge.verdict import VerdictTally
from harness.messages import OptionError
from harness.present.formats import MARKS, Cell, Column, Table
from harness.present.notes import warned
from harness.records.remarks import Remarks
from harness.runner import DEFAULT_ROOT

Below = Literal["needed", "why", "notes", "nothing"]
"""What stands below tables: lines without which they are misread; reasons of verdicts, too; all
notes; none."""


def below_of(notes: bool, why: bool, quiet: bool) -> Below:
    """What stands below tables.

    Raises:
        OptionError: two of the options are given.
    """
    given = {"--notes": notes, "--why": why, "--quiet": quiet}
    asked = [name for name, value in given.items() if value]
    if len(asked) > 1:
        raise OptionError(f"{' and '.join(asked)}: leave all but one of them out")
    found: dict[str, Below] = {"--notes": "notes", "--why": "why", "--quiet": "nothing"}
    return found[asked[0]] if asked else "needed"


def print_run(run: Run, where: Console, *, below: Below) -> None:
    """Print a run's tables, how many printed figures agree, and what can be done next."""
    tallies = {title: tally for title, tally in run.tallies().items() if tally.total}
    summed = len(tallies) > 1 and below != "nothing"
    print_tables(run.shown(), where, below=below, summed=summed)
    if summed:
        from harness.present.console_table import ConsoleTable

        said = warned(run.rows())
        where.print(ConsoleTable(_summary(tallies), notes=[said] if said else []))
        where.print()
    path = run.directory.path
    say(f"run: {path}", where)
    if below != "nothing":
        _say_what_next(run, where, below)
    if said := Remarks.of(path).text:
        say(said, where)
    if (total := run.tally()).total:
        say(total.text, where)


def _say_what_next(run: Run, where: Console, below: Below) -> None:
    path, judged = run.directory.path, run.tally().judged > 0
    known = path.resolve().parent.parent == DEFAULT_ROOT.resolve()
    name = shlex.quote(path.name if known else str(path))
    options = ["--why for reasons"] if judged and below == "needed" else []
    options += ["--notes for versions, machine and the rest"] if below != "notes" else []
    options += ["--plots to draw"] if run.plots() and not (path / "plots").is_dir() else []
    if options:
        say(f"  harness show {name} {', '.join(options)}", where)
    say(f"  harness report {name} for one HTML page", where)
    kept = [folder for folder in ("tables", "plots") if (path / folder).is_dir()]
    if kept:
        inside = kept[0] if len(kept) == 1 else f"{{{','.join(kept)}}}"
        say(f"  {' and '.join(kept)}: {path / inside}", where)


def print_tables(
    tables: Mapping[str, Table], where: Console, *, below: Below, summed: bool = False
) -> None:
    """Print tables below one another; what is said of several of them stands once, at the end.

    Args:
        summed: whether a summary follows, which has how many figures agree and rows are doubtful.
    """
    from harness.present.console_table import ConsoleTable

    lines = {name: _below(table, below, summed=summed) for name, table in tables.items()}
    times = Counter(line for each in lines.values() for line in dict.fromkeys(each))
    for name, table in tables.items():
        where.print(ConsoleTable(table, notes=[x for x in lines[name] if times[x] == 1]))
        where.print()
    common = [line for line, number in times.items() if number > 1]
    for line in common:
        where.print(line, style="dim", markup=False)
    if common:
        where.print()


def _below(table: Table, below: Below, *, summed: bool) -> Sequence[str]:
    brief = table.needed if summed else table.brief
    chosen: Mapping[Below, Sequence[str]] = {
        "needed": brief,
        "why": (*brief, *table.reasons),
        "notes": table.footnotes,
        "nothing": (),
    }
    return chosen[below]


def _summary(tallies: Mapping[str, VerdictTally]) -> Table:
    """How many printed figures have which verdict, a row a table and one of all."""
    rows = {**tallies, "all": sum(tallies.values(), VerdictTally())}
    counted = [dict(_counts(tally)) for tally in rows.values()]
    shown = [(word, [each[word] for each in counted]) for word in counted[-1]]
    return Table(
        "Printed figures",
        (
            Column("Table", tuple(Cell(title, title) for title in rows), "left", "table"),
            *(
                Column(word, tuple(Cell(str(n), n) for n in numbers), "right", word)
                for word, numbers in shown
                if any(numbers) or word.startswith("differ")
            ),
        ),
        (),
    )


def _counts(tally: VerdictTally) -> Iterable[tuple[str, int]]:
    words = {"agrees": "agree", "differs": "differ"}
    named = [(f"{words.get(w, w)} {MARKS.get(w, '')}".rstrip(), n) for w, n, _ in tally.counts]
    return [("judged", tally.judged), *named]
