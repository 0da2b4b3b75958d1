"""`harness report` as people call it."""

import sys

import pytest
from made_reports import job, record, write_run

from harness.case import Outcome
from harness.cli.app import main
from harness.suite.presentation import TableSpec


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """Runs the command in an empty folder; its exit code and what it wrote to stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["harness", "report", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, " ".join(capsys.readouterr().err.split())

    return run


@pytest.fixture
def made(tmp_path):
    def make(name="made"):
        of = job("A", name)
        outcome = Outcome("ok", values={"params": 10})
        tables = [TableSpec(columns=("label", "params"))]
        return write_run(tmp_path / "runs", [record(of, outcome)], [of], name=name, tables=tables)

    return make


def test_one_run_is_reported_beside_its_records(command, made):
    run = made()
    code, said = command(run.parent)
    assert code == 0
    assert said.startswith(f"report: {run / 'report.html'} (")
    assert (run / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_several_runs_are_reported_where_one_stands(command, made, tmp_path):
    code, said = command(made("first"), made("second"))
    assert code == 0
    assert said.startswith("report: report.html (")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "first" in text
    assert "second" in text


def test_the_file_may_be_named(command, made, tmp_path):
    assert command(made(), "--out", "new/folder/x.html")[0] == 0
    assert (tmp_path / "new" / "folder" / "x.html").is_file()


def test_what_is_no_run_is_named_in_one_line(command, tmp_path):
    code, said = command("nowhere")
    assert code == 2
    assert said.startswith("nowhere: no such run")


def test_a_file_that_cannot_be_written_is_named(command, made, tmp_path):
    (tmp_path / "taken").write_text("a file, no folder")
    code, said = command(made(), "--out", "taken/x.html")
    assert code == 2
    assert said.startswith("taken/x.html: cannot be written")


def test_a_missing_extra_is_named_with_its_cure(command, made, monkeypatch):
    run = made()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    code, said = command(run)
    assert code == 2
    assert said.endswith("pip install 'context-harness[report]'")
