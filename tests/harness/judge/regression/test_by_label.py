"""Cases of two suites, or of a suite that has changed, compared by their labels alone."""

import pytest
from made_runs import OTHER_MACHINE, STATIC, Made, latencies, run_directory

import harness
from harness.judge.regression.compare import NothingInCommonError, compare
from harness.judge.regression.observed import observe

MORE = {**STATIC, "params": 432}


@pytest.fixture
def pair(tmp_path):
    """Run directories of two suites."""

    def made(before, after, **changes):
        a = run_directory(tmp_path, before)
        return a, run_directory(tmp_path, after, **{"named": "other"} | changes)

    return made


def by_label(paths):
    return compare(*map(observe, paths), by="label")


def test_cases_of_two_suites_that_are_labelled_alike(pair):
    paths = pair(
        [Made("A", latencies(1)), Made("gone", latencies(2), key_channels=9)],
        [Made("A", latencies(3, seconds=0.02), MORE, 8), Made("new", latencies(4))],
    )
    with pytest.raises(NothingInCommonError, match="compare runs of one suite, or --by label"):
        compare(*map(observe, paths))
    report = by_label(paths)
    found = {(key.label, key.metric): each for key, each in report.found.comparisons.items()}
    assert found["A", "latency_seconds"].verdict == "slower"
    assert found["A", "params"].effect == 1
    assert {found[label, "params"].verdict for label in ("new", "gone")} == {"new", "gone"}
    assert report.as_json()["by"] == "label"


def test_what_differs_is_said_once_a_kind(pair):
    before = [Made(name, latencies(1), key_channels=4) for name in "ABCDE"]
    after = [Made(name, latencies(1), key_channels=8) for name in "ABCDE"]
    notes = by_label(pair(before, after)).notes
    assert "cases are paired by their labels alone: suite mini, then other" in notes
    assert "arguments: key_channels 4, then 8 ('A', 'B', 'C' and 2 more)" in notes
    assert len([note for note in notes if note.startswith("arguments")]) == 1


def test_measured_metrics_keep_their_rules(pair):
    made = [Made("A", latencies(1))]
    report = by_label(pair(made, made, machine=OTHER_MACHINE))
    assert "latency_seconds" not in {key.metric for key in report.found.comparisons}
    report = by_label(pair(made, [Made("A", latencies(1), threads=2)]))
    (reason,) = {
        each.reason
        for key, each in report.found.comparisons.items()
        if key.metric == "latency_seconds"
    }
    assert "measured under other conditions: threads 1, then 2" in reason


def test_a_label_of_several_cases_is_not_guessed(pair):
    twice = [Made("A", latencies(1)), Made("A", latencies(2), key_channels=9)]
    report = by_label(pair([*twice, Made("B")], [Made("A", latencies(1)), Made("B")]))
    verdicts = {each.verdict for key, each in report.found.comparisons.items() if key.label == "A"}
    assert verdicts == {"new", "gone"}


def test_labels_that_are_not_there_name_the_nearest(pair):
    with pytest.raises(NothingInCommonError) as error:
        by_label(pair([Made("ISA")], [Made("ISA 2")]))
    assert "no label in common; the nearest are 'ISA' and 'ISA 2'; " in str(error.value)
    with pytest.raises(harness.HarnessError, match=r"by labl: did you mean label\?"):
        harness.compare(*pair([Made("A")], [Made("A")]), by="labl")


def test_python_gives_the_report_of_the_command(pair, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = pair(
        [Made("A <b>", latencies(1))], [Made("A <b>", latencies(3, seconds=0.02), key_channels=8)]
    )
    told = harness.compare(*paths, by="label")
    assert isinstance(told, harness.RunComparison)
    assert told.report == by_label(paths)
    assert told.summary == "1 regression (5 same, 1 slower)"
    assert repr(told).endswith(told.summary)
    assert "slower" in repr(told)
    assert max(map(len, repr(told).splitlines())) <= 80
    page = told._repr_html_()
    assert "A &lt;b&gt;" in page
    assert "A <b>" not in page
    frame = told.to_frame()
    assert list(frame["verdict"]).count("slower") == 1
    assert frame["effect"].dtype == "Float64"


@pytest.mark.parametrize("runs", [("mini",), ("mini", "mini", "mini")])
def test_runs_are_compared_in_twos(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(harness.HarnessError, match=f"takes two runs, .*, not {len(runs)}"):
        harness.compare(*runs)


def test_the_command_takes_names_and_labels(user):
    root = user.folder / "results" / "runs"
    run_directory(root, [Made("A", latencies(1))])
    run_directory(root, [Made("A", latencies(1), MORE, 8)], named="other")
    refused = user.call("compare", "mini", "other")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    done = user.call("compare", "mini", "other", "--by", "label")
    assert done.returncode == 1, done.stderr
    assert "1 more" in done.stdout
    assert "key_channels 4, then 8 ('A')" in done.stdout
    assert (
        "by labl: did you mean label?" in user.call("compare", "mini", "other", "--by=labl").stderr
    )
