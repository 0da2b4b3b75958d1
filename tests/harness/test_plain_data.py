"""Jobs, outcomes and events as plain data: back as they were, anything else refused by name."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.case import Case, Job, Outcome, Place, Slot, Status, Timing, Turn, as_plain, from_plain

CASE = Case("fcn", {"in_channels": 8, "sizes": [1, 2]}, ((1, 8, 6, 6), (1, 4)), dtype="float64")
JOB = Job("s", "a", CASE, ("params", "latency"), 60.0)
TEXTS = st.text(max_size=9)
NUMBERS = st.integers(-(2**63), 2**63 - 1)
JOBS = st.builds(
    Job,
    suite=TEXTS,
    label=TEXTS,
    case=st.builds(
        Case,
        module=TEXTS,
        arguments=st.dictionaries(TEXTS, st.integers() | st.none() | st.lists(TEXTS)),
        inputs=st.lists(st.lists(NUMBERS).map(tuple)).map(tuple),
        device=st.sampled_from(["cpu", "cuda"]),
        compile=st.booleans(),
    ),
    metrics=st.lists(TEXTS).map(tuple),
    timeout=st.floats(0, 9),
    threads=st.none() | NUMBERS,
    timing=st.builds(Timing, samples=st.none() | NUMBERS, turns=st.booleans()),
    accuracy=st.none() | st.dictionaries(TEXTS, st.booleans()),
    turn=st.none() | st.builds(Turn, TEXTS, NUMBERS, NUMBERS),
)


@settings(max_examples=60)
@given(job=JOBS, defaults=st.booleans())
def test_a_job_comes_back_as_it_was(job, defaults):
    line = json.dumps(as_plain(job, defaults=defaults))
    again = from_plain(Job, json.loads(line))
    assert again == job
    assert again.case.key == job.case.key
    assert json.dumps(as_plain(again, defaults=defaults)) == line


def test_what_has_its_default_is_left_out_for_versions_that_do_not_know_it():
    assert as_plain(JOB, defaults=False) == {
        "suite": "s", "label": "a", "metrics": ["params", "latency"], "timeout": 60.0,
        "case": {
            "module": "fcn", "arguments": {"in_channels": 8, "sizes": [1, 2]},
            "inputs": [[1, 8, 6, 6], [1, 4]], "dtype": "float64",
        },
    }  # fmt: skip
    timed = replace(JOB, timing=Timing(samples=3), replicate=2)
    assert as_plain(timed, defaults=False)["timing"] == {"samples": 3}
    assert as_plain(timed, defaults=False)["replicate"] == 2


def test_names_of_a_newer_version_are_ignored_and_what_is_given_is_not_read():
    said = as_plain(JOB) | {"colour": "red", "suite": 3}
    assert from_plain(Job, said, suite="other") == replace(JOB, suite="other")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": 3}, "label is wrong"),
        ({"metrics": "params"}, "metrics is wrong"),
        ({"metrics": ["params", None]}, "metrics is wrong"),
        ({"timeout": "60"}, "timeout is wrong"),
        ({"timeout": float("nan")}, "timeout is wrong"),
        ({"timeout": True}, "timeout is wrong"),
        ({"timeout": 10**400}, "timeout is wrong"),
        ({"seed": 2**63}, "seed is wrong"),
        ({"threads": 1.5}, "threads is wrong"),
        ({"force": 1}, "force is wrong"),
        ({"case": [1]}, "case is wrong"),
        ({"case": as_plain(CASE) | {"device": "tpu"}}, "case device is wrong"),
        ({"case": as_plain(CASE) | {"inputs": [[1, "8"]]}}, "case inputs is wrong"),
        ({"case": {"module": "fcn"}}, "case arguments is missing"),
        ({"factors": None}, "factors is wrong"),
        ({"turn": {"folder": "x"}}, "turn member is missing"),
    ],
)
def test_what_is_wrong_is_named(change, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        from_plain(Job, as_plain(JOB) | change)


@pytest.mark.parametrize("data", [None, 3, "x", [], [1], [["a", 1]]])
def test_what_is_no_object_is_wrong(data):
    with pytest.raises(ValueError, match="is wrong"):
        from_plain(Job, data)


def test_any_type_that_fields_have_can_be_read_alone():
    assert from_plain(tuple[str, dict[str, Any], float], ["a", {"b": None}, 1]) == (
        "a",
        {"b": None},
        1,
    )
    assert from_plain(tuple[()], []) == ()
    with pytest.raises(ValueError, match="has 1 parts in place of 0"):
        from_plain(tuple[()], [1])
    assert from_plain(Status, "oom") == "oom"
    assert from_plain(Slot, {"cores": [1, 2]}) == Slot((1, 2))
    outcome = Outcome("ok", values={"params": 1}, place=Place("n", "key", {"a": 1}))
    assert from_plain(Outcome, as_plain(outcome)) == outcome
