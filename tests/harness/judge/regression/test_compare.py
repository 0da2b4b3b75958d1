"""Two runs compared: which cases belong together, what is comparable, and what is said of it."""

import json
import re

import pytest
from made_runs import MACHINE, OTHER_MACHINE, STATIC, Made, latencies, run_directory

from harness.case import Timing
from harness.judge.regression.compare import NothingInCommonError, compare
from harness.judge.regression.observed import EmptyRunError, observe
from harness.present.comparison import (
    LONGEST_COMMENT,
    changes,
    comment,
    in_one_line,
    why_changed,
)
from harness.records.run_directory import RunDirectory, RunDirectoryError

MORE = {**STATIC, "params": 217}


@pytest.fixture
def compared(tmp_path):
    """Compares two lists of made cases."""

    def run(before, after, machine_after=None, **changes_after):
        a = run_directory(tmp_path / "a", before)
        machines = {"machine": machine_after} if machine_after else {}
        b = run_directory(tmp_path / "b", after, **machines, **changes_after)
        return compare(observe(a), observe(b))

    return run


def verdicts(report, label):
    return {
        key.metric: each.verdict
        for key, each in report.found.comparisons.items()
        if key.label == label
    }


def only(report, label, metric):
    found = [
        each
        for key, each in report.found.comparisons.items()
        if (key.label, key.metric) == (label, metric)
    ]
    assert len(found) == 1
    return found[0]


def test_every_kind_of_verdict_at_once(compared):
    before = [
        Made("slow", latencies(1), key_channels=1),
        Made("fast", latencies(2), key_channels=2),
        Made("same", latencies(3), key_channels=3),
        Made("loud", latencies(4, spread=0.2), key_channels=4),
        Made("grown", latencies(5), key_channels=5),
        Made("gone", latencies(6), key_channels=6),
        Made("broken", latencies(7), key_channels=7),
    ]
    after = [
        Made("slow", latencies(11, seconds=0.0115), key_channels=1),
        Made("fast", latencies(12, seconds=0.009), key_channels=2),
        Made("same", latencies(13), key_channels=3),
        Made("loud", latencies(14, spread=0.2), key_channels=4),
        Made("grown", latencies(15), MORE, key_channels=5),
        Made("broken", (None,), {}, key_channels=7, status="oom", cause="no memory left"),
        Made("new", latencies(16), key_channels=8),
    ]
    report = compared(before, after)
    latency = {label: verdicts(report, label).get("latency_seconds") for label in
               ("slow", "fast", "same", "loud", "gone", "new")}  # fmt: skip
    assert latency == {
        "slow": "slower", "fast": "faster", "same": "same", "loud": "unclear", "gone": "gone",
        "new": "new",
    }  # fmt: skip
    assert verdicts(report, "grown") == {
        "params": "more", "conv_macs": "same", "matmul_macs": "same", "elementwise_total": "same",
        "live_peak_bytes": "same", "latency_seconds": "same",
    }  # fmt: skip
    assert verdicts(report, "broken") == {"case": "failed"}
    assert "no memory left" in only(report, "broken", "case").reason
    assert {(key.label, key.metric) for key in report.found.regressions} == {
        ("slow", "latency_seconds"), ("grown", "params"), ("broken", "case"),
    }  # fmt: skip
    assert report.found.exit_code == 1


def test_exit_codes(compared):
    steady, loud = Made("A", latencies(1)), Made("A", latencies(1, spread=0.3))
    assert compared([steady], [Made("A", latencies(2))]).found.exit_code == 0
    assert compared([loud], [Made("A", latencies(2, spread=0.3))]).found.exit_code == 3
    assert compared([steady], [Made("A", latencies(2, seconds=0.02))]).found.exit_code == 1
    # A regression outweighs what is unclear, and an improvement is none.
    slow = [Made("A", latencies(2, seconds=0.02)), Made("B", (0.1,), key_channels=2)]
    assert compared([steady, Made("B", (0.1,), key_channels=2)], slow).found.exit_code == 1
    assert compared([steady], [Made("A", latencies(2, seconds=0.005))]).found.exit_code == 0


def test_single_processes_have_no_latency_verdict_but_exact_ones(compared):
    report = compared([Made("A", (0.01,))], [Made("A", (0.05,), MORE)])
    assert only(report, "A", "latency_seconds").verdict == "unclear"
    assert "repeats: 5" in only(report, "A", "latency_seconds").reason
    assert only(report, "A", "params").verdict == "more"


