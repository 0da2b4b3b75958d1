"""Trainings that go ahead of a run: each once, several at once, failures in their rows."""

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from harness.case import Outcome
from harness.engines.engine import EngineError, Finished, Measuring, RemoteEngine, Started
from harness.engines.local import LocalEngine
from harness.runner import execute
from harness.suite.loader import load
from harness.training.ahead import TrainingPass, train_ahead
from harness.training.checkpoint import CHECKPOINTS_VARIABLE

RECIPE = """
recipe: tiny
network: {backbone: small, backbone_arguments: {width: 8}, auxiliary: false}
data: {name: scenes, root: ROOT, size: 48, context: scene, train: 6, val: 3}
steps: 3
batch: 2
optimizer: {learning_rate: 0.1}
"""
SUITE = """
suite: tiny
input: [1, 8, 12, 12]
device: cpu
threads: 1
measure: [params, accuracy]
recipe: tiny
evaluation: {boundary: []}
cases:
  - {label: one, module: ppm, with: {out_channels: 8}}
  - {label: mirrored, module: ppm, with: {out_channels: 8}, evaluation: {flip: true, seeds: 2}}
  - label: diverging
    module: se
    with: {reduction: 2}
    recipe_changes: {optimizer: {learning_rate: 1.0e+30}}
  - {label: alone, module: se, with: {reduction: 4}, measure: [accuracy]}
  - {label: untrained, module: se, with: {reduction: 1}, measure: [params]}
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suite")
    (folder / "recipes").mkdir()
    (folder / "recipes" / "tiny.yaml").write_text(RECIPE.replace("ROOT", str(folder / "data")))
    (folder / "tiny.yaml").write_text(SUITE)
    return load(folder / "tiny.yaml")


class Quick:
    """Answers at once; `fails` names labels whose accuracy fails, `ends_at` one that is Ctrl-C,
    `warns` those whose trainings have something to say."""

    def __init__(self, fails=(), ends_at=None, warns=()):
        self.jobs, self.fails, self.ends_at, self.cancelled = [], fails, ends_at, 0
        self.warns = warns

    def submit(self, job):
        self.jobs.append(job)

    def events(self):
        for job in self.jobs:
            if job.label == self.ends_at:
                raise KeyboardInterrupt
            yield Started(job)
            yield Measuring(job, job.metrics[0])
            failed = job.label in self.fails and "accuracy" in job.metrics
            outcome = Outcome("ok", values={"params": 1.0}, seconds={"params": 1.0}, elapsed=2.0)
            if failed:
                outcome = Outcome("killed", "killed by SIGKILL", tail=("last line",), elapsed=3.0)
            if job.label in self.warns and job.metrics == ("accuracy",):
                outcome = replace(outcome, warnings=(f"{job.label} {job.seed} was repeated",))
            yield Finished(job, outcome)

    def cancel(self):
        self.cancelled += 1


def test_cases_that_share_a_training_ask_for_it_once_and_each_seed_goes_alone(suite):
    jobs = TrainingPass(suite.all_jobs()).jobs
    assert [(job.label, job.seed) for job in jobs] == [
        ("one", 0), ("mirrored", 1), ("diverging", 0), ("alone", 0),
    ]  # fmt: skip
    for job in jobs:
        assert job.metrics == ("accuracy",)
        assert job.accuracy["judge"] is False
        assert job.accuracy["evaluation"]["seeds"] == 1


def test_a_failed_training_is_the_end_of_every_case_that_needs_it_and_of_no_other(suite):
    jobs = suite.all_jobs()
    ahead = TrainingPass(jobs)
    ahead.run(Quick(fails=("mirrored", "alone")), 2)
    left = ahead.left(jobs)
    assert [(job.label, job.metrics) for job in left] == [
        ("one", ("params", "accuracy")), ("mirrored", ("params",)),
        ("diverging", ("params", "accuracy")), ("untrained", ("params",)),
    ]  # fmt: skip
    engine = Quick()
    for job in left:
        engine.submit(job)
    events = list(ahead.complete(jobs, engine.events()))
    ended = {e.job.label: e for e in events if isinstance(e, Finished)}
    assert Counter(e.job.label for e in events if isinstance(e, Finished)) == Counter(
        job.label for job in jobs
    )
    assert all(event.job in jobs for event in events)  # as a whole, not what was left of it
    assert {label: e.outcome.status for label, e in ended.items()} == {
        "one": "ok", "mirrored": "killed", "diverging": "ok", "alone": "killed", "untrained": "ok",
    }  # fmt: skip
    mirrored = ended["mirrored"].outcome
    assert (mirrored.cause, mirrored.tail) == ("killed by SIGKILL", ("last line",))
    assert mirrored.values == {"params": 1.0}
    assert mirrored.elapsed == 5.0


def test_what_a_training_says_stands_in_the_row_of_every_case_that_uses_it(suite):
    jobs = suite.all_jobs()
    ahead = TrainingPass(jobs)
    ahead.run(Quick(fails=("alone",), warns=("one", "mirrored", "alone")), 2)
    engine = Quick()
    for job in ahead.left(jobs):
        engine.submit(job)
    ended = [e for e in ahead.complete(jobs, engine.events()) if isinstance(e, Finished)]
    assert {e.job.label: e.outcome.warnings for e in ended} == {
        "one": ("one 0 was repeated",), "diverging": (), "untrained": (),
        "mirrored": ("one 0 was repeated", "mirrored 1 was repeated"),
        "alone": ("alone 0 was repeated",),
    }  # fmt: skip


def test_the_time_that_is_left_is_shared_by_the_slots(suite):
    heard = []
    engine = Quick()
    TrainingPass(suite.all_jobs()).run(engine, 2, lambda *what: heard.append(what[1:]))
    assert heard[-1] == (4, 4, 0.0)
    assert heard[2::3] == [(1, 4, 3.0), (2, 4, 2.0), (3, 4, 1.0), (4, 4, 0.0)]
    assert heard[0] == (0, 4, None)
    assert engine.cancelled


def test_ctrl_c_among_the_trainings_measures_nothing(suite, tmp_path):
    trainer, engine = Quick(ends_at="diverging"), Quick()
    ahead = partial(train_ahead, trainer=trainer)
    done = execute(suite, tmp_path, slots=2, ahead=ahead, engine=engine)
    assert done.interrupted
    assert done.records == ()
    assert engine.jobs == []
    assert trainer.cancelled
    assert engine.cancelled


def test_one_slot_trains_nothing_ahead(suite, tmp_path):
    trainer, engine = Quick(), Quick()
    done = execute(suite, tmp_path, ahead=partial(train_ahead, trainer=trainer), engine=engine)
    assert trainer.jobs == []
    assert [job.metrics for job in engine.jobs] == [job.metrics for job in suite.all_jobs()]
    assert len(done.records) == 5


def test_an_engine_that_places_cases_by_itself_takes_no_slots(suite, tmp_path):
    class Cluster(Quick, RemoteEngine):
        pass

    with pytest.raises(EngineError, match="--jobs"):
        execute(suite, tmp_path, slots=2, engine=Cluster())
    assert list(tmp_path.iterdir()) == []


class Watched(LocalEngine):
    """Knows how many jobs ran at once, and which began."""

    def __init__(self):
        super().__init__(slots=2)
        self.begun, self.running, self.most = [], 0, 0

    def events(self):
        for event in super().events():
            if isinstance(event, Started):
                self.begun.append((event.job.label, event.job.seed))
                self.running += 1
                self.most = max(self.most, self.running)
            elif isinstance(event, Finished):
                self.running -= 1
            yield event


@pytest.fixture(scope="module")
def run(suite, tmp_path_factory):
    """An interrupted run in real processes, and the one that takes it up: both executions."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CHECKPOINTS_VARIABLE, str(folder / "checkpoints"))
        said = []

        def interrupt(progress):
            said.append((progress.training, progress.done, progress.total))
            if isinstance(progress.event, Finished) and not progress.training:
                raise KeyboardInterrupt

        trainer = Watched()
        ahead = partial(train_ahead, trainer=trainer)
        first = execute(suite, folder, slots=2, ahead=ahead, listener=interrupt)
        kept = weights(folder)
        times = {path: path.stat().st_mtime_ns for path in kept}
        second = execute(suite, folder, slots=2, ahead=train_ahead, resume=True)
        assert {path: path.stat().st_mtime_ns for path in weights(folder)} == times
    return trainer, said, first, second


