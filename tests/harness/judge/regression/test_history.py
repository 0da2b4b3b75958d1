"""History: made runs with known changes, read from disk as `harness run` leaves them."""

import hashlib
import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Text
from stored_runs_made import FAILED, STATIC, environment, record, timed, write_run

from harness.judge.regression.history import (
    ChangeLimits,
    EmptyHistoryError,
    find_changes,
    read_history,
)
from harness.judge.regression.observed import observe
from harness.present.plots.history import draw_history
from harness.records.quantities.registry import COMPARED
from harness.records.remarks import remark
from harness.records.run_directory import RECORDS
from harness.records.stored_runs import UnknownMetricError


def commit(number):
    return hashlib.sha1(str(number).encode()).hexdigest()


def write_history(root, factors, *, noise=0.005, torch="2.13.0", commits=None, seed=0):
    """One run per factor of a case's 10 ms; `torch` may be a function of the run's number."""
    draw = random.Random(seed)
    for number, factor in enumerate(factors):
        seconds = 0.01 * factor * (1 + draw.gauss(0, noise))
        version = torch(number) if callable(torch) else torch
        name = (commits or commit)(number)
        records = [record("A", STATIC | timed(seconds, 3, seed=number)), record("B", STATIC)]
        write_run(root, number, records, environment(name, version))
    return root


def latencies_of(history, label="A"):
    (series,) = [each for each in history.series if each.label == label]
    return series


class TestChanges:
    def test_a_slow_down_is_found_and_its_commits_are_named(self, tmp_path):
        root = write_history(tmp_path, [1.0] * 20 + [1.06] * 10)
        history = read_history([root], repository=tmp_path)
        (change,) = history.changes
        assert (change.series.label, change.index) == ("A", 20)
        assert change.change == pytest.approx(0.06, abs=0.01)
        assert change.commits == (commit(19), commit(20))
        assert change.where == f"{commit(19)[:10]}..{commit(20)[:10]}"
        assert change.besides == ()
        assert change.p < 0.001
        assert [series.label for series in history.series] == ["A"]  # B has no latency

    def test_below_the_least_change_there_is_none(self, tmp_path):
        root = write_history(tmp_path, [1.0] * 20 + [1.06] * 20)
        assert not read_history([root], limits=ChangeLimits(min_change=0.1)).changes

    def test_a_new_version_of_torch_is_named_beside_the_commits(self, tmp_path):
        factors = [1.0] * 15 + [0.8] * 10
        root = write_history(tmp_path, factors, torch=lambda n: "2.6" if n < 15 else "2.7")
        (change,) = read_history([root]).changes
        assert change.change < 0
        assert change.besides == ("torch 2.6 -> 2.7",)

    def test_one_commit_on_both_sides_blames_no_commit(self, tmp_path):
        root = write_history(tmp_path, [1.0] * 15 + [1.2] * 10, commits=lambda n: commit(7))
        (change,) = read_history([root]).changes
        assert change.where == f"{commit(7)[:10]}, unchanged"

    def test_commits_that_begin_alike_are_two(self, tmp_path):
        root = write_history(tmp_path, [1.0] * 15 + [1.2] * 10, commits=lambda n: f"{n:040x}")
        (change,) = read_history([root]).changes
        assert "unchanged" not in change.where

    def test_without_git_the_runs_are_named(self, tmp_path):
        root = write_history(tmp_path, [1.0] * 15 + [1.2] * 10, commits=lambda n: None)
        (change,) = read_history([root]).changes
        assert change.commits is None
        assert change.where == "runs 20260101T140000Z-000e to 20260101T150000Z-000f"

    def test_noise_of_many_cases_is_no_change(self, tmp_path):
        draw = random.Random(1)
        for number in range(60):
            records = [
                record(f"case {case:02}", STATIC | {"latency_seconds": 0.01 * draw.gauss(1, 0.02)})
                for case in range(20)
            ]
            write_run(tmp_path, number, records)
        history = read_history([tmp_path])
        assert len(history.series) == 20
        assert history.changes == ()

    def test_an_exact_metric_changes_wherever_it_differs(self, tmp_path):
        for number, params in enumerate([216, 216, 217, 217, 216]):
            values = {**STATIC, "params": params}
            write_run(tmp_path, number, [record("A", values)], environment(commit(number)))
        history = read_history([tmp_path], ["params"])
        assert [(c.index, c.before, c.after, c.p) for c in history.changes] == [
            (2, 216, 217, None),
            (4, 217, 216, None),
        ]


