"""Seeds by rounds: more for the rows that are not told apart, and the same in every run."""

import random
from functools import partial

import pytest

import harness
from harness.case import Outcome
from harness.engines.engine import Finished, Measuring, Started
from harness.messages import HarnessError
from harness.runner import execute
from harness.suite.loader import load
from harness.suite.suite import Overrides
from harness.training.ahead import train_ahead
from harness.training.rounds import further

SUITE = """
suite: rounds
input: [1, 8, 12, 12]
device: cpu
threads: 1
measure: [params, accuracy]
recipe: smoke
evaluation: {until_separated: 1, max_seeds: 8}
cases:
  - {label: far, module: se, with: {reduction: 1}}
  - {label: near, module: se, with: {reduction: 2}}
  - {label: wild, module: se, with: {reduction: 4}}
  - {label: steady, module: se, with: {reduction: 4}, evaluation: {flip: true}}
tables:
  - columns: [label, miou, seeds, seeds_stopped]
"""
MEANS = {"far": 0.9, "near": 0.52, "wild": 0.51, "steady": 0.5}
DEVIATIONS = {"far": 0.0005, "near": 0.0005, "wild": 0.1, "steady": 0.0005}
EXPECTED = {
    "far": ("separated", 5, {"near", "wild", "steady"}), "wild": ("limit", 8, {"far"}),
    "near": ("limit", 8, {"far", "steady"}), "steady": ("limit", 8, {"far", "near"}),
}  # fmt: skip


def score(label, seed):
    chance = random.Random(f"{label} {seed}a")
    return chance.gauss(MEANS[label], DEVIATIONS[label])


class Scored:
    """Answers with a score for each seed that is asked for; fails, or ends like Ctrl-C, at one."""

    def __init__(self, ends_after=None, fails=()):
        self.jobs, self.queue, self.ends_after, self.fails = [], [], ends_after, fails

    def submit(self, job):
        self.jobs.append(job)
        self.queue.append(job)

    def events(self):
        while self.queue:
            job = self.queue.pop(0)
            if self.ends_after == 0:
                raise KeyboardInterrupt
            if self.ends_after is not None:
                self.ends_after -= 1
            yield Started(job)
            yield Measuring(job, job.metrics[0])
            yield Finished(job, self.outcome(job))

    def outcome(self, job):
        if "accuracy" not in job.metrics or not job.accuracy.get("judge", True):
            return Outcome("ok", elapsed=1.0)
        number = job.accuracy["evaluation"]["seeds"]
        if (job.label, number) in self.fails:
            return Outcome("killed", "killed by SIGKILL", elapsed=1.0)
        seeds = [score(job.label, seed) for seed in range(number)]
        values = {"miou": sum(seeds) / number, "miou_seeds": seeds, "train_seeds": [*range(number)]}
        if "params" in job.metrics:
            values["params"] = 7.0
        return Outcome("ok", values=values, seconds={"accuracy": 1.0}, elapsed=2.0)

    def cancel(self):
        self.queue.clear()


def measured(suite, folder, engine, **more):
    return execute(suite, folder, engine=engine, further=further(suite.all_jobs()), **more)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("suite") / "rounds.yaml"
    file.write_text(SUITE)
    return file


@pytest.fixture(scope="module")
def suite(path):
    return load(path)


@pytest.fixture(scope="module")
def whole(suite, tmp_path_factory):
    """A run that nothing has disturbed, and its engine."""
    engine = Scored()
    return measured(suite, tmp_path_factory.mktemp("run"), engine), engine


def found(done):
    return {record.label: record.values["seeds_stopped"] for record in done.records}


def asked(engine):
    """Of each case in the order of the engine: its label, number of seeds, and metrics."""
    return [(j.label, j.accuracy["evaluation"]["seeds"], j.metrics) for j in engine.jobs]


def test_rows_get_three_seeds_and_more_as_long_as_they_are_not_told_apart(whole):
    done, engine = whole
    assert asked(engine) == [
        *((label, 3, ("params", "accuracy")) for label in MEANS),
        *((label, 5, ("accuracy",)) for label in MEANS),
        *((label, 8, ("accuracy",)) for label in ("near", "wild", "steady")),
    ]
    assert {
        label: (each["why"], each["seeds"], set(each["apart"]))
        for label, each in found(done).items()
    } == EXPECTED


def test_the_record_has_all_seeds_and_everything_that_was_measured_once(whole):
    done, _ = whole
    assert not done.interrupted
    assert [record.label for record in done.records] == list(MEANS)
    for record in done.records:
        seeds, rounds = EXPECTED[record.label][1], 3 if record.label != "far" else 2
        assert record.values["miou_seeds"] == [score(record.label, seed) for seed in range(seeds)]
        assert record.values["params"] == 7.0
        assert record.metrics == ("params", "accuracy")
        assert record.accuracy["evaluation"]["seeds"] == 3
        assert record.elapsed_seconds == 2.0 * rounds
        assert record.values["seeds_stopped"]["points"] == 1.0


def test_rows_that_are_told_apart_get_no_more(path, tmp_path):
    suite = load(path, Overrides(only=("far", "near", "steady")))
    engine = Scored()
    done = measured(suite, tmp_path, engine)
    assert {each["why"] for each in found(done).values()} == {"separated"}
    assert max(number for _, number, _ in asked(engine)) < 8