def weights(folder: Path):
    return sorted((folder / "checkpoints").glob("*/weights.safetensors"))


def test_trainings_share_the_machine_and_are_told_as_such(run):
    trainer, said, first, _ = run
    assert sorted(trainer.begun) == [
        ("alone", 0), ("diverging", 0), ("mirrored", 1), ("one", 0),
    ]  # fmt: skip
    assert trainer.most == 2
    assert (True, 4, 4) in said
    assert first.interrupted
    assert len(first.records) == 1


def test_the_run_that_goes_on_finds_every_training_whole(run):
    *_, second = run
    records = {record.label: record for record in second.records}
    assert {label: record.status for label, record in records.items()} == {
        "one": "ok", "mirrored": "ok", "diverging": "error", "alone": "ok", "untrained": "ok",
    }  # fmt: skip
    one, mirrored = records["one"].values, records["mirrored"].values
    assert mirrored["train_keys"][0] == one["train_keys"][0]
    assert mirrored["train_seeds"] == [0, 1]
    assert one["train_seconds"] > 0
    assert 0 < one["miou"] < 1


def test_the_row_of_a_diverged_training_keeps_what_was_counted(run):
    *_, second = run
    (record,) = (record for record in second.records if record.label == "diverging")
    assert "learning_rate" in record.cause
    assert record.values["params"] > 0
    assert "miou" not in record.values
    assert record.metrics == ("params", "accuracy")