class TestOrder:
    def test_old_commits_measured_later_fall_into_place(self, tmp_path):
        folder = tmp_path / "checkout"
        git(tmp_path, "init", "-q", str(folder))
        commits = []
        for day in range(1, 7):
            at = f"2025-01-0{day}T00:00:00+00:00"
            message = ["commit", "-q", "--allow-empty", "-m", f"day {day}"]
            git(folder, *message, GIT_AUTHOR_DATE=at, GIT_COMMITTER_DATE=at)
            commits.append(git(folder, "rev-parse", "HEAD"))
        for number, which in enumerate((0, 5, 3, 1, 4, 2)):
            values = STATIC | timed(0.01 * (which + 1))
            write_run(tmp_path / "runs", number, [record("A", values)], environment(commits[which]))
        (series,) = read_history([tmp_path / "runs"], repository=folder).series
        assert [point.run.commit for point in series.points] == commits
        (elsewhere,) = read_history([tmp_path / "runs"], repository=tmp_path).series
        assert [point.run.commit for point in elsewhere.points] == [
            commits[which] for which in (0, 5, 3, 1, 4, 2)
        ]


def git(folder, *arguments, **environment):
    named = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"]
    done = subprocess.run(
        ["git", *named, *arguments],
        cwd=folder, check=True, capture_output=True, text=True, env={**ENVIRONMENT, **environment},
    )  # fmt: skip
    return done.stdout.strip()


ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": "/nonexistent"}


class TestSeries:
    @settings(deadline=None, max_examples=15)
    @given(
        seconds=st.lists(st.floats(1e-6, 10), min_size=1, max_size=5),
        joules=st.floats(0.1, 10) | st.none(),
        valid=st.booleans() | st.none(),
        elementwise=st.dictionaries(st.sampled_from(["relu", "add"]), st.integers(0, 10**9)),
    )
    def test_values_are_those_that_a_comparison_reads(
        self, tmp_path_factory, seconds, joules, valid, elementwise
    ):
        """The fast reader of many runs finds what `observe` reads through records."""
        root = tmp_path_factory.mktemp("runs")
        values = {**STATIC, "elementwise_ops": elementwise, "energy_joules": joules}
        values |= {} if valid is None else {"energy_valid": valid}
        records = [
            record("A", {**values, "latency_seconds": each}, replicate=number)
            for number, each in enumerate(seconds, 1)
        ]
        path = write_run(root, 0, records)
        read = {each.metric.name: each for each in read_history([root], list(COMPARED)).series}
        expected = {key.metric: found for key, found in observe(path).replicates.items()}
        assert read.keys() == expected.keys()
        for name, series in read.items():
            (point,) = series.points
            assert point.value == sorted_middle(expected[name])
            assert point.processes == len(expected[name])

    def test_a_new_label_continues_a_case(self, tmp_path):
        for number, label in enumerate(["old", "old", "new"]):
            same = replace(record("A", STATIC | timed(0.01)), label=label)
            write_run(tmp_path, number, [same])
        (series,) = read_history([tmp_path]).series
        assert (series.label, len(series.points)) == ("new", 3)

    def test_one_case_under_two_labels_is_two_series(self, tmp_path):
        for number in range(2):
            records = [replace(record("A"), label=label) for label in ("x", "y")]
            write_run(tmp_path, number, records)
        assert {s.label: len(s.points) for s in read_history([tmp_path]).series} == {"x": 2, "y": 2}

    def test_machines_and_threads_are_apart_but_share_exact_metrics(self, tmp_path):
        for number, (machine, threads) in enumerate([("m1", 1), ("m2", 1), ("m1", 4), ("m1", 1)]):
            one = record("A", machine_key=machine, threads=threads)
            write_run(tmp_path, number, [one])
        history = read_history([tmp_path], ["latency_seconds", "params"])
        found = {(s.metric.name, s.machine_key, s.condition[:1]): len(s.points)
                 for s in history.series}  # fmt: skip
        assert found == {
            ("latency_seconds", "m1", (1,)): 2,
            ("latency_seconds", "m2", (1,)): 1,
            ("latency_seconds", "m1", (4,)): 1,
            ("params", "", ()): 4,
        }
        assert len(read_history([tmp_path], machines=["m2"]).series) == 1

    def test_suites_by_the_name_of_the_run_or_of_the_part(self, tmp_path):
        write_run(tmp_path, 0, [record("A"), record("B", suite="other")])
        write_run(tmp_path, 1, [record("A", suite="third")], suite="whole")
        for suites, number in ((["mini"], 2), (["other"], 1), (["whole"], 1), ([], 3)):
            assert len(read_history([tmp_path], suites=suites).series) == number


