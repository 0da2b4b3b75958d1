"""The page: everything that a report shows, and how it becomes HTML."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from importlib import resources
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.present.report.environment import environment
from harness.present.report.grid import Grid
from harness.present.report.picture import Pictures
from harness.present.report.samples import Samples, samples
from harness.present.report.script_json import script_json
from harness.present.report.section import Section, sections
from harness.present.report.source import ReportedRun
from harness.present.report.troubles import Failure, Warned, failures, warnings
from harness.present.report.verdicts import Judged, differing
from harness.present.tally import Tally
from harness.printable import printable

if TYPE_CHECKING:
    from jinja2 import Environment

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class MissingJinjaError(HarnessError):
    """The extra that writes reports is not installed."""


@dataclass(frozen=True)
class NamedRun:
    """A run and the letter by which the page calls it."""

    name: str
    suite: str
    path: Path
    started: str
    commit: str
    machine: str
    ended: int
    planned: int


@dataclass(frozen=True)
class Page:
    """Everything that a report shows, in its order."""

    title: str
    runs: tuple[NamedRun, ...]
    differing: Grid | None
    sections: tuple[Section, ...]
    failures: tuple[Failure, ...]
    warnings: tuple[Warned, ...]
    environment: Grid
    samples: Samples
    pictures: Pictures

    @property
    def judged(self) -> list[Judged]:
        """The suites' lines of the summary."""
        return [each.judged for section in self.sections for each in section.measured]

    @property
    def tally(self) -> Tally:
        """Of all printed figures."""
        return reduce(add, (each.tally for each in self.judged), Tally())

    @property
    def cases(self) -> int:
        """Number of rows of all suites and runs."""
        return sum(each.cases for each in self.judged)

    @property
    def several(self) -> bool:
        """Whether there are several runs."""
        return len(self.runs) > 1


def render(runs: Sequence[ReportedRun]) -> str:
    """Runs as one HTML file; the same runs give the same file.

    Raises:
        MissingJinjaError: Jinja is not installed.
        HarnessError: no run, or a suite asks for what does not exist.
    """
    if not runs:
        raise HarnessError("no run to report; give the folder that `harness run` printed")
    jinja = _jinja()
    found = page(runs)
    script = _asset("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return jinja.get_template("report.html").render(
        page=found,
        style=_asset("report.css"),
        script=script,
        script_digest=f"sha256-{digest}",
        samples_json=script_json(list(found.samples.cases)),
    )


def page(runs: Sequence[ReportedRun]) -> Page:
    """What a report of runs shows."""
    names = [run_name(number) for number in range(len(runs))]
    pictures = Pictures()
    titles = list(dict.fromkeys(run.title for run in runs))
    return Page(
        ", ".join(titles),
        tuple(_named(run, name) for run, name in zip(runs, names, strict=True)),
        differing([part for run in runs for part in run.parts], "differing"),
        tuple(sections(runs, names, pictures)),
        tuple(failures(runs, names)),
        tuple(warnings(runs, names)),
        environment(runs, names),
        samples(runs, names),
        pictures,
    )


def run_name(number: int) -> str:
    """`A` to `Z`, then `A2` to `Z2` and so on."""
    turn, letter = divmod(number, len(_LETTERS))
    return _LETTERS[letter] + (str(turn + 1) if turn else "")


def _named(run: ReportedRun, name: str) -> NamedRun:
    machine = run.environment.get("machine") or {}
    gpus = [each.get("name", "GPU") for each in machine.get("gpus") or () if isinstance(each, dict)]
    git = run.environment.get("git") or {}
    commit = str(git.get("commit") or "")[:12]
    return NamedRun(
        name,
        run.suite,
        run.path,
        str(run.description.get("started_at") or ""),
        f"{commit} (dirty)" if commit and git.get("dirty") else commit,
        ", ".join(str(each) for each in (machine.get("cpu"), *gpus) if each),
        len(run.records),
        run.planned,
    )


def _jinja() -> "Environment":
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise MissingJinjaError(
            "Jinja, which writes reports, is not installed; pip install 'context-harness[report]'"
        ) from error
    return Environment(
        loader=PackageLoader("harness.present.report", "templates"),
        autoescape=True,
        finalize=_clean,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _clean(value: Any) -> Any:
    """Text of any origin without control characters and marks that turn its direction.

    What is marked as HTML stays as it is.
    """
    return printable(value) if type(value) is str else value


def _asset(name: str) -> str:
    return (resources.files(__package__) / "templates" / name).read_text(encoding="utf-8")
