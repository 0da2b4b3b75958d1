"""What is kept of runs between commands: nothing but time may depend on it."""

import hashlib
import json
import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor

import pytest
from stored_runs_made import FAILED, STATIC, environment, record, timed, write_run

from harness.judge.regression.history import read_history
from harness.records import kept_counts
from harness.records.quantities.registry import COMPARED
from harness.records.remarks import remark
from harness.records.run_directory import DESCRIPTION, RECORDS

RUNS = 4


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder of runs that counts as old enough to be kept, with an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kept_counts, "SETTLED", -1.0)
    for number in range(RUNS):
        write(tmp_path / "runs", number)
    return tmp_path / "runs"


def write(folder, number):
    records = [
        record("A", STATIC | timed(0.01, seed=number)),
        record("A", STATIC | timed(0.01, seed=-number), replicate=2),
        record("B", STATIC | {"params": 216 + number}, threads=None),
        FAILED,
    ]
    return write_run(folder, number, records, environment(f"{number:040x}"))


def answer(folder):
    return json.dumps(read_history([folder], list(COMPARED)).as_json())


def anew(folder, monkeypatch):
    """The answer without a cache."""
    with monkeypatch.context() as patch:
        patch.setattr(kept_counts, "_read", lambda _: {})
        return answer(folder)


def files(folder):
    return sorted((folder.parent / "cache" / "context-harness" / "history").glob("*"))


def counting(monkeypatch):
    """Names of the runs that are read from now on."""
    names, read = [], kept_counts.read_counted

    def counted(path, lists):
        names.append(path.name)
        return read(path, lists)

    monkeypatch.setattr(kept_counts, "read_counted", counted)
    return names


def test_what_is_kept_is_not_read_again_and_says_the_same(root, monkeypatch):
    first = answer(root)
    names = counting(monkeypatch)
    assert answer(root) == first
    assert names == []
    assert len(files(root)) == 1


def run_of(root, number):
    return sorted((root / "mini").iterdir())[number]


def appended(root):
    with (run_of(root, 1) / RECORDS).open("a") as file:
        file.write(record("A", STATIC | timed(0.02)).to_line() + "\n")


def truncated(root):
    path = run_of(root, 1) / RECORDS
    os.truncate(path, path.stat().st_size - 100)


def damaged(root):
    path = run_of(root, 1) / RECORDS
    path.write_bytes(path.read_bytes().replace(b'"label":"A"', b'"label":\xff', 1))


def rewritten_under_the_same_time_and_size(root):
    path = run_of(root, 1) / RECORDS
    was, text = path.stat(), path.read_text()
    path.write_text(text.replace('"params":217', '"params":999'))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (was.st_size, was.st_mtime_ns)


def without_a_case(root):
    path = run_of(root, 1) / DESCRIPTION
    described = json.loads(path.read_text())
    del described["suite"]["jobs"][0]
    path.write_text(json.dumps(described))


def description_lost(root):
    (run_of(root, 1) / DESCRIPTION).write_text("{")


def removed(root):
    shutil.rmtree(run_of(root, 1))


def replaced_by_another(root):
    shutil.rmtree(run_of(root, 1))
    run_of(root, 1).rename(run_of(root, 0).with_name("20260101T010000Z-0001"))


def added(root):
    write(root, RUNS)


def remarked(root):
    remark(run_of(root, 1), ["v1"], note="slower")


CHANGES = [
    appended, truncated, damaged, rewritten_under_the_same_time_and_size, without_a_case,
    description_lost, removed, replaced_by_another, added, remarked,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_changes_is_seen_and_the_rest_is_not_read_again(root, monkeypatch, change):
    first = answer(root)
    change(root)
    names = counting(monkeypatch)
    found = answer(root)
    assert len(names) <= 1
    assert found == anew(root, monkeypatch) != first


def signed(text):
    return f"{hashlib.sha256(text).hexdigest()}\n".encode() + text


def of_other_code(kept):
    return signed(kept.partition(b"\n")[2].replace(b'{"code":"', b'{"code":"0', 1))


def of_another_form(kept):
    return signed(kept.partition(b"\n")[2].replace(b'"parts":', b'"pieces":'))


DAMAGE = {
    "cut off": lambda kept: kept[: len(kept) // 2],
    "without its end": lambda kept: kept[:-1],
    "a figure is another": lambda kept: kept.replace(b"216.0", b"999.0"),
    "empty": lambda kept: b"",
    "no text": lambda kept: bytes(range(256)),
    "no JSON": lambda kept: signed(b"{"),
    "another kind": lambda kept: signed(b"[]"),
    "other code": of_other_code,
    "another form": of_another_form,
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_is_damaged_is_read_anew(root, monkeypatch, damage):
    first = answer(root)
    (place,) = files(root)
    kept = place.read_bytes()
    place.write_bytes(DAMAGE[damage](kept))
    assert place.read_bytes() != kept
    names = counting(monkeypatch)
    assert answer(root) == first
    assert len(names) == RUNS
    assert place.read_bytes().partition(b"\n")[0] == kept.partition(b"\n")[0]  # kept again


def test_a_run_that_was_written_just_now_is_not_kept(root, monkeypatch):
    """Its next change could leave size and times as they are."""
    monkeypatch.setattr(kept_counts, "SETTLED", 60.0)
    first = answer(root)
    assert files(root) == []
    assert answer(root) == first


def test_a_folder_that_cannot_be_written_costs_only_time(root, monkeypatch):
    expected = answer(root)
    (root.parent / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(root.parent / "file"))
    assert answer(root) == answer(root) == expected


def test_the_same_folder_by_another_name_keeps_its_own_paths(root, monkeypatch):
    answer(root)
    names = counting(monkeypatch)
    monkeypatch.chdir(root.parent)
    (series, *_) = read_history([root.relative_to(root.parent)]).series
    assert str(series.points[0].run.path).startswith("runs/mini/")
    assert names == []


def _answers(root, times):
    place = kept_counts._place_of(root)
    found = set()
    for _ in range(times):
        place.unlink(missing_ok=True)
        found |= {answer(root), answer(root)}
    return found


def test_two_processes_at_once_say_the_same(root):
    expected = answer(root)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        both = [pool.submit(_answers, root, 10) for _ in range(2)]
        assert [each.result() for each in both] == [{expected}] * 2
    assert len(files(root)) == 1  # and nothing half-written is left