def sorted_middle(values):
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


class TestDamage:
    def test_a_truncated_last_line_is_no_record_and_no_warning(self, tmp_path):
        path = write_run(tmp_path, 0, [record("A")])
        with (path / RECORDS).open("a", encoding="utf-8") as file:
            file.write('{"suite":"mini","lab')
        history = read_history([tmp_path])
        assert (len(history.series), history.warnings) == (1, ())

    def test_other_damaged_lines_are_told(self, tmp_path):
        path = write_run(tmp_path, 0, [record("A")])
        with (path / RECORDS).open("a", encoding="utf-8") as file:
            file.write('not json\n[1]\n{"suite":"mini"}\n')
        (warning,) = read_history([tmp_path]).warnings
        assert warning == f"{path / RECORDS}: 3 lines are no records and left out"

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"suite": 3}'])
    def test_a_damaged_description_leaves_out_one_run(self, tmp_path, text):
        for number in range(3):
            path = write_run(tmp_path, number, [record("A")])
        (path / "run.json").write_text(text, encoding="utf-8")
        history = read_history([tmp_path])
        assert history.runs == 2
        assert history.warnings == (
            "1 of 3 runs left out: their run.json or records.jsonl cannot be read",
        )

    def test_links_are_not_followed_and_failed_cases_have_no_point(self, tmp_path):
        path = write_run(tmp_path, 0, [record("A"), FAILED])
        (path.parent / "latest").symlink_to(path.name)
        history = read_history([tmp_path])
        assert history.runs == 1
        assert [series.label for series in history.series] == ["A"]

    def test_nothing_to_show_says_what_to_do(self, tmp_path):
        with pytest.raises(EmptyHistoryError, match="--runs"):
            read_history([tmp_path])
        write_run(tmp_path, 0, [record("A", STATIC)])
        with pytest.raises(EmptyHistoryError, match="name another suite"):
            read_history([tmp_path])


RATIO = {"ratio": {"unit": "1", "better": "lower", "compared": "statistically", "head": "Ratio"}}


class TestUsersMetrics:
    def write(self, root, numbers, said=None):
        for number, ratio in enumerate(numbers):
            values = STATIC | {"ratio": ratio, "declared": said or RATIO}
            write_run(root, number, [record("A", values), record("B")], environment(commit(number)))
        return root

    def test_a_declared_number_is_followed_like_a_latency(self, tmp_path):
        draw = random.Random(0)
        levels = [0.5] * 20 + [0.6] * 10
        root = self.write(tmp_path, [level * (1 + draw.gauss(0, 0.005)) for level in levels])
        for _ in range(2):  # read, and then out of the cache
            history = read_history([root], ["ratio"])
            (series,) = history.series
            assert (series.label, series.metric.head) == ("A", "Ratio")
            (change,) = history.changes
            assert change.index == 20
            assert change.change == pytest.approx(0.2, abs=0.02)
        assert "ratio" in {each.metric.name for each in read_history([root], None).series}

    def test_one_that_is_compared_exactly_changes_wherever_two_runs_differ(self, tmp_path):
        said = {"ratio": {"unit": "1", "compared": "exactly"}}
        root = self.write(tmp_path, [3, 3, 4], said)
        (change,) = read_history([root], ["ratio"]).changes
        assert change.index == 2

    def test_it_stands_in_its_own_unit_and_what_was_nothing_has_no_percentage(self, user):
        said = {"ratio": {"unit": "1", "shown": "%", "head": "Zeros"}}
        self.write(user.folder / "results" / "runs", [0, 0.5048, 0.5048], said)
        done = user.call("history", "--metric", "ratio")
        words = " ".join(done.stdout.split())
        assert "Zeros (%)" in words, done.stderr
        assert "50.48 │ from 0" in words

    @pytest.mark.parametrize(
        "said",
        [
            {"ratio": {"unit": "parsec"}},
            {"ratio": 3},
            {"latency_seconds": {"unit": "s", "head": "mine"}},
            {"Not A Name": {"unit": "1"}},
        ],
    )
    def test_a_forged_declaration_is_none(self, tmp_path, said):
        root = self.write(tmp_path, [1.0, 2.0], said)
        with pytest.raises(UnknownMetricError, match="no such metric"):
            read_history([root], ["ratio"])
        (series,) = read_history([root]).series  # that of the other case
        assert series.metric.head == "Latency"


