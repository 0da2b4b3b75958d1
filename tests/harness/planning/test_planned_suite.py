"""Plans of made suites with made histories: memory, trainings, machines, cost."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from stored_runs_made import MACHINE, record, write_run

from harness.case import Case, Job, Outcome
from harness.engines.engine import Finished, Started
from harness.planning.plan import make_plan
from harness.planning.predict import Earlier, read_earlier
from harness.suite.suite import Suite

STATE = {"param_bytes": 100, "buffer_bytes": 20, "input_bytes": 3}
PEAKS = {"live_peak_bytes": 1000, "live_peak_training_bytes": 5000}


def job(number, **changes):
    case = Case("self_attention", {"key_channels": number}, ((1, 8, 6, 6),))
    case = replace(case, **changes.pop("case", {}))
    return replace(Job("mini", f"k{number}", case, ("latency",), 600.0, threads=1), **changes)


def suite(*jobs):
    return Suite("mini", "Mini", Path(__file__), jobs)


def measured(job, seconds, **values):
    return record(
        values=values,
        case_key=job.case.key,
        case=asdict(job.case),
        metrics=job.metrics,
        seconds=dict.fromkeys(job.metrics, seconds),
        elapsed_seconds=seconds,
    )


class Counting:
    """An engine that answers at once and knows what it was asked."""

    def __init__(self, ends_after=None):
        self.asked, self.cancelled, self.ends_after = [], False, ends_after

    def submit(self, job):
        self.asked.append(job)

    def events(self):
        for job in self.asked[: self.ends_after]:
            yield Started(job)
            yield Finished(job, Outcome("ok", values=STATE | PEAKS))

    def cancel(self):
        self.cancelled = True


def test_a_plan_without_history_knows_the_memory_and_no_time():
    engine = Counting()
    made = make_plan(suite(job(1), job(2)), Earlier(), MACHINE, engine=engine)
    assert [case.memory.bytes for case in made.cases] == [1123, 1123]
    assert [case.time for case in made.cases] == [None, None]
    assert made.seconds == 0
    assert engine.cancelled


def test_one_prediction_serves_every_pass_device_and_replicate():
    jobs = [
        job(1),
        job(1, replicate=2),
        job(1, case={"pass_": "training"}),
        job(1, case={"device": "cuda"}),
        job(1, case={"compile": True}),
    ]
    engine = Counting()
    made = make_plan(suite(*jobs), Earlier(), MACHINE, engine=engine)
    (asked,) = engine.asked
    assert (asked.metrics, asked.case.device) == (("params", "memory"), "cpu")
    assert [case.memory.bytes for case in made.cases] == [1123, 1123, 5123, 1123, 1123]
    assert made.distinct_cases == 4


def test_memory_that_a_record_tells_is_not_predicted_again():
    engine = Counting()
    earlier = Earlier((measured(job(1), 2.0, **STATE | PEAKS | {"live_peak_bytes": 7}),))
    made = make_plan(suite(job(1)), earlier, MACHINE, engine=engine)
    assert (engine.asked, made.cases[0].memory.bytes) == ([], 130)
    assert made.cases[0].memory.basis == "earlier run"


def test_a_peak_that_was_measured_goes_before_the_live_one_of_that_pass_and_device():
    earlier = Earlier((measured(job(1), 2.0, **STATE | PEAKS | {"measured_peak_bytes": 4000}),))
    jobs = [job(1), job(1, case={"pass_": "training"}), job(1, case={"device": "cuda"})]
    made = make_plan(suite(*jobs), earlier, MACHINE, engine=Counting())
    assert [case.memory.bytes for case in made.cases] == [4123, 5123, 1123]


def test_what_is_not_predicted_in_time_is_said():
    now = iter(range(1000))
    made = make_plan(
        suite(*map(job, range(1, 9))),
        Earlier(),
        MACHINE,
        engine=Counting(),
        budget=4.0,
        clock=lambda: float(next(now)),
    )
    known = [case.memory for case in made.cases if case.memory]
    assert 0 < len(known) < 8
    assert f"{8 - len(known)} of 8 distinct" in made.notes[0]
    assert "not predicted within 4 s" in made.notes[0]


class StartsLate(Counting):
    """An engine whose server imports for a minute before its first process starts."""

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def events(self):
        self.now += 60.0
        yield from super().events()


def test_the_budget_is_for_predictions_and_not_for_what_is_imported_before():
    engine = StartsLate()
    made = make_plan(
        suite(*map(job, range(1, 9))),
        Earlier(),
        MACHINE,
        engine=engine,
        budget=4.0,
        clock=lambda: engine.now,
    )
    assert all(case.memory for case in made.cases)
    assert made.notes == ()


def test_all_known_times_add_up():
    jobs = [job(number) for number in range(1, 7)]
    earlier = Earlier(tuple(measured(each, 1800.0) for each in jobs))
    slow = [replace(each, timeout=7200.0) for each in jobs]
    made = make_plan(suite(*slow), earlier, MACHINE)
    assert made.seconds == 6 * 1800


def accuracy(seeds=1, **evaluation):
    recipe = {
        "recipe": "tiny", "title": "Tiny", "source": "a test", "steps": 2, "batch": 2,
        "network": {"backbone": "small", "backbone_arguments": {"width": 8}, "auxiliary": False},
        "optimizer": {"learning_rate": 0.1}, "augmentation": {"crop": [32, 32]},
    }  # fmt: skip
    return {
        "recipe": json.loads(json.dumps(recipe)),
        "data": {"name": "scenes", "root": None, "parameters": {"train": 4, "val": 2}},
        "evaluation": {"seeds": seeds, **evaluation},
    }


def trained(module="fcn", seeds=1, metrics=("accuracy",), **evaluation):
    case = {"module": module, "arguments": {}}
    return job(1, case=case, metrics=metrics, accuracy=accuracy(seeds, **evaluation))


def test_cases_that_differ_in_evaluation_alone_share_their_trainings():
    jobs = [trained(), trained(flip=True), trained(seeds=3), trained("ppm")]
    made = make_plan(suite(*jobs), Earlier(), MACHINE)
    assert len(made.trainings) == 4  # fcn with three seeds, ppm with one
    assert [case.trainings for case in made.cases] == [1, 0, 2, 1]
    assert {training.kept for training in made.trainings} == {None}


def test_of_rounds_of_seeds_the_first_is_planned_and_the_most_is_said():
    rounds = {"seeds": 3, "until_separated": 1.0, "max_seeds": 8}
    jobs = [trained(**rounds), trained(flip=True, **rounds), trained("ppm", **rounds)]
    made = make_plan(suite(*jobs, trained("se", seeds=2)), Earlier(), MACHINE)
    assert len(made.trainings) == 3 + 3 + 2
    (said,) = made.notes
    assert "8 trainings at first" in said
    assert "up to 18 in all" in said  # 8 of fcn, 8 of ppm, and the fixed two


def test_a_kept_training_is_found_and_costs_nothing(tmp_path, monkeypatch):
    """A real training of two steps, then the plan of what would repeat it."""
    pytest.importorskip("safetensors")
    from harness.training.accuracy import measure_accuracy

    monkeypatch.setenv("HARNESS_CHECKPOINTS", str(tmp_path / "kept"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jobs = [replace(trained(), threads=None), replace(trained("ppm"), threads=None)]
    values = measure_accuracy(jobs[0])
    folder = tmp_path / "kept"
    made = make_plan(suite(*jobs), Earlier(), MACHINE, checkpoints=folder, engine=Counting())
    assert [training.kept for training in made.trainings] == [True, False]
    assert [case.trainings for case in made.cases] == [0, 1]
    (kept,) = folder.iterdir()
    assert values["train_keys"] == [kept.name]
    empty = make_plan(suite(*jobs), Earlier(), MACHINE, checkpoints=tmp_path / "none")
    assert [training.kept for training in empty.trainings] == [False, False]
    # The network that is trained needs more than the module alone.
    network = made.trainings[0].network
    assert (network.module, network.inputs) == ("segmentor", ((2, 3, 32, 32),))
    assert made.cases[0].memory.bytes == 5123


def test_earlier_runs_are_read_newest_first_and_damage_is_said(tmp_path):
    for number, label in enumerate(("old", "new")):
        path = write_run(tmp_path, number, [record(label), record(label + " again")])
        with (path / "records.jsonl").open("a") as file:
            file.write('{"no": "record"}\n{"cut')
    found = read_earlier([tmp_path])
    assert [r.label for r in found.records] == ["new again", "new", "old again", "old"]
    assert (found.runs, found.notes) == (
        2,
        ("2 lines are no records and left out of the estimates",),
    )
    size = (path / "records.jsonl").stat().st_size
    bounded = read_earlier([tmp_path], most_bytes=size)
    assert [r.label for r in bounded.records] == ["new again", "new"]
    assert "1 older run" in bounded.notes[0]
    assert read_earlier([tmp_path / "nothing"]).records == ()


def test_a_large_plan_asks_each_question_once():
    """Thousands of cases over a history of as many: no search per case."""
    jobs = [job(number) for number in range(1, 3001)]
    earlier = Earlier(tuple(measured(each, 2.0, **STATE | PEAKS) for each in jobs[:1500]))
    made = make_plan(suite(*jobs), earlier, MACHINE, engine=Counting(ends_after=10))
    bases = [case.time.basis for case in made.cases]
    assert bases == ["same case"] * 1500 + ["similar cases"] * 1500
    assert "1490 of 1500" in made.notes[0]
