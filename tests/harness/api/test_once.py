"""Done once: a figure is judged once per run, a suite file is read once per command."""

import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import harness
from harness.api.measure import validate
from harness.cli.app import app
from harness.judge import verdict

KEPT = Path(__file__).resolve().parents[3] / "results" / "efficiency"
SUITE = """
suite: mini
include: [below.yaml]
input: [1, 8, 6, 6]
measure: [params]
cases:
  - {label: case-a, module: self_attention}
  - {label: case-b, module: self_attention, with: {key_channels: 2}}
tables:
  - {columns: [label, params]}
plots:
  - {kind: bar, y: params}
"""
BELOW = "suite: below\ninput: [1, 8, 6, 6]\ncases:\n  - {label: case-c, module: interlaced}\n"

opened: list[str] = []
"""Suite files that were opened; an audit hook, which can never be removed, adds to it."""


def note(event, arguments):
    if event == "open" and str(arguments[0]).endswith(("mini.yaml", "below.yaml")):
        opened.append(Path(arguments[0]).name)


@pytest.fixture(scope="module", autouse=True)
def hook():
    sys.addaudithook(note)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mini.yaml").write_text(SUITE)
    (tmp_path / "below.yaml").write_text(BELOW)
    opened.clear()
    return tmp_path


def test_a_figure_is_judged_once_however_often_it_is_shown(tmp_path, monkeypatch):
    judged, judge = [], verdict.judge

    def counted(*arguments):
        judged.append(arguments)
        return judge(*arguments)

    monkeypatch.setattr(verdict, "judge", counted)
    shutil.copytree(KEPT, tmp_path / "efficiency")
    run = harness.load(tmp_path / "efficiency")
    figures = sum(len(row["verdicts"]) for row in run.rows())
    run.write()
    for name in run.plots():
        run.plot(name)
    assert all(run.table(name, format="markdown") for name in run.tables())
    assert run.tally().total == figures
    harness.report(run, tmp_path / "report.html")
    assert (figures, len(judged)) == (128, 128)


def test_checking_judges_nothing(monkeypatch):
    monkeypatch.setattr(verdict, "judge", None)
    suites = KEPT.parents[1] / "suites"
    assert validate(suites / "ocnet_table4.yaml").all_jobs()


@pytest.mark.parametrize(
    "command",
    ["validate mini.yaml", "run mini.yaml", "run mini.yaml --only case-a"],
)
def test_a_suite_file_is_read_once(folder, command):
    done = CliRunner().invoke(app, command.split())
    assert done.exit_code == 0, done.output
    assert sorted(opened) == ["below.yaml", "mini.yaml"]