class TestCommand:
    def test_table_json_and_plots(self, user):
        root = write_history(user.folder / "results" / "runs", [1.0] * 15 + [1.1] * 10)
        suite = user.write("mini.yaml", "suite: mini\n")
        done = user.call("history", str(suite), "--plots", "plots")
        assert done.returncode == 0, done.stderr
        assert f"{commit(14)[:10]}..{commit(15)[:10]}" in done.stdout
        assert "runs: 25; cases: 1; series: 1; changes of at least 2.0%: 1" in done.stdout
        names = sorted(path.name for path in (user.folder / "plots").iterdir())
        assert [name.rpartition(".")[2] for name in names] == ["png", "svg"]
        done = user.call("history", "--json", "--runs", str(root), "--metric", "params")
        data = json.loads(done.stdout)
        assert [len(series["points"]) for series in data["series"]] == [25, 25]
        assert data["series"][0]["points"][0]["value"] == 216

    def test_a_run_stands_for_its_suite_and_a_change_says_its_tag(self, user):
        root = write_history(user.folder / "results" / "runs", [1.0] * 15 + [1.1] * 10)
        write_run(root, 40, [record("C", suite="other")], suite="other")
        slower = sorted((root / "mini").iterdir())[15]
        remark(slower, ["v2"], note="channels last")
        for name in ("v2", "mini", slower.name[:16]):
            done = user.call("history", name)
            assert "runs: 26; cases: 1; series: 1; " in done.stdout, done.stderr
            assert "(v2) channels last" in " ".join(done.stdout.split())
        (series,) = json.loads(user.call("history", "v2", "--json").stdout)["series"]
        said = [(point["tags"], point["note"]) for point in series["points"]]
        assert said[15:17] == [(["v2"], "channels last"), ([], "")]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--runs", "kept", "--metric", "latncy"), "did you mean 'latency'?"),
            (("--min-change", "-1"), "0 or more"),
            (("absent.yaml",), "no such file or shipped suite"),
            (("--runs", "absent"), "no run here"),
        ],
    )
    def test_mistakes_are_one_line(self, user, arguments, message):
        write_run(user.folder / "kept", 0, [record("A")])
        done = user.call("history", *arguments)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_a_plot_shows_every_run_each_level_and_names_the_change(tmp_path):
    root = write_history(tmp_path, [1.0] * 20 + [1.2] * 12)
    history = read_history([root])
    series = latencies_of(history)
    changes = tuple(find_changes(series, history.limits))
    (axes,) = draw_history(series, changes, history.limits).axes
    assert len(axes.lines[0].get_xdata()) == 32
    levels = [segment for each in axes.collections for segment in each.get_segments()]
    assert [list(level[:, 0]) for level in levels] == [[-0.5, 19.5], [19.5, 31.5]]
    assert changes[0].where in "".join(text.get_text() for text in axes.texts)
    assert axes.get_ylabel() == "Latency (ms)"


def test_names_of_neighbouring_changes_do_not_meet(tmp_path):
    root = write_history(tmp_path, [1.0] * 12 + [1.2] * 12 + [1.5] * 12 + [1.1] * 12)
    history = read_history([root])
    series = latencies_of(history)
    changes = tuple(find_changes(series, history.limits))
    figure = draw_history(series, changes, history.limits)
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in figure.axes[0].texts]
    assert len(boxes) == len(changes) == 3
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_the_command_line_starts_without_torch():
    """Every command would wait for it, the ones that only read files too."""
    code = "import sys, harness.cli.app; sys.exit('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, env=os.environ | PATH).returncode
        == 0
    )


PATH = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
