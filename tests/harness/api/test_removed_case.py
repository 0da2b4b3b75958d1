"""A case that was removed from its suite: everybody who reads the resumed run leaves it out."""

import csv
import io
import json
import shutil

import pytest
from typer.testing import CliRunner

from harness.cli.app import app

LABELS = ("case-a", "case-b")
SUITE = """
suite: mini
input: [1, 8, 6, 6]
measure: [params]
cases:
  - {label: case-a, module: self_attention}
"""
REMOVED = "  - {label: case-b, module: self_attention, with: {key_channels: 2}}\n"


@pytest.fixture
def invoke(tmp_path, monkeypatch):
    """The command line in an empty folder; returns what is printed on stdout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def of_csv(text):
    return [row["label"] for row in csv.DictReader(io.StringIO(text))]


def test_all_commands_answer_with_the_same_cases(invoke, tmp_path):
    (tmp_path / "s.yaml").write_text(SUITE + REMOVED)
    invoke("run", "s.yaml")
    (tmp_path / "s.yaml").write_text(SUITE)
    resumed = json.loads(invoke("run", "s.yaml", "--resume", "--json"))
    (run,) = (path for path in (tmp_path / "results/runs/mini").iterdir() if not path.is_symlink())
    again = shutil.copytree(run, tmp_path / "elsewhere" / "copy")
    compared = json.loads(invoke("compare", str(run), str(again), "--json"))["comparisons"]
    over_time = json.loads(invoke("history", "--metric", "all", "--json"))["series"]
    invoke("report", str(run), "--out", "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    answers = {
        "run": {row["label"] for row in resumed},
        "show": {label for label in LABELS if label in invoke("show", str(run))},
        "export": set(of_csv(invoke("export", str(run), "--to", "csv"))),
        "compare": {each["label"] for each in compared},
        "report": {label for label in LABELS if label in page},
        "history": {series["label"] for series in over_time},
    }
    assert answers == {name: {"case-a"} for name in answers}
