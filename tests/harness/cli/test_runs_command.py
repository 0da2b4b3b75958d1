"""`harness runs`: one line a run, whatever state it is in; tags and notes."""

import json
import re
from datetime import UTC, datetime

import pytest
from stored_runs_made import FAILED, environment, record, write_run
from typer.testing import CliRunner

import harness
from harness.cli.app import app
from harness.messages import HarnessError
from harness.records.run_directory import RunDirectory

COMMIT = "8f3a2b1" + "0" * 33


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Runs of every state, the complete one last."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "UTC")
    root = tmp_path / "results" / "runs"
    write_run(root, 0, [record("A"), FAILED], environment(COMMIT, dirty=True))
    cut = write_run(root, 1, [record("A"), record("B")], environment(COMMIT))
    (cut / "records.jsonl").write_text(record("A").to_line() + "\n")
    broken = write_run(root, 2, [record("A")])
    (broken / "run.json").write_text("{")
    write_run(root, 3, [record("A"), record("A", replicate=2)], environment(COMMIT), suite="other")
    return root


def said(*arguments, columns=80):
    done = CliRunner().invoke(app, ["runs", *arguments], env={"COLUMNS": str(columns)})
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(*arguments):
    done = CliRunner().invoke(app, ["runs", *arguments])
    assert isinstance(done.exception, HarnessError), done.output
    return str(done.exception)


def test_a_run_is_a_line_the_last_first(root):
    lines = said(columns=120).splitlines()
    assert lines[0].split() == ["suite", "id", "started", "commit", "machine", "cases", "state"]
    assert [line.split()[:2] for line in lines[1:]] == [
        ["other", "20260101T030000Z"],
        ["mini", "20260101T020000Z"],
        ["mini", "20260101T010000Z"],
        ["mini", "20260101T000000Z"],
    ]
    assert lines[1].split()[-4:] == ["8f3a2b1", "492be8573315", "1/1", "complete"]
    assert re.search("unreadable +run.json: not JSON", lines[2])
    assert lines[3].split()[-2:] == ["1/2", "interrupted"]
    assert lines[4].split()[-5:] == ["8f3a2b1*", "492be8573315", "1/2", "1", "failed"]
    at = " 1 Jan 03:00" if datetime.now(UTC).year == 2026 else " 1 Jan  2026"
    assert at in lines[1]


def test_lines_fit_into_eighty_columns(root):
    said("latest", "--tag", "paper", "--note", "of the paper, " * 12)
    text = said()
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "    (paper) of the paper, of the paper" in text
    assert sum("run.json: not" in line for line in text.splitlines()) == 1
    assert "machine" not in text


def test_runs_are_chosen_by_suite_tag_name_and_number(root):
    def ids(*arguments):
        return [each["id"][:11] for each in json.loads(said("--json", *arguments))]

    said("20260101T010000Z", "20260101T000000Z", "--tag", "v1")
    assert ids() == ["20260101T03", "20260101T02", "20260101T01", "20260101T00"]
    assert ids("--suite", "other") == ids("latest") == ["20260101T03"]
    assert ids("--tagged", "v1") == ["20260101T01", "20260101T00"]
    assert ids("--suite", "other", "--tagged", "v1") == []
    assert ids("--limit", "2") == ["20260101T03", "20260101T02"]
    assert "and 3 older: --limit 0 lists all" in said("--limit", "1")


def test_json_has_every_word(root):
    (run,) = json.loads(said("other", "--json", "--tag", "a", "--note", "b"))
    assert run | {"path": ""} == {
        "suite": "other",
        "id": "20260101T030000Z-0003",
        "path": "",
        "state": "complete",
        "started_at": "2026-01-01T03:00:00+00:00",
        "commit": COMMIT,
        "dirty": False,
        "machine_key": "492be8573315",
        "cpu": "EPYC",
        "cases": 1,
        "ok": 1,
        "failed": 0,
        "problem": "",
        "command": "harness run mini.yaml",
        "tags": ["a"],
        "note": "b",
    }


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (
            "/opt/bin/harness run 'my suite.yaml' --repeats 5",
            "harness run 'my suite.yaml' --repeats 5",
        ),
        ("/lib/harness/__main__.py run mine.yaml", "python -m harness run mine.yaml"),
        ("script.py", "script.py"),
    ],
)
def test_a_run_that_is_named_tells_its_command(root, written, shown):
    file = next((root / "other").iterdir()) / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "command": written}))
    assert said("other").splitlines()[-1].strip() == f"$ {shown}".strip()
    assert "$" not in said()


def test_a_run_that_is_measured_is_running(root):
    path = next((root / "other").iterdir())
    with RunDirectory(path).writer():
        assert "running" in said("other")
    assert "complete" in said("other")


def test_mistakes_are_one_line(root):
    assert refused("--tag", "v1").startswith("--tag, --untag and --note: of which run?")
    assert "--suite othr: no such run" in refused("--suite", "othr")
    assert "did you mean other?" in refused("--suite", "othr")
    assert "--tagged v1: no such run" in refused("--tagged", "v1")
    assert "a suite in" in refused("latest", "--tag", "mini")
    assert "did you mean 'other'?" in refused("othr")


def test_without_runs_nothing_is_listed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["runs"])
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "no run in results/runs; begin one with harness run SUITE\n"
    assert json.loads(said("--json")) == []


@pytest.mark.slow
def test_tags_from_the_start_name_the_run_everywhere(user, monkeypatch):
    monkeypatch.chdir(user.folder)
    user.write(
        "mini.yaml",
        """
        suite: mini
        input: [1, 8, 6, 6]
        measure: [params]
        cases: [{label: A, module: self_attention}]
        """,
    )
    for tags in (["--tag", "first", "--note", "before all"], ["--tag", "second"]):
        assert user.call("run", "mini.yaml", *tags).returncode == 0
    (first,) = json.loads(said("first", "--json"))
    run = harness.load("first")
    assert (run.directory.path.name, run.tags, run.note) == (first["id"], ("first",), "before all")
    assert "\n(first) before all\n" in printed("show", "first")
    (second,) = json.loads(said("second", "--json"))
    starts = (first["id"][:n] for n in range(16, len(first["id"]) + 1))
    short = next(start for start in starts if not second["id"].startswith(start))
    assert printed("export", short, "--to", "csv").count("\n") == 2
    assert "no regression" in printed("compare", "first", "second")
    printed("report", "first", "--out", "report.html")
    assert "(first) before all" in (user.folder / "report.html").read_text()
    assert "accepted: " in printed("baseline", "accept", "second")
    went_on = user.call("run", "mini.yaml", "--resume=first", "--tag", "third")
    assert "kept 1" in went_on.stderr
    assert json.loads(said("third", "--json"))[0]["tags"] == ["first", "third"]
    assert user.call("run", "mini.yaml", "--tag", "latest").returncode == 2
    assert len(json.loads(said("--json"))) == 2


def printed(*arguments):
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output