def test_another_machine_compares_exact_metrics_only_and_says_so(compared):
    report = compared(
        [Made("A", latencies(1))], [Made("A", latencies(1, seconds=0.1))], OTHER_MACHINE
    )
    assert not report.conditions["same_machine"]
    assert "latency_seconds" not in verdicts(report, "A")
    assert set(verdicts(report, "A").values()) == {"same"}
    assert "only exact metrics are compared" in report.notes[0]
    assert f"processor of {OTHER_MACHINE}" in report.notes[0]
    assert report.caveats == report.notes[:1]
    assert report.found.exit_code == 0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"threads": 2}, "threads 1, then 2"),
        ({"timing": Timing(cache="cold")}, "cache hot, then cold"),
    ],
)
def test_values_measured_under_other_conditions_are_not_compared(compared, changed, said):
    after = Made("A", latencies(2, seconds=0.02), **changed)
    report = compared([Made("A", latencies(1))], [after])
    found = only(report, "A", "latency_seconds")
    assert (found.verdict, found.effect) == ("unclear", None)
    assert said in found.reason
    assert only(report, "A", "params").verdict == "same"


def test_a_case_that_failed_before_too_is_no_regression(compared):
    failing = Made("A", (None,), {}, status="oom", cause="full")
    report = compared([failing, Made("B", key_channels=2)], [failing, Made("B", key_channels=2)])
    assert only(report, "A", "case").verdict == "failed"
    assert "failed before, too" in only(report, "A", "case").reason
    assert report.found.exit_code == 0


def test_one_failed_process_of_many_is_a_failure_and_the_others_are_still_compared(compared):
    after = Made("A", (*latencies(2), None), status="killed", cause="SIGKILL")
    report = compared([Made("A", latencies(1))], [after])
    assert only(report, "A", "case").reason == "process 6 of 6: killed: SIGKILL"
    assert only(report, "A", "latency_seconds").verdict == "same"
    assert report.found.exit_code == 1


def test_a_case_that_works_again(compared):
    report = compared(
        [Made("A", (None,), {}, status="error", cause="bug")], [Made("A", latencies(2))]
    )
    found = only(report, "A", "latency_seconds")
    assert (found.verdict, found.reason) == ("new", "failed before: error: bug")
    assert report.found.exit_code == 0


def test_a_renamed_case_is_the_same_case(compared):
    report = compared([Made("old", latencies(1))], [Made("new", latencies(1, seconds=0.02))])
    assert only(report, "new", "latency_seconds").verdict == "slower"
    assert verdicts(report, "old") == {}
    assert "'new' was called 'old' before" in report.notes


@pytest.mark.parametrize(("old", "new"), [("AB", "DE"), ("AB", "D"), ("A", "DE")])
def test_twins_are_not_renamed(compared, old, new):
    """Nobody knows which of two equal cases it was."""
    other = Made("C", key_channels=1)
    report = compared([*map(Made, old), other], [*map(Made, new), other])
    assert set(verdicts(report, "A").values()) == {"gone"}
    assert set(verdicts(report, "D").values()) == {"new"}


def test_a_label_whose_arguments_have_changed_is_another_case(compared):
    before = [Made("A", key_channels=1), Made("B", key_channels=9)]
    after = [Made("A", key_channels=2), Made("B", key_channels=9)]
    report = compared(before, after)
    kinds = {
        key.case_key: each for key, each in report.found.comparisons.items() if key.label == "A"
    }
    assert sorted(each.verdict for each in kinds.values()) == ["gone", "new"]
    assert all("another case has this label" in each.reason for each in kinds.values())


def test_runs_of_nothing_in_common(compared):
    with pytest.raises(NothingInCommonError, match="no case in common"):
        compared([Made("A", key_channels=1)], [Made("B", key_channels=2)])


def test_notes_name_what_else_has_changed(compared, tmp_path):
    environment = {
        "machine": {}, "python": "3.12.1", "libraries": {"torch": "2.6.0"}, "governor": "powersave",
        "git": None,
    }  # fmt: skip
    after = Made("A", latencies(1), values={"latency_flags": ["throttled", "unsteady", "too few"]})
    report = compared([Made("A", latencies(1))], [after], environment=environment, missing=2)
    text = "\n".join(report.notes)
    for part in (
        "python 3.11.7, then 3.12.1; torch 2.13.0, then 2.6.0; governor none, then powersave: ",
        "second run is not complete: 5 of 7",
        "throttled while the second run measured 'A'",
        "passes did not become steady while the second run measured 'A'",
        "few samples were taken while the second run measured 'A'",
        "one after the other",
    ):
        assert part in text


