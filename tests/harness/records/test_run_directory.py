"""What is on disk: whole records, one writer, one sentence for every failure."""

import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness_user import ROOT
from made_records import made_record

from harness.messages import HarnessError
from harness.records.run_directory import (
    RecordWriter,
    RunDirectory,
    RunDirectoryError,
    is_run_name,
)

LABELS = ["A", "B", "C"]


@pytest.fixture
def run(tmp_path):
    return RunDirectory.create(tmp_path, "mini", {"environment": {}, "scale": float("nan")})


@pytest.fixture
def filled(run):
    with run.writer() as writer:
        for label in LABELS:
            writer.append(made_record(label))
    return run


def labels(run):
    return [record.label for record in run.records()]


def test_names_sort_by_time_within_a_second_too(tmp_path):
    runs = [RunDirectory.create(tmp_path, "mini", {}).path.name for _ in range(20)]
    assert sorted(runs) == runs
    assert all(map(is_run_name, runs))


def test_records_come_back_in_order(filled):
    assert labels(filled) == LABELS
    assert filled.description() == {"environment": {}, "scale": None}


def test_a_run_without_records_has_none(run):
    assert run.records() == []


@pytest.mark.parametrize("cut", [1, 5, 100])
def test_a_truncated_last_line_is_no_record_and_is_cut_before_the_next(filled, cut):
    path = filled.path / "records.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    assert labels(filled) == ["A", "B"]
    with filled.writer() as writer:
        writer.append(made_record("D"))
    assert labels(filled) == ["A", "B", "D"]


def test_a_file_of_one_truncated_line_is_empty(run):
    (run.path / "records.jsonl").write_bytes(b'{"suite": "mi')
    assert run.records() == []
    run.writer().close()
    assert (run.path / "records.jsonl").read_bytes() == b""


@pytest.mark.parametrize("garbage", [b"garbage", b"", b"{}", b"\xff\xfe", b"\x00" * 50, b"[1]"])
def test_a_garbage_line_is_named(filled, garbage):
    path = filled.path / "records.jsonl"
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], garbage, *lines[1:]]))
    with pytest.raises(RunDirectoryError) as caught:
        filled.records()
    message = str(caught.value)
    assert message.startswith(f"{path}:2: not a record")
    assert "remove the line" in message
    assert "\n" not in message


def test_a_second_writer_is_refused(filled):
    with filled.writer():
        with pytest.raises(RunDirectoryError, match="another process is writing this run"):
            filled.writer()
        assert labels(filled) == LABELS  # reading is free
    with filled.writer() as writer:
        writer.append(made_record("D"))
    assert labels(filled) == [*LABELS, "D"]


@pytest.mark.parametrize("how", ["moved", "removed", "replaced"])
def test_a_directory_that_goes_away_is_noticed_at_the_next_record(filled, tmp_path, how):
    elsewhere = tmp_path / "elsewhere"
    with filled.writer() as writer:
        if how == "removed":
            shutil.rmtree(filled.path)
        else:
            filled.path.rename(elsewhere)
        if how == "replaced":
            shutil.copytree(elsewhere, filled.path)
        with pytest.raises(RunDirectoryError) as caught:
            writer.append(made_record("D"))
    assert caught.value.exit_code == 1
    if how == "removed":
        assert "was removed or replaced" in str(caught.value)
    else:
        assert f"was moved to {elsewhere}" in str(caught.value)
        assert labels(RunDirectory(elsewhere)) == [*LABELS, "D"]


@pytest.mark.parametrize("suite", ["../victim", "/tmp/victim", ".", ""])
def test_a_suite_that_names_no_folder_is_refused(tmp_path, suite):
    with pytest.raises(HarnessError, match="cannot be a file name"):
        RunDirectory.create(tmp_path / "runs", suite, {})
    assert list(tmp_path.iterdir()) == []


def _write_and_die(path: Path) -> None:
    RecordWriter(path).append(made_record("dying"))
    os._exit(9)


def test_the_lock_of_a_dead_writer_is_gone(run):
    child = multiprocessing.get_context("fork").Process(
        target=_write_and_die, args=(run.path / "records.jsonl",)
    )
    child.start()
    child.join()
    assert child.exitcode == 9
    with run.writer() as writer:
        writer.append(made_record("next"))
    assert labels(run) == ["dying", "next"]


