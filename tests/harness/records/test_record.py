"""A record is one line of strict JSON and comes back as it was."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import CASE, JOB, VALUES, made_record

from harness.case import Outcome, UsedGpu
from harness.present.notes import setup
from harness.records.record import STORED, Record, finite

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


def test_a_record_comes_back_as_it_was():
    record = made_record(warnings=("noisy",), tail=("last \u202e line",), threads=2, seed=5)
    line = record.to_line()
    again = Record.from_line(line)
    assert again.to_line() == line
    assert (again.label, again.status, again.warnings) == ("A", "ok", ("noisy",))
    assert again.values == VALUES
    assert again.case_key == CASE.key
    assert again.metrics == ("params", "flops")


@settings(deadline=None, max_examples=60)
@given(values=st.dictionaries(st.text(max_size=9), PLAIN, max_size=4), text=st.text())
def test_any_values_are_one_line_of_strict_json(values, text):
    line = made_record(label=text, cause=text, values=values).to_line()
    assert "\n" not in line
    assert line.isascii()
    data = json.loads(line, parse_constant=pytest.fail)
    assert data["values"] == finite(values)
    assert Record.from_line(line).label == text


def test_nan_and_infinity_become_null():
    values = {"a": math.nan, "b": [1.5, -math.inf], "c": {"d": math.inf, "e": 2}}
    assert finite(values) == {"a": None, "b": [1.5, None], "c": {"d": None, "e": 2}}
    assert json.loads(made_record(values=values).to_line())["values"] == finite(values)


def test_names_of_a_newer_schema_are_ignored():
    data = json.loads(made_record().to_line()) | {"colour": "red"}
    assert Record.from_line(json.dumps(data)) == Record.from_line(made_record().to_line())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": None}, "label is wrong"),
        ({"values": [1]}, "values is wrong"),
        ({"case": {"module": "x"}}, "case is wrong"),
        ({"elapsed_seconds": "1"}, "elapsed_seconds is wrong"),
    ],
)
def test_wrong_types_are_named(change, message):
    data = json.loads(made_record().to_line()) | change
    with pytest.raises(ValueError, match=message):
        Record.from_line(json.dumps(data))


def test_missing_names_are_named():
    data = json.loads(made_record().to_line())
    del data["status"]
    with pytest.raises(ValueError, match="status is missing"):
        Record.from_line(json.dumps(data))


@pytest.mark.parametrize("line", ["", "{", "3", "[]", "null", "[" * 100_000, '{"suite": "x"}'])
def test_other_text_is_a_value_error(line):
    with pytest.raises(ValueError, match=r"."):
        Record.from_line(line)


def test_a_row_has_every_stored_name():
    row = made_record(values={"params": 3}).row()
    assert set(STORED) <= set(row)
    assert row["params"] == 3
    assert row["latency_seconds"] is None
    assert row["input"] == [[1, 8, 6, 6]]
    assert row["pass"] == "inference"


def test_operations_follow_the_convention():
    assert made_record().row("flops")["operations"] == 240
    assert made_record(values={}).row("flops")["operations"] is None


GPU = UsedGpu(
    "H200",
    "GPU-abc",
    {"matmul": "ieee", "conv": "tf32", "rnn": "tf32"},
    {"benchmark": False},
    {"sm_clock_hz": 1.98e9},
    {"sm_clock_hz": 1.41e9, "throttle_reasons": ["software power cap"]},
)


def test_a_record_keeps_the_gpu_and_its_row_says_how_float32_was_multiplied():
    outcome = Outcome("ok", values=VALUES, gpu=GPU)
    record = Record.of(replace(JOB, case=replace(CASE, device="cuda")), outcome, "m1")
    assert Record.from_line(record.to_line()).gpu == GPU
    row = record.row()
    assert row["gpu"] == "H200 GPU-abc"
    assert row["float32"] == "ieee but tf32 in conv and rnn"
    (line,) = setup([row])
    assert "device cuda; dtype float32; float32 ieee but tf32 in conv and rnn; pass" in line


@pytest.mark.parametrize("precision", ["ieee", "tf32"])
def test_one_precision_of_all_products_is_said_once(precision):
    gpu = replace(GPU, float32=dict.fromkeys(GPU.float32, precision))
    assert made_record(gpu=gpu).row()["float32"] == precision


def test_the_precision_of_float32_says_nothing_of_other_types_and_of_the_cpu():
    half = Record.of(replace(JOB, case=replace(CASE, dtype="bfloat16")), Outcome("ok", gpu=GPU), "")
    assert "float32" not in half.row()
    assert not {"gpu", "float32"} & made_record().row().keys()
