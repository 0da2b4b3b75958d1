"""Baselines: found by machine and suite, replaced at once, and never half there."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from made_runs import MACHINE, OTHER_MACHINE, Made, latencies, run_directory

from harness.judge.regression import baselines
from harness.judge.regression.baselines import (
    BaselineError,
    accept,
    every,
    find_baseline,
    find_for,
    observed,
)
from harness.judge.regression.observed import observe


@pytest.fixture
def root(tmp_path):
    return tmp_path / "baselines"


@pytest.fixture
def made(tmp_path):
    """Makes runs whose first latency tells them apart."""
    return lambda seconds, **changes: observe(
        run_directory(tmp_path / "runs", [Made("A", latencies(1, seconds=seconds))], **changes)
    )


def test_an_accepted_run_is_a_copy(root, made):
    run = made(0.01)
    baseline = accept(run, root, {"latency_seconds": 0.03})
    for file in run.path.glob("*.json*"):
        file.unlink()
    assert baseline.path.parent == root / MACHINE / "mini"
    assert find_baseline(root, MACHINE, "mini") == baseline
    assert baseline.noise_floor == {"latency_seconds": 0.03}
    assert observed(baseline).replicates == run.replicates


def test_the_next_one_takes_its_place(root, made):
    accept(made(0.01), root)
    second = accept(made(0.02), root)
    assert find_baseline(root, MACHINE, "mini") == second
    names = {path.name for path in (root / MACHINE / "mini").iterdir()}
    assert names == {"accepted.json", second.run}


def test_nothing_but_copies_of_runs_goes_for_the_next_one(root, made, tmp_path):
    """Whatever else somebody keeps in the folder of a baseline stays as it is."""
    folder = accept(made(0.01), root).folder
    ours = {"20260101T000000Z-aaaa": ("run.json", "records.jsonl"), "20260101T000000Z-bbbb": ()}
    theirs = {
        "notes": ("run.json", "records.jsonl"),
        "20260101T000000Z-cccc": ("run.json", "records.jsonl", "thesis.tex"),
        "20260101T000000Z-dddd": ("thesis.tex",),
    }
    for name, files in (ours | theirs).items():
        (folder / name).mkdir()
        for file in files:
            (folder / name / file).write_text("x")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "run.json").write_text("x")
    (folder / "20260101T000000Z-eeee").symlink_to(tmp_path / "elsewhere")
    second = accept(made(0.02), root)
    left = {path.name: tuple(sorted(p.name for p in path.iterdir()))
            for path in folder.iterdir() if path.is_dir() and path.name != second.run}  # fmt: skip
    kept = {name: tuple(sorted(files)) for name, files in theirs.items()}
    assert left == kept | {"20260101T000000Z-eeee": ("run.json",)}


def test_a_run_of_another_name_gets_one_by_which_it_is_known_later(root, made):
    run = made(0.01)
    renamed = run.path.rename(run.path.with_name("my best run"))
    first = accept(observe(renamed), root)
    second = accept(made(0.02), root)
    assert first.run != "my best run"
    assert {path.name for path in first.folder.iterdir()} == {"accepted.json", second.run}


def test_a_damaged_baseline_is_left_out_of_the_list_and_said(root, made):
    kept = accept(made(0.01), root)
    other = root / OTHER_MACHINE / "mini"
    other.mkdir(parents=True)
    (other / "accepted.json").write_bytes(b'{"run": "\xff"}')
    found, (said,) = every(root)
    assert found == [kept]
    assert said.startswith(f"{other / 'accepted.json'}: cannot be read")


def test_a_run_that_went_on_can_be_accepted_again(root, made, tmp_path):
    run = made(0.01)
    accept(run, root)
    again = accept(run, root)
    assert observed(again).replicates == run.replicates
    assert len(every(root)[0]) == 1


def test_machines_have_baselines_of_their_own(root, made):
    here, there = made(0.01), made(0.02, machine=OTHER_MACHINE)
    accept(here, root)
    accept(there, root)
    assert [each.machine_key for each in every(root)[0]] == [MACHINE, OTHER_MACHINE]
    assert find_for(here, root).machine_key == MACHINE
    assert find_for(there, root).machine_key == OTHER_MACHINE


def test_another_machines_baseline_serves_where_there_is_no_own(root, made):
    accept(made(0.02, machine=OTHER_MACHINE), root)
    assert find_for(made(0.01), root).machine_key == OTHER_MACHINE


def test_no_baseline_says_how_to_make_one(root, made):
    run = made(0.01)
    with pytest.raises(BaselineError, match="harness baseline accept"):
        find_for(run, root)


def test_an_incomplete_run_is_refused(root, made):
    run = made(0.01, missing=4)
    with pytest.raises(BaselineError, match="5 of 9 processes"):
        accept(run, root)
    assert not root.exists()


def test_a_baseline_is_no_run_to_accept(root, made):
    baseline = accept(made(0.01), root)
    with pytest.raises(BaselineError, match="is the baseline already"):
        accept(observed(baseline), root)


@pytest.mark.parametrize("place", ["sync", "write_atomically"])
def test_interrupted_before_it_counts_the_earlier_baseline_stays(root, made, monkeypatch, place):
    first = accept(made(0.01), root)
    with monkeypatch.context() as patch:
        patch.setattr(baselines, place, interrupt)
        with pytest.raises(KeyboardInterrupt):
            accept(made(0.02), root)
    found = find_baseline(root, MACHINE, "mini")
    assert found == first
    assert observed(found).found == 5
    third = accept(made(0.03), root)  # and nothing is left of the attempt after the next one
    names = {path.name for path in (root / MACHINE / "mini").iterdir()}
    assert names == {"accepted.json", third.run}


def interrupt(*arguments):
    raise KeyboardInterrupt


def test_readers_see_one_or_the_other(root, made):
    """While two runs are accepted in turn, whoever looks finds one of them, whole."""
    runs = [made(0.01), made(0.02)]
    accept(runs[0], root)
    done = threading.Event()

    def replace():
        for number in range(20):
            accept(runs[number % 2], root)
        done.set()

    thread = threading.Thread(target=replace)
    thread.start()
    seen = 0
    while not done.is_set():
        seen += 1
        found = find_baseline(root, MACHINE, "mini")
        assert found is not None
        assert found.run.startswith((runs[0].path.name, runs[1].path.name))
    thread.join()
    assert seen


def test_accepting_at_once_from_several_places(root, made):
    runs = [made(0.01), made(0.02), made(0.03)]
    with ThreadPoolExecutor(3) as pool:
        accepted = list(pool.map(lambda number: accept(runs[number % 3], root), range(30)))
    found = find_baseline(root, MACHINE, "mini")
    assert found in accepted
    assert observed(found).found == 5
    names = {path.name for path in (root / MACHINE / "mini").iterdir()}
    assert names == {"accepted.json", found.run}


def test_a_folder_that_cannot_be_written(made, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BaselineError, match="choose another place with --baselines"):
        accept(made(0.01), tmp_path / "file")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "[" * 5000, '{"run": "x", "accepted_at": "", "noise_floor": {"a": 1e999}}',
     '{"run": "../../x", "accepted_at": ""}',
     '{"run": "x", "accepted_at": "", "noise_floor": {"a": []}}'],
)  # fmt: skip
def test_a_damaged_baseline_is_named(root, made, text):
    baseline = accept(made(0.01), root)
    (baseline.folder / "accepted.json").write_text(text)
    with pytest.raises(BaselineError, match="accept a run anew"):
        find_baseline(root, MACHINE, "mini")


def test_a_baseline_whose_run_has_gone(root, made):
    baseline = accept(made(0.01), root)
    data = json.loads((baseline.folder / "accepted.json").read_text())
    (baseline.folder / "accepted.json").write_text(json.dumps(data | {"run": "elsewhere"}))
    found = find_baseline(root, MACHINE, "mini")
    with pytest.raises(BaselineError, match="accept one anew"):
        observed(found)
