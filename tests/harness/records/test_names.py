"""What a run is called: one meaning for every command and for Python."""

import pytest
from stored_runs_made import record, write_run

from harness.records.names import UnknownRunError, find_run
from harness.records.remarks import remark
from harness.records.run_directory import RunDirectoryError


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Two suites of which the first was run twice, the second last."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "results" / "runs"
    for number, suite in ((0, "mini"), (30, "mini"), (60, "other")):
        write_run(root, number, [record("A")], suite=suite)
    return root


@pytest.mark.parametrize(
    ("name", "suite", "id_"),
    [
        ("latest", "other", "20260103T120000Z-003c"),
        ("mini", "mini", "20260102T060000Z-001e"),
        ("mini/latest", "mini", "20260102T060000Z-001e"),
        ("results/runs/mini", "mini", "20260102T060000Z-001e"),
        ("results/runs/latest", "other", "20260103T120000Z-003c"),
        ("mini/20260101T000000Z-0000", "mini", "20260101T000000Z-0000"),
        ("20260101T000000Z-0000", "mini", "20260101T000000Z-0000"),
        ("20260101T000000Z", "mini", "20260101T000000Z-0000"),
        ("20260101", "mini", "20260101T000000Z-0000"),
        ("mini/20260102", "mini", "20260102T060000Z-001e"),
        ("results/runs/mini/20260102", "mini", "20260102T060000Z-001e"),
    ],
)
def test_each_form_of_a_name(root, name, suite, id_):
    assert find_run(name, root) == (root / suite / id_).resolve()


def test_a_tag_is_the_last_meaning_and_the_newest_of_its_runs(root):
    first, second = sorted((root / "mini").iterdir())
    remark(first, ["before", "both"])
    remark(second, ["both"])
    (other,) = (root / "other").iterdir()
    remark(other, ["both"])
    assert find_run("before", root) == first.resolve()
    assert find_run("both", root) == other.resolve()
    assert find_run("mini/both", root) == second.resolve()
    write_run(root, 90, [record("A")], suite="before")
    assert find_run("before", root).parent.name == "before"


def test_a_folder_here_goes_first_if_it_has_a_run(root, tmp_path):
    (tmp_path / "mini").mkdir()
    assert find_run("mini", root).parent == (root / "mini").resolve()
    here = write_run(tmp_path, 5, [record("A")], suite="mini")
    assert find_run("mini", root) == here.resolve()


def test_several_runs_of_one_beginning_are_named(root):
    write_run(root, 1, [record("A")], suite="other")
    with pytest.raises(UnknownRunError, match="20260101: 2 runs are called so; write one of oth"):
        find_run("20260101", root)
    assert find_run("mini/20260101", root).parent.name == "mini"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mni", "mni: no such run; did you mean 'mini'?; harness runs lists all of "),
        ("20260101T000001Z", "did you mean '20260101T000000Z-0000'?"),
        ("befor", "did you mean 'before'?"),
        ("xyzzy", "xyzzy: no such run; harness runs lists"),
        ("mini/xyzzy", "mini/xyzzy: no such run; "),
        ("2026", "2026: no such run; "),
        ("x" * 5000, "..."),
        ("a\0b", "no such run"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(root, name, said):
    remark(next((root / "mini").iterdir()), ["before"])
    with pytest.raises(UnknownRunError) as error:
        find_run(name, root)
    assert said in str(error.value)
    assert str(error.value).isprintable()


def test_without_runs_one_is_to_be_begun(tmp_path):
    for name in ("latest", "mini"):
        with pytest.raises(UnknownRunError, match="begin one with harness run SUITE"):
            find_run(name, tmp_path / "nowhere")
    with pytest.raises(RunDirectoryError, match="no run here"):
        find_run(tmp_path, tmp_path / "nowhere")


def test_runs_are_found_by_the_name_of_their_suites_file(root):
    """`ocnet_table4.yaml` is the suite `ocnet-table4`, and so is the folder of its runs."""
    write_run(root, 90, [record("A")], suite="ocnet-table4")
    assert find_run("ocnet_table4", root).parent.name == "ocnet-table4"
    with pytest.raises(UnknownRunError, match="did you mean 'latest'"):
        find_run("latset", root)