@pytest.mark.parametrize("ends_after", [0, 2, 4, 5, 8, 10])
def test_a_run_that_is_taken_up_ends_as_one_that_was_not_disturbed(
    whole, suite, tmp_path, ends_after
):
    first, second, third = Scored(ends_after), Scored(), Scored()
    assert measured(suite, tmp_path, first).interrupted
    done = measured(suite, tmp_path, second, resume=True)
    assert found(done) == found(whole[0])
    assert len(asked(first)) + len(asked(second)) <= len(asked(whole[1])) + 4  # a round, at most
    for one, other in zip(done.records, whole[0].records, strict=True):
        assert one.values == other.values
    written = len(done.directory.records())
    again = measured(suite, tmp_path, third, resume=True)
    assert asked(third) == []
    assert len(again.directory.records()) == written
    assert found(again) == found(done)


def test_with_several_slots_trainings_of_a_round_go_ahead_of_it(whole, suite, tmp_path):
    trainer, engine = Scored(), Scored()
    ahead = partial(train_ahead, trainer=trainer)
    done = measured(suite, tmp_path, engine, slots=2, ahead=ahead)
    assert asked(engine) == asked(whole[1])
    assert found(done) == found(whole[0])
    # `wild` and `steady` are one training.
    alone = {(job.label, job.seed) for job in trainer.jobs}
    assert alone >= {("far", seed) for seed in range(5)} | {("near", seed) for seed in range(8)}
    assert not alone & {("steady", seed) for seed in range(8)}


def test_a_run_of_fixed_seeds_goes_on_by_rounds_and_one_with_a_higher_limit(path, whole, tmp_path):
    plain = load(path, Overrides(until_separated=1.0, max_seeds=3))
    first = found(measured(plain, tmp_path, Scored()))
    assert {(each["why"], each["seeds"]) for each in first.values()} == {("limit", 3)}
    engine = Scored()
    done = measured(load(path), tmp_path, engine, resume=True)
    assert asked(engine) == asked(whole[1])[4:]
    assert found(done) == found(whole[0])


def test_a_row_whose_training_fails_in_a_round_fails_and_the_others_go_on(suite, tmp_path):
    done = measured(suite, tmp_path, Scored(fails={("wild", 5)}))
    records = {record.label: record for record in done.records}
    wild = records.pop("wild")
    assert (wild.status, wild.cause) == ("killed", "killed by SIGKILL")
    assert len(wild.values["miou_seeds"]) == 3
    assert "seeds_stopped" not in wild.values
    assert {each.values["seeds_stopped"]["why"] for each in records.values()} == {"separated"}
    again = measured(suite, tmp_path, Scored(), resume=True)
    assert {record.status for record in again.records} == {"ok"}


def test_what_is_said_of_rounds_stands_below_the_table(whole):
    run = harness.load(whole[0].directory.path)
    table = run.table()
    assert [column.stored for column in table.shown] == ["label", "miou", "seeds", "seeds_stopped"]
    assert [cell.text for cell in table.shown[3].cells] == ["separated", *["limit"] * 3]
    (said,) = [line for line in table.brief if line.startswith("Seeds came by rounds")]
    assert "95 % for all 6 pairs" in said
    assert said in table.footnotes


def test_a_suite_without_rounds_asks_for_nothing_more(path):
    file = path.with_name("plain.yaml")
    file.write_text(SUITE.replace("{until_separated: 1, max_seeds: 8}", "{seeds: 2}"))
    jobs = load(file).all_jobs()
    assert further(jobs) is None
    assert {job.accuracy["evaluation"]["seeds"] for job in jobs} == {2}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"until_separated": 0.0}, "option until_separated: expected greater than 0"),
        ({"max_seeds": 1}, "option max_seeds: expected at least 2"),
        ({"until_separated": 1.0, "metrics": "params"}, "no case measures accuracy"),
        ({"max_seeds": 5}, "there are no rounds of seeds that it would end"),
    ],
)
def test_options_that_change_nothing_are_mistakes(path, options, said):
    file = path.with_name("plain.yaml")
    file.write_text(SUITE.replace("{until_separated: 1, max_seeds: 8}", "{seeds: 2}"))
    with pytest.raises(HarnessError, match=said):
        harness.validate(file, **options)


def test_every_process_of_a_case_gets_the_seeds_of_a_round(path, whole, tmp_path):
    file = path.with_name("repeated.yaml")
    file.write_text(SUITE.replace("[params, accuracy]", "[params, latency, accuracy]\nrepeats: 2"))
    suite, engine = load(file), Scored()
    done = measured(suite, tmp_path, engine)
    rounds = [job for job in engine.jobs if job.metrics == ("accuracy",)]
    assert len(rounds) == 2 * (len(asked(whole[1])) - len(MEANS))
    assert len({(r.label, r.replicate) for r in done.records if "seeds_stopped" in r.values}) == 8
    for row in harness.load(done.directory.path).rows():
        assert len(row["miou_seeds"]) == EXPECTED[row["label"]][1]
        assert row["miou"] == pytest.approx(sum(row["miou_seeds"]) / len(row["miou_seeds"]))
