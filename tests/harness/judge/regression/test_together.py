"""Cases that changed alike: perhaps the machine, and said so."""

import pytest
from made_runs import Made, latencies, run_directory

from harness.judge.regression.compare import compare
from harness.judge.regression.observed import observe
from harness.present.comparison import changes


def run(folder, seed, slower, cases=6, apart=None):
    made = []
    for number in range(cases):
        factor = (apart or {}).get(number, slower)
        seconds = latencies(100 * seed + number, seconds=0.01 * (1 + factor))
        made.append(Made(f"case {number}", seconds, key_channels=1 + number))
    return observe(run_directory(folder, made))


@pytest.fixture
def compared(tmp_path):
    def of(slower=0.0, cases=6, apart=None, by="case"):
        before = run(tmp_path / "a", 1, 0.0, cases)
        return compare(before, run(tmp_path / "b", 2, slower, cases, apart), by=by)

    return of


def latency(report):
    return {
        key.label: each
        for key, each in report.found.comparisons.items()
        if key.metric == "latency_seconds"
    }


def notes(report):
    return [note for note in report.notes if "cases changed in" in note]


def test_a_run_of_another_hour_is_flagged_with_what_would_tell(compared):
    report = compared(0.06)
    found = latency(report)
    assert {each.verdict for each in found.values()} == {"slower"}
    flagged = [each for each in found.values() if "the machine, or a change" in each.reason]
    assert len(flagged) >= 5
    (note,) = notes(report)
    assert "of 6 cases changed in latency_seconds as the median case did, by +6." in note
    assert "harness gate tells them apart" in note
    table = changes(report)
    assert any("the machine, or a change that all share" in line[-1] for line in table.lines)


def test_a_faster_hour_too(compared):
    report = compared(-0.08)
    assert {each.verdict for each in latency(report).values()} == {"faster"}
    assert len(notes(report)) == 1


def test_what_stands_out_from_the_others_is_not_flagged(compared):
    found = latency(compared(0.06, apart={2: 0.30}))
    assert found["case 2"].verdict == "slower"
    assert found["case 2"].reason == ""
    assert "the machine" in found["case 0"].reason


@pytest.mark.parametrize(
    "options",
    [
        {},  # nothing differs
        {"apart": {2: 0.3, 3: 0.3}},  # some cases alone
        {"slower": 0.06, "cases": 4},  # too few to say what most do
        {"slower": 0.06, "by": "label"},  # other conditions on purpose
        {"apart": {0: 0.1, 1: 0.2, 2: -0.1, 3: 0.4, 4: -0.2}},  # each by something else
    ],
)
def test_all_else_stays_unflagged(compared, options):
    report = compared(**options)
    assert notes(report) == []
    assert not any("the machine, or" in each.reason for each in latency(report).values())
