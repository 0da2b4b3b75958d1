"""Tags and notes of runs: kept beside what is measured, whatever happens meanwhile."""

import fcntl
import os
import subprocess
import sys
import time

import pytest
from stored_runs_made import record, write_run

from harness.records.remarks import REMARKS, RemarkError, Remarks, remark
from harness.records.run_directory import RECORDS, RunDirectory


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "runs", 0, [record("A")])


def test_tags_and_a_note_come_and_go(run):
    assert Remarks.of(run) == Remarks()
    remark(run, ["a", "b", "a"], note="Two  words")
    assert remark(run, ["c"], untag=["a"]) == Remarks(("b", "c"), "Two  words")
    assert Remarks.of(run).text == "(b, c) Two words"
    assert remark(run, note="") == Remarks(("b", "c"), "")


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("latest", "stands for the run that was started last"),
        ("20260101", "stands for a run by its id"),
        ("mini", "a suite in"),
        ("a/b", "no tag; use up to 100 letters"),
        ("", "no tag; use up to 100 letters"),
    ],
)
def test_what_would_mean_something_else_is_no_tag(run, tag, said):
    with pytest.raises(RemarkError, match=said):
        remark(run, [tag])
    assert not (run / REMARKS).exists()


def test_a_tag_that_is_not_there_cannot_go(run):
    remark(run, ["before"])
    with pytest.raises(RemarkError, match=r"has no tag befor; did you mean before\?"):
        remark(run, untag=["befor"])


def test_what_cannot_be_read_says_nothing(run):
    for text in ("{", "[]", '{"tags": 3}', '{"tags": ["a", 1]}'):
        (run / REMARKS).write_text(text)
        assert Remarks.of(run) == Remarks()
    assert remark(run, ["a"]).tags == ("a",)


def test_a_run_that_is_measured_can_be_tagged_and_loses_nothing(run):
    directory = RunDirectory(run)
    before = (run / RECORDS).read_bytes()
    with directory.writer() as writer:
        assert directory.is_written()
        remark(run, ["now"])
        directory.describe({**directory.description(), "mix_machines": True})
        writer.append(record("B"))
    assert not directory.is_written()
    assert Remarks.of(run).tags == ("now",)
    assert (run / RECORDS).read_bytes() == before + record("B").to_line().encode() + b"\n"


ADD = """
import sys
from pathlib import Path
from harness.records.remarks import remark
for number in range(20):
    remark(Path(sys.argv[1]), [f"{sys.argv[2]}-{number}"])
"""


def test_of_two_at_once_both_are_kept(run):
    both = [subprocess.Popen([sys.executable, "-c", ADD, str(run), name]) for name in "ab"]
    assert [each.wait() for each in both] == [0, 0]
    assert len(Remarks.of(run).tags) == 40


def test_a_look_at_a_run_does_not_keep_its_writer_out(run, monkeypatch):
    look = os.open(run / RECORDS, os.O_RDONLY)
    fcntl.flock(look, fcntl.LOCK_SH)  # as `is_written` has it for a moment
    monkeypatch.setattr(time, "sleep", lambda _: os.close(look))
    RunDirectory(run).writer().close()
