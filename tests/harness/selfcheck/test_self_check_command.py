"""`harness selfcheck` on this processor, as a user runs it."""

import json
import signal

from harness_user import User, wait_for
from typer.testing import CliRunner

from harness.cli.app import app

SOME = ("--only", "machine", "--only", "failures", "--only", "graphs")


def test_what_is_checked_is_printed_and_kept(user: User):
    done = user.run("selfcheck", "--device", "cpu", "--budget", "60", *SOME, "--json")
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    found = {each["name"]: each for each in data["sections"]}
    assert {name: each["verdict"] for name, each in found.items()} == {
        "machine": "pass",
        "failures": "pass",
        "graphs": "skipped",
    }
    assert {each["figures"]["status"] for each in found["failures"]["findings"]} == {
        *("error", "oom", "invalid", "killed", "timeout")
    }
    folder = user.folder / "results" / "selfcheck"
    kept = json.loads((folder / "selfcheck.json").read_text())
    assert kept["sections"] == data["sections"]
    page = (folder / "selfcheck.md").read_text()
    assert "| failures: is a case that fails its own row? | pass |" in page
    assert "needs a GPU" in page
    assert "2 passed, 1 skipped" in done.stderr
    assert not user.survivors(), user.describe_survivors()


def test_an_interrupt_ends_all_and_keeps_what_was_found(user: User):
    process = user.start("selfcheck", "--device", "cpu", *SOME)
    wait_for(lambda: "machine: pass" in user.err)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert user.err.splitlines()[-1] == "interrupted"
    kept = json.loads((user.folder / "results" / "selfcheck" / "selfcheck.json").read_text())
    assert [each["name"] for each in kept["sections"]] == ["machine"]
    assert not user.survivors(), user.describe_survivors()


def test_a_section_that_does_not_exist():
    result = CliRunner().invoke(app, ["selfcheck", "--only", "timings"])
    assert result.exit_code != 0
    assert "did you mean timing?" in str(result.exception)


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_checked(tmp_path):
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["selfcheck", "--out", str(tmp_path / "file")])
    assert "choose another folder with --out" in str(result.exception)


def test_no_gpu_here(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    result = CliRunner().invoke(app, ["selfcheck", "--device", "cuda"])
    assert "write --device cpu" in str(result.exception)
