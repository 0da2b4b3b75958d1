"""A convention that a suite defines: weights of counters and a unit, under a name of its own."""

import pytest

from harness.case import Outcome
from harness.measure.convention import CONVENTIONS, ConventionSpec
from harness.records.record import Record
from harness.suite.document import SuiteError
from harness.suite.loader import load
from harness.suite.suite import DescriptionError, described_convention, suite_of

OWN = {"name": "halves", "unit": 1e6, "unit_name": "M (halves)", "elementwise": {"relu": 0.5}}
COUNTED = {
    "conv_macs": 3_000_000,
    "matmul_macs": 1_000_000,
    "elementwise_ops": {"relu": 2_000_000},
}


def suite(convention):
    case = {"module": "fcn", "input": [1, 8, 4, 4]}
    return load({"suite": "mine", "convention": convention, "cases": [case]})


def test_a_suite_counts_by_weights_of_its_own():
    mine = suite(OWN)
    assert mine.convention == ConventionSpec(**OWN)
    record = Record.of(mine.jobs[0], Outcome("ok", values=COUNTED), "machine")
    row = record.row(mine.convention)
    assert (row["operations"], row["convention"]) == (5_000_000, "halves")


def test_what_is_absent_is_one_per_multiply_accumulate():
    assert suite({"name": "plain"}).convention == ConventionSpec(
        name="plain", unit=1e9, unit_name="G", conv=1, matmul=1
    )


def test_a_run_describes_it_and_reads_it_back():
    mine = suite(OWN)
    told = mine.describe()
    assert told["convention"] == {**OWN, "unit": 1e6}
    assert suite_of(told).convention == mine.convention
    assert suite_of({**told, "convention": "macs"}).convention == "macs"
    assert described_convention(None) == "flops"


@pytest.mark.parametrize("said", ["mcas", {"name": "own", "weight": 2}, {"unit": 1e9}])
def test_a_run_of_another_version_is_told_apart(said):
    with pytest.raises(DescriptionError, match="another version"):
        suite_of({**suite(OWN).describe(), "convention": said})


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"name": "flops"}, "name of another convention"),
        ({"name": "own", "unit": 0}, "unit"),
        ({"name": "own", "unit": "1e9"}, "unit"),
        ({"name": "My own"}, "name"),
        ({"name": "own", "calls": "once"}, "calls"),
        ({"name": "own", "elementwise": {"relu": "much"}}, "elementwise"),
        ({"name": "own", "relu": 1}, "relu"),
        ({"unit": 1e9}, "name"),
        ("mcas", "macs"),
    ],
)
def test_mistakes_are_named_where_they_stand(said, words):
    with pytest.raises(SuiteError, match="convention") as caught:
        suite(said)
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_names_of_conventions_that_come_with_the_harness_are_taken():
    for name in CONVENTIONS:
        with pytest.raises(SuiteError, match=f"{name} is the name of another"):
            suite({"name": name})