def test_two_runs_of_a_moment_have_their_own_folders(tmp_path):
    paths = {RunDirectory.create(tmp_path, "mini", {}).path for _ in range(20)}
    assert len(paths) == 20


FULL = """
import resource, sys
from pathlib import Path
from made_records import made_record
from harness.records.run_directory import RunDirectory, RunDirectoryError
run = RunDirectory(Path(sys.argv[1]))
size = (run.path / "records.jsonl").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + int(sys.argv[2]), resource.RLIM_INFINITY))
with run.writer() as writer:
    try:
        writer.append(made_record("too much"))
    except RunDirectoryError as error:
        print(error)
"""


@pytest.mark.parametrize("room", [0, 1, 300])
def test_a_full_disk_loses_nothing_that_was_there(filled, room):
    path = filled.path / "records.jsonl"
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(filled.path), str(room)],
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "cannot write the record of 'too much': " in done.stdout
    assert "--resume" in done.stdout
    assert done.stderr == ""
    assert path.read_bytes() == before
    assert labels(filled) == LABELS


def test_limits_of_the_test_process_are_untouched():
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


@pytest.mark.parametrize("root", ["/proc/nowhere", "/dev/null", "{file}"])
def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path, root):
    (tmp_path / "file").write_text("x")
    place = Path(root.format(file=tmp_path / "file"))
    with pytest.raises(RunDirectoryError) as caught:
        RunDirectory.create(place, "mini", {})
    assert str(caught.value).startswith(f"{place}/mini/")
    assert "cannot create the run directory: " in str(caught.value)
    assert "--out" in str(caught.value)
    assert "None" not in str(caught.value)


class TestLatest:
    def test_it_points_to_the_run_marked_last(self, tmp_path):
        runs = [RunDirectory.create(tmp_path, "mini", {}) for _ in range(3)]
        for run in runs:
            run.mark_latest()
        link = tmp_path / "mini" / "latest"
        assert link.readlink() == Path(runs[-1].path.name)
        assert RunDirectory.open(tmp_path / "mini").path == runs[-1].path
        assert {p.name for p in (tmp_path / "mini").iterdir()} == {
            "latest",
            *(run.path.name for run in runs),
        }

    def test_a_run_is_found_without_links(self, tmp_path):
        names = ["20260101T000000Z-aaaa", "20260103T000000Z-0000", "20260102T000000Z-ffff"]
        for name in names:
            (tmp_path / "mini" / name).mkdir(parents=True)
            (tmp_path / "mini" / name / "run.json").write_text("{}")
        (tmp_path / "mini" / "20260104T000000Z-dead").mkdir()  # killed before run.json was there
        assert RunDirectory.open(tmp_path / "mini").path.name == names[1]

    def test_a_folder_in_its_place_is_left_alone(self, run):
        (run.path.parent / "latest").mkdir()
        run.mark_latest()
        assert sorted(p.name for p in run.path.parent.iterdir()) == [run.path.name, "latest"]

    @pytest.mark.parametrize("target", ["../../victim", "{victim}", "x"])
    def test_a_link_to_elsewhere_is_neither_followed_nor_replaced(self, tmp_path, run, target):
        victim = tmp_path / "victim"
        victim.mkdir()
        (victim / "run.json").write_text('{"suite": {"suite": "theirs"}}')
        link = run.path.parent / "latest"
        link.symlink_to(target.format(victim=victim))
        before = link.readlink()
        run.mark_latest()
        assert link.readlink() == before
        assert RunDirectory.open(run.path.parent).path == run.path

    def test_a_file_in_its_place_is_left_alone(self, run):
        (run.path.parent / "latest").write_text("mine")
        run.mark_latest()
        assert (run.path.parent / "latest").read_text() == "mine"

    def test_no_run_says_what_to_do(self, tmp_path):
        with pytest.raises(RunDirectoryError, match=r"no run here .* without --resume"):
            RunDirectory.open(tmp_path / "mini")


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "\udcff"])
def test_a_damaged_description_is_one_sentence(run, text):
    (run.path / "run.json").write_text(text, errors="surrogateescape")
    with pytest.raises(RunDirectoryError, match=r"run\.json: .*cannot be read") as caught:
        run.description()
    assert "\n" not in str(caught.value)


def test_a_description_is_replaced_whole(run):
    run.describe({"a": 1})
    assert json.loads((run.path / "run.json").read_text()) == {"a": 1}
    assert [p.name for p in run.path.iterdir()] == ["run.json"]