ENVIRONMENT = {
    "machine": {"cpu": "EPYC", "gpus": [{"name": "NVIDIA H100"}]},
    "machine_key": MACHINE,
    "python": "3.11.7",
    "libraries": {"torch": "2.13.0", "matplotlib": "3.11.2"},
    "thread_settings": {},
    "conditions": {"gpus": [{"driver": "550.54", "power_cap_watts": 700.0}]},
}


@pytest.fixture
def on_a_gpu(tmp_path):
    """Compares a run of `ENVIRONMENT` and of a commit with one of another environment."""

    def run(after, seconds=0.01, dirty=False, values=True, machine=MACHINE):
        git = {"commit": "c" * 40, "dirty": dirty}
        made = [Made("A", latencies(seed, seconds=at) if values else ()) for seed, at in
                ((1, 0.01), (2, seconds))]  # fmt: skip
        a = run_directory(tmp_path / "a", made[:1], environment=ENVIRONMENT | {"git": git})
        b = run_directory(tmp_path / "b", made[1:], machine, environment=ENVIRONMENT | after)
        return compare(observe(a), observe(b))

    return run


OTHER_DRIVER = {"conditions": {"gpus": [{"driver": "570.86", "power_cap_watts": 700.0}]}}


def test_another_driver_is_not_taken_for_other_code(on_a_gpu):
    """A slow-down stays one, and what else may have made it stands before everything."""
    report = on_a_gpu(OTHER_DRIVER, seconds=0.011)
    assert report.found.exit_code == 1
    (caveat,) = report.caveats
    assert caveat == report.notes[0]
    assert caveat.startswith("driver 550.54, then 570.86: a change of time may come from that")
    assert "harness gate --against cccccccccccc measures both versions" in caveat
    text = comment(report)
    assert text.index("**driver 550.54, then 570.86") < text.index("## Changes")
    assert "| Driver | 550.54 | **570.86** |" in text
    assert "| Machine | EPYC, NVIDIA H100 (aaaaaaaaaaaa) | EPYC, NVIDIA H100" in text
    assert "matplotlib" not in text
    assert text.count("570.86") == 2  # said once, and shown
    assert report.as_json()["a"]["setting"]["driver"] == "550.54"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"libraries": {"torch": "2.14.1", "matplotlib": "3.11.2"}}, "torch 2.13.0, then 2.14.1"),
        ({"thread_settings": {"MKL_CBWR": "AVX2"}}, "MKL_CBWR none, then AVX2"),
        (
            {"conditions": {"gpus": [{"driver": "550.54", "power_cap_watts": 500.0}]}},
            "power cap (W) 700, then 500",
        ),
    ],
)
def test_whatever_a_time_may_depend_on_is_a_caveat(on_a_gpu, changed, said):
    assert on_a_gpu(changed).caveats[0].startswith(f"{said}: ")


def test_what_no_time_depends_on_is_none(on_a_gpu):
    report = on_a_gpu({"libraries": {"torch": "2.13.0", "matplotlib": "3.12.0"}})
    assert report.caveats == ()
    assert "matplotlib 3.11.2, then 3.12.0" in report.notes
    # Where no time is compared, nothing is said of what times depend on but what it is.
    report = on_a_gpu(OTHER_DRIVER, values=False)
    assert report.caveats == ()
    assert "driver 550.54, then 570.86" in report.notes


def test_the_gate_is_not_offered_a_commit_that_was_not_measured(on_a_gpu):
    assert "harness gate measures" in on_a_gpu(OTHER_DRIVER, dirty=True).caveats[0]


def test_another_card_of_the_same_processor_is_named(on_a_gpu):
    card = {"machine": {"cpu": "EPYC", "gpus": [{"name": "NVIDIA H200"}]}}
    report = on_a_gpu(card | OTHER_DRIVER, machine=OTHER_MACHINE)
    (caveat,) = report.caveats
    assert f"(EPYC, NVIDIA H100 ({MACHINE}), then EPYC, NVIDIA H200 ({OTHER_MACHINE}))" in caveat
    assert f"| **EPYC, NVIDIA H200 ({OTHER_MACHINE})** |" in comment(report)
    assert "driver 550.54, then 570.86" in report.notes


