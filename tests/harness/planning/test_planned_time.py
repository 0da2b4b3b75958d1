"""Predicted times: the same case first, then similar ones, then nothing."""

from dataclasses import asdict, replace

import pytest
from stored_runs_made import MACHINE, record

from harness.case import Case, Job, Timing
from harness.planning.predict import Durations

CASE = Case("self_attention", {"key_channels": 4}, ((1, 8, 6, 6),))
JOB = Job("mini", "A", CASE, ("params", "latency"), 600.0, threads=1)


def measured(case=CASE, seconds=None, elapsed=None, **changes):
    seconds = {"params": 0.5, "latency": 3.0} if seconds is None else seconds
    return record(
        values=changes.pop("values", {"params": 1}),
        case_key=case.key,
        case=asdict(case),
        seconds=seconds,
        elapsed_seconds=sum(seconds.values()) + 1.0 if elapsed is None else elapsed,
        metrics=tuple(seconds),
        **changes,
    )


def test_nothing_is_known_without_a_history():
    assert Durations([], MACHINE).of(JOB) is None
    assert Durations([], MACHINE).training(JOB) is None


def test_the_median_of_the_same_case():
    found = [measured(seconds={"params": 0.5, "latency": s}) for s in (3.0, 9.0, 4.0)]
    estimate = Durations(found, MACHINE).of(JOB)
    assert (estimate.seconds, estimate.basis, estimate.records) == (5.5, "same case", 3)


def test_only_the_latest_records_of_a_case_count():
    new = [measured(seconds={"params": 0.0, "latency": 1.0}) for _ in range(5)]
    old = [measured(seconds={"params": 0.0, "latency": 100.0}) for _ in range(50)]
    assert Durations(new + old, MACHINE).of(JOB).seconds == 2.0


def test_metrics_of_several_records_are_put_together():
    """One run measured the latency, another the parameters."""
    found = [measured(seconds={"latency": 3.0}), measured(seconds={"params": 0.25})]
    estimate = Durations(found, MACHINE).of(JOB)
    assert (estimate.seconds, estimate.basis) == (4.25, "same case")


@pytest.mark.parametrize(
    "changes",
    [
        {"machine_key": "another"},
        {"threads": 2},
        {"timing": asdict(Timing(cache="cold"))},
    ],
)
def test_another_machine_or_condition_is_not_the_same_case(changes):
    estimate = Durations([measured(**changes)], MACHINE).of(JOB)
    assert estimate is None or estimate.basis == "similar cases"
    assert (estimate is None) == ("machine_key" in changes)


def test_a_timing_stored_before_there_were_other_options_is_the_same():
    old = measured(timing={"criterion": "settled_noise", "cache": "hot"})
    assert Durations([old], MACHINE).of(JOB).basis == "same case"


def test_similar_cases_are_the_same_module_nearest_in_size():
    def sized(side, latency, module="self_attention"):
        case = Case(module, {"key_channels": 2}, ((1, 8, side, side),))
        return measured(case, {"params": 0.0, "latency": latency})

    far = [sized(64, 900.0) for _ in range(9)]
    near = [sized(7, 5.0) for _ in range(5)]
    other = [sized(6, 77.0, "interlaced") for _ in range(9)]
    estimate = Durations(far + near + other, MACHINE).of(JOB)
    assert (estimate.seconds, estimate.basis, estimate.records) == (6.0, "similar cases", 5)
    unseen = replace(JOB, case=replace(CASE, module="criss_cross"))
    assert Durations(other, MACHINE).of(unseen).seconds == 78.0


def test_a_metric_that_was_never_measured_leaves_the_case_unknown():
    found = [measured(seconds={"params": 0.5})]
    assert Durations(found, MACHINE).of(JOB) is None
    assert Durations(found, MACHINE).of(replace(JOB, metrics=("params",))) is not None


def test_a_case_that_timed_out_will_do_so_again():
    late = measured(status="timeout", seconds={"params": 0.5}, elapsed=600.0)
    late = replace(late, metrics=JOB.metrics)
    assert Durations([late, measured()], MACHINE).of(JOB).seconds == 600.0
    assert Durations([late, measured()], MACHINE).of(replace(JOB, timeout=60.0)).seconds == 60.0


ACCURACY = {
    "recipe": {"recipe": "r", "steps": 10},
    "data": {"name": "scenes", "root": None, "parameters": {}},
    "evaluation": {"seeds": 2},
}
TRAINED = replace(JOB, metrics=("accuracy",), accuracy=ACCURACY)


def trained(case=CASE, seconds=44.0, **changes):
    values = {"train_keys": ["a", "b"], "train_seconds": 40.0}
    return measured(
        case, {"accuracy": seconds}, values=values, accuracy=changes.pop("accuracy", ACCURACY)
    )


@pytest.mark.parametrize("seconds", [44.0, 4.0])
def test_trainings_are_apart_whether_or_not_the_process_did_them(seconds):
    """A record whose trainings were kept before took the evaluation alone."""
    durations = Durations([trained(seconds=seconds)], MACHINE)
    assert durations.of(TRAINED).seconds == 5.0
    estimate = durations.training(TRAINED)
    assert (estimate.seconds, estimate.basis) == (20.0, "same case")


def test_a_training_of_the_same_recipe_tells_about_another_module():
    other = replace(TRAINED, case=replace(CASE, module="ppm", arguments={}))
    assert Durations([trained()], MACHINE).training(other).basis == "similar cases"
    longer = {**ACCURACY, "recipe": {"recipe": "r", "steps": 999}}
    assert Durations([trained()], MACHINE).training(replace(other, accuracy=longer)) is None
