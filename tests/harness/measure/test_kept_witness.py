"""Second witnesses that are kept, and what makes them void."""

import json
from dataclasses import replace

import pytest
from made_jobs import made_job

from harness.measure import kept_witness
from harness.measure.witness import measure_witness


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "context-harness" / "witness"


def files(folder):
    return sorted(folder.glob("*")) if folder.exists() else []


JOB = made_job("self_attention", (1, 8, 40, 40))


def test_one_structure_is_kept_once_and_is_what_was_counted(folder):
    counted = measure_witness(JOB)
    assert len(files(folder)) == 1
    assert measure_witness(JOB) == counted
    larger = made_job("self_attention", (1, 8, 90, 70))  # the same at its small size
    assert measure_witness(larger) == counted
    training = replace(JOB, case=replace(JOB.case, pass_="training"))
    assert measure_witness(training) == counted
    assert len(files(folder)) == 1


def test_what_is_kept_is_what_is_said(folder):
    measure_witness(JOB)
    (file,) = files(folder)
    said = json.loads(file.read_text())
    said["witness"]["conv"]["ours"] = -1
    said["hash"] = kept_witness._hash(said["witness"])
    file.write_text(json.dumps(said))
    assert measure_witness(JOB)["witness"]["conv"]["ours"] == -1


@pytest.mark.parametrize("damage", [lambda text: text[:-9], lambda text: text.replace("1", "2")])
def test_what_was_damaged_is_counted_again(folder, damage):
    counted = measure_witness(JOB)
    (file,) = files(folder)
    file.write_text(damage(file.read_text()))
    assert measure_witness(JOB) == counted


def test_other_code_other_arguments_other_types_are_counted_apart(folder, monkeypatch):
    measure_witness(JOB)
    measure_witness(made_job("self_attention", (1, 8, 40, 40), key_channels=2))
    measure_witness(made_job("self_attention", (1, 8, 40, 40), dtype="float64"))
    assert len(files(folder)) == 3
    monkeypatch.setitem(kept_witness._CODE, "sources", "of another day")
    measure_witness(JOB)
    assert len(files(folder)) == 4


@pytest.mark.parametrize("name", ["SharedReLU", "FusedAttention"])
def test_modules_of_users_are_never_kept(folder, name):
    assert measure_witness(made_job(name, (1, 3, 16, 16)))["witness"]
    assert not files(folder)


def test_a_folder_that_cannot_be_written_costs_nothing(folder):
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way")
    assert measure_witness(JOB)["witness"]["conv"]["agree"] is True