def test_the_gist_is_one_line(compared, on_a_gpu):
    before = [Made(f"case {i}", static={"params": 9 * i}, key_channels=i + 1) for i in range(5)]
    after = [Made(f"case {i}", static={"params": 10 * i + 1}, key_channels=i + 1) for i in range(5)]
    assert in_one_line(compared(before, after)) == (
        "mini: 5 regressions (5 more): case 0, Parameters from 0; case 1, Parameters +22.2 %; "
        "case 2, Parameters +16.7 %; and 2 more"
    )
    failed = Made("A\n::error::B", (None,), {}, status="oom", cause="full\nof it")
    assert in_one_line(compared([Made("A\n::error::B", (0.1,))], [failed])) == (
        "mini: 1 regression (1 failed): A ::error::B failed, oom: full of it"
    )
    slower = in_one_line(on_a_gpu(OTHER_DRIVER, seconds=0.011))
    assert re.match(
        r"mini: 1 regression \(5 same, 1 slower\): A, Latency \+\d+\.\d % \(\S+ to \S+\)\. "
        r"driver 550\.54, then 570\.86: ",
        slower,
    )


def test_the_last_record_of_a_process_counts(tmp_path):
    path = run_directory(tmp_path, [Made("A", (0.5,), status="error"), Made("A", (0.2,))])
    seen = observe(path)
    assert next(iter(seen.replicates.values())) == (0.2,)
    assert seen.failures == {}


def test_records_of_another_machine_are_left_out(tmp_path):
    b = Made("B", (0.2,), key_channels=2)
    path = run_directory(tmp_path, [Made("A", (0.5,)), b], machine=OTHER_MACHINE)
    with RunDirectory.open(path).writer() as writer:
        for record in b.records(MACHINE):
            writer.append(record)
    seen = observe(path)
    assert seen.machine_key == MACHINE
    assert [case.label for case in seen.cases] == ["B"]


def test_energy_over_too_short_a_window_is_not_compared(tmp_path):
    values = {"energy_joules": 0.5, "energy_valid": False, "resident_peak_bytes": 0}
    seen = observe(run_directory(tmp_path, [Made("A", (0.2,), values=values)]))
    metrics = {key.metric for key in seen.replicates}
    assert "latency_seconds" in metrics
    assert not {"energy_joules", "resident_peak_bytes"} & metrics


@pytest.mark.parametrize("odd", [None, [], "text", 7])
def test_odd_descriptions_and_values_are_left_out(tmp_path, odd):
    made = Made("A", (0.1,), values={"params": odd if odd != 7 else float("nan")})
    path = run_directory(tmp_path, [made], environment=odd, suite=odd)
    seen = observe(path)
    assert (seen.suite, seen.commit, seen.machine_key) == ("mini", None, MACHINE)
    metrics = {key.metric for key in seen.replicates}
    assert "params" not in metrics
    assert "latency_seconds" in metrics


def test_a_run_without_records(tmp_path):
    with pytest.raises(EmptyRunError, match="no case of this run has ended"):
        observe(run_directory(tmp_path, []))
    with pytest.raises(RunDirectoryError, match="no run here"):
        observe(tmp_path / "nowhere")


def test_json_has_every_number_and_is_strict(compared):
    report = compared([Made("A", latencies(1), {"params": 0})], [Made("A", latencies(2), MORE)])
    data = json.loads(json.dumps(report.as_json(), allow_nan=False))
    assert data["exit_code"] == 1
    assert data["counts"] == {"same": 1, "more": 1, "new": 4}
    found = {each["metric"]: each for each in data["comparisons"]}
    assert found["params"]["effect"] is None  # infinite: it was 0
    latency = found["latency_seconds"]
    assert latency["low"] < latency["effect"] < latency["high"]
    assert (latency["replicates_a"], latency["replicates_b"]) == (5, 5)
    assert latency["p_adjusted"] == latency["p"]


def test_markdown_leads_with_regressions_and_folds_the_same(compared):
    before = [Made("A", latencies(1)), Made("B|`x`", latencies(2), key_channels=2)]
    after = [
        Made("A", latencies(3)),
        Made("B|`x`", latencies(4, seconds=0.02), MORE, key_channels=2),
    ]
    text = comment(compared(before, after))
    assert text.startswith("# Benchmarks of mini: 2 regressions (10 same, 1 slower, 1 more)\n")
    table = text.partition("## Changes")[2].partition("<details>")[0]
    assert "B\\|\\`x\\`" in table
    assert "| 216 | 217 |" in " ".join(table.split())
    assert 0 < table.index("| slower ") < table.index("| more ")
    assert "| A " not in table
    assert "<summary>10 the same</summary>" in text
    assert "one after the other" in text


def test_markdown_of_hostile_names_calls_nobody_and_adds_nothing(compared):
    """What GitHub would make links, mentions, images and headings of, in every place."""
    hostile = "`@octocat <img src=x>\n\n# [a](https://x.org) www.x.org #1 `"
    made = [Made(hostile, latencies(1), status="error", cause=hostile)]
    text = comment(compared(made, made, machine_after=hostile))
    assert "\n# " not in text
    assert re.search(r"(?<!\\)[<\[](?!/?details>|/?summary>|!-- -->)", text) is None
    for calls in ("@octocat", "https://", "www.", "#1 "):
        assert calls not in text


def test_markdown_fits_into_a_comment(compared):
    before = [Made(f"case {i}", (0.1,), key_channels=i + 1) for i in range(400)]
    after = [Made(f"case {i}", (0.2,), key_channels=i + 1) for i in range(400)]
    text = comment(compared(before, after))
    assert len(text) < LONGEST_COMMENT + 1000
    assert "200 further rows" in text
    assert "2000 the same." in text


def test_what_failed_before_too_comes_after_the_regressions(compared):
    failing = Made("A", (None,), {}, status="oom", cause="full")
    before = [failing, Made("B", key_channels=2)]
    after = [failing, Made("B", static=MORE, key_channels=2)]
    assert [line[0] for line in changes(compared(before, after)).lines] == ["B", "A"]


def test_absurd_latencies_are_shown_all_the_same(compared):
    before, after = Made("A", (1e-300, 1e300, 1.0)), Made("A", (1e-307, 1e-306, 1e-305))
    for text in map(comment, (compared([before], [after]), compared([after], [before]))):
        assert "unclear" in text


def test_a_difference_that_the_unit_hides_is_shown(compared):
    before = Made("A", static={"params": 10_000_000})
    report = compared([before], [Made("A", static={"params": 10_000_001})])
    (line,) = changes(report).lines
    assert line[2:5] == ["10000000", "10000001", "+1e-05"]


def test_a_user_s_number_stands_as_it_was_declared(compared):
    declared = {"largest": {"unit": "1", "better": "lower", "decimals": 2}}
    declared |= {"zeros": {"unit": "1", "shown": "%", "decimals": 1}}
    made = [
        Made("A", static={"largest": largest, "zeros": zeros, "declared": declared})
        for largest, zeros in ((4.563, 0.25), (18.251, 0.581))
    ]
    shown = {line[1]: line[2:4] for line in changes(compared(made[:1], made[1:])).lines}
    assert shown == {"largest": ["4.56", "18.25"], "zeros": ["25.0 %", "58.1 %"]}


def test_new_cases_are_one_row(compared):
    report = compared(
        [Made("A", latencies(1))],
        [Made("A", latencies(1)), Made("B", latencies(2), key_channels=2)],
    )
    lines = changes(report).lines
    assert [line[0] for line in lines] == ["B"]
    assert "Latency, Parameters" in lines[0][1]


def test_reasons_name_case_and_metric(compared):
    report = compared([Made("A", (0.1,))], [Made("A", (0.1,))])
    assert len(why_changed(report)) == 1
    assert why_changed(report)[0].startswith("A, Latency: 1 and 1 processes")


def test_a_directory_of_runs_stands_for_the_latest(tmp_path):
    run_directory(tmp_path, [Made("A", (0.1,))])
    latest = run_directory(tmp_path, [Made("A", (0.2,))])
    assert observe(tmp_path / "mini").path == RunDirectory.open(latest).path


def test_processes_that_sampled_in_turns_count_once(compared):
    """They met the same moods of the machine: five of them are one observation of it."""
    turns = Timing(turns=True)
    report = compared(
        [Made("a", latencies(1), timing=turns)],
        [Made("a", latencies(2, seconds=0.0115), timing=turns)],
    )
    found = only(report, "a", "latency_seconds")
    assert (found.verdict, found.replicates_a, found.replicates_b) == ("unclear", 1, 1)
