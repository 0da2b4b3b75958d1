"""`harness history --html`: the page of a made history, read back from its HTML and its data."""

import json
import random
import subprocess
import sys
from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parsed_html import Parsed, text
from stored_runs_made import (
    STATIC,
    commit,
    environment,
    record,
    timed,
    write_commits,
    write_run,
)

from harness.cli.app import main
from harness.judge.regression.history import read_history
from harness.messages import printable
from harness.present.report.history_page import history_html
from harness.records.remarks import remark

HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "\u2028\u2029",
    "{{ 7 }}",
    "\"'`",
)
CHANGES = [(2, 20, 1.1), (0, 25, 1.3), (1, 12, 0.8)]


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """40 commits of four cases, of which two become slower and one faster."""
    root = write_commits(tmp_path_factory.mktemp("history"), 40, 4, CHANGES)
    return read_history([root], ["latency_seconds", "params"], repository=root)


@pytest.fixture(scope="module")
def page(history, tmp_path_factory):
    return Parsed(history_html(history, tmp_path_factory.mktemp("nowhere")))


def data_of(page):
    return json.loads(page.one("script", id="history-data").text)


def whole(turns, length):
    """A list that is told by where it changes, and to what, as the page's script reads it."""
    ends = [place for place, _ in turns[1:]] + [length]
    return [value for (at, value), end in zip(turns, ends, strict=True) for _ in range(at, end)]


def values_of(series):
    """Values, lower and upper ends of a series in its unit, and the places of its runs."""
    length = series.get("length", len(series["at"]))
    steps = series["at"] + [1] * (length - len(series["at"]))
    stored = whole(series["exact"], length) if "exact" in series else series["values"]
    step = series["step"]
    values = [each * step for each in stored]
    ends = [
        [
            value + sign * (shift or 0) * step
            for value, shift in zip(values, series[name], strict=True)
        ]
        for sign, name in ((-1, "below"), (1, "above"))
        if name in series
    ]
    return values, ends, list(accumulate(steps))


class TestChanges:
    def test_regressions_come_first_and_the_largest_above_all(self, page):
        tables = [each.get("id") for each in page.all("table")]
        assert tables == ["worse", "better"]
        first, second = page.lines("worse")
        assert (first[0], second[0]) == ("case 000", "case 002")
        assert page.lines("better")[0][0] == "case 001"

    def test_a_line_says_how_much_from_what_to_what_and_between_which_commits(self, page, history):
        line = dict(zip(page.heads("worse"), page.lines("worse")[0], strict=True))
        assert float(line["Change (%)"]) == pytest.approx(30, abs=1)
        low, high = map(float, line["Interval (%)"].split(" to "))
        assert low < float(line["Change (%)"]) < high < low + 2
        assert line["Before"].endswith(" ms")
        assert float(line["After"].split()[0]) == pytest.approx(13, abs=0.2)
        assert line["Between commits"] == f"{commit(24)[:10]}..{commit(25)[:10]}"
        assert line["Since"] == history.measured[25].started_at[:10]

    def test_a_name_leads_to_the_chart_of_its_case(self, page):
        links = [row[0][0] for row in page.one("table", id="worse").find("tbody")]
        for link in links:
            figure = page.one("figure", id=link.get("href")[1:])
            assert text(figure.find("h3")) == text(link)

    def test_facts_count_what_there_is(self, page):
        facts = {text(each[0]): text(each[1]) for each in page.one("dl")}
        assert facts == {
            "Regressions": "2", "Improvements": "1", "Cases": "4", "Series": "8", "Runs": "40",
            "Commits": "40",
        }  # fmt: skip

    def test_nothing_that_changed_is_said(self, tmp_path):
        write_run(tmp_path, 0, [record("A", timed(0.01))], environment(commit(0)))
        page = Parsed(history_html(read_history([tmp_path]), tmp_path))
        assert "Nothing changed." in text(page.one("section", id="changes"))

    def test_what_is_neither_better_nor_worse_stands_apart(self, tmp_path):
        for number, params in enumerate([216, 217]):
            values = {**STATIC, "params": 217, "frozen_params": params}
            write_run(tmp_path, number, [record("A", values)], environment(commit(number)))
        page = Parsed(history_html(read_history([tmp_path], ["frozen_params"]), tmp_path))
        assert [each.get("id") for each in page.all("table")] == ["other"]


class TestSuspects:
    def test_commits_between_are_named_with_their_subjects(self, tmp_path):
        folder = tmp_path / "checkout"
        git(tmp_path, "init", "-q", str(folder))
        for number in range(30):
            git(folder, "commit", "-q", "--allow-empty", "-m", f"step {number} </script>")
        commits = git(folder, "log", "--reverse", "--format=%H").split()
        # Of the last ten commits every third was measured.
        measured = [*commits[:15], *commits[17::3]]
        root = write_commits(
            tmp_path / "runs", len(measured), 1, [(0, 15, 1.2)], named=measured.__getitem__
        )
        page = Parsed(history_html(read_history([root], repository=folder), folder))
        (line,) = page.lines("worse")
        told = [f"{commits[n][:10]} step {n} </script>" for n in (17, 16, 15)]
        assert line[-1] == "; ".join(told)
        data = data_of(page)
        (suspects,) = data["suspects"].values()
        assert [each[0] for each in suspects] == [commits[n] for n in (17, 16, 15)]
        assert dict(data["runs"]["subject"])[3] == "step 3 </script>"

    def test_other_versions_and_remarks_are_suspects_too(self, tmp_path):
        root = write_commits(tmp_path, 45, 1, [(0, 30, 1.2)])  # when PyTorch changes as well
        remark(sorted((root / "mini").iterdir())[30], ["v2"], note="channels last")
        page = Parsed(history_html(read_history([root], repository=tmp_path), tmp_path))
        assert page.lines("worse")[0][-1] == "torch 2.13.0 -> 2.14.0; (v2) channels last"


def git(folder, *arguments):
    named = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"]
    environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": "/nonexistent"}
    done = subprocess.run(
        ["git", *named, *arguments],
        cwd=folder, check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    return done.stdout.strip()


class TestData:
    def test_every_point_is_there_with_its_interval(self, page, history):
        for series, found in zip(history.series, data_of(page)["series"], strict=True):
            values, ends, places = values_of(found)
            scaled = [series.unit.scale(each) for each in series.values]
            assert values == pytest.approx(scaled, rel=1e-4)
            assert places == list(range(40))
            if not series.metric.is_measured:
                assert values == scaled
                assert ends == []
                continue
            for name, end in zip(("low", "high"), ends, strict=True):
                wanted = [series.unit.scale(getattr(point, name)) for point in series.points]
                assert end == pytest.approx(wanted, rel=2e-4)

    @settings(max_examples=12)
    @given(
        st.lists(
            st.floats(1e-9, 1e4) | st.none() | st.tuples(st.floats(1e-3, 1), st.floats(1e-3, 1)),
            min_size=1, max_size=12,
        ).filter(any)
    )  # fmt: skip
    def test_any_values_come_back(self, tmp_path_factory, values):
        """Of one process, of two, and of runs that lack the case."""
        root = tmp_path_factory.mktemp("any")
        for number, each in enumerate(values):
            taken = each if isinstance(each, tuple) else [each] if each else []
            records = [
                record("A", {"latency_seconds": seconds}, replicate=process)
                for process, seconds in enumerate(taken, 1)
            ]
            write_run(root, number, [*records, record("B", {"latency_seconds": 1.0})])
        history = read_history([root], repository=root)
        wanted = {each.label: each for each in history.series}
        page = Parsed(history_html(history, root))
        names = [text(each.find("h3")) for each in page.all("figure")]
        found = dict(zip(names, data_of(page)["series"], strict=True))
        got, ends, places = values_of(found["A"])
        points = wanted["A"].points
        scale = wanted["A"].unit.scale
        assert got == pytest.approx([scale(point.value) for point in points], rel=1e-4)
        assert places == [number for number, each in enumerate(values) if each]
        for name, end in zip(("low", "high"), ends, strict=False):
            told = [getattr(point, name) or point.value for point in points]
            assert end == pytest.approx([scale(each) for each in told], rel=1e-3)

    def test_versions_drivers_and_machines_are_told_where_they_change(self, tmp_path):
        for number, (driver, gpu) in enumerate([("550", "A"), ("560", "A"), ("560", "B")]):
            described = environment(commit(number))
            described["conditions"] = {"gpus": [{"driver": driver}, {"driver": driver}]}
            described["machine"]["gpus"] = [{"name": gpu}]
            write_run(tmp_path, number, [record("A", STATIC)], described)
        page = Parsed(history_html(read_history([tmp_path], ["params"]), tmp_path))
        setting = data_of(page)["runs"]["setting"]
        assert setting["driver"] == [[0, "550"], [1, "560"]]
        key = described["machine_key"]
        assert setting["machine"] == [[0, f"EPYC, A ({key})"], [2, f"EPYC, B ({key})"]]
        assert setting["torch"] == [[0, "2.13.0"]]

    @pytest.mark.parametrize("odd", [3, "x", [1], {"gpus": 3}, {"gpus": [3, None]}])
    def test_odd_descriptions_of_a_machine_are_left_out(self, tmp_path, odd):
        described = environment(commit(0)) | {"machine": odd, "conditions": odd}
        write_run(tmp_path, 0, [record("A", STATIC)], described)
        assert len(read_history([tmp_path], ["params"]).measured) == 1


class TestPage:
    def test_the_same_records_give_the_same_page(self, history, tmp_path):
        root = history.measured[0].path.parent.parent
        again = read_history([root], ["latency_seconds", "params"], repository=root)
        assert history_html(history, tmp_path) == history_html(again, tmp_path)

    def test_nothing_is_fetched_and_every_reference_has_its_target(self, page):
        ids = page.ids()
        assert len(ids) == len(set(ids))
        for each in page.elements():
            assert not {"src", "srcset", "action"} & set(each.attrib)
            assert (each.get("href") or "#")[1:] in (*ids, "")
            assert each.tag != "link"
        (policy,) = page.all("meta", http_equiv="Content-Security-Policy")
        assert policy.get("content").startswith("default-src 'none'")

    @settings(max_examples=8)
    @given(label=st.text(min_size=1, max_size=60), note=st.text(max_size=40))
    def test_any_text_is_shown_and_never_obeyed(self, tmp_path_factory, label, note):
        root = tmp_path_factory.mktemp("hostile")
        self.check(root, label, f"</script><!--<script>{note}")

    @pytest.mark.parametrize("label", HOSTILE)
    def test_texts_that_look_like_code_are_texts(self, tmp_path, label):
        self.check(tmp_path, label, label)

    def check(self, root, label, note):
        draw = random.Random(0)
        for number in range(14):
            values = timed(0.01 * draw.gauss(1, 0.001) * (1 if number < 7 else 2))
            one = replace(record("A", values), label=label)
            described = environment(commit(number), torch=note if number else "2.13.0")
            remark(write_run(root, number, [one], described), [], note=note)
        page = Parsed(history_html(read_history([root], repository=root), root))
        shown = " ".join(printable(label).split())
        assert text(page.one("figure").find("h3")) == shown
        assert page.lines("worse")[0][0] == shown
        assert len(page.all("script")) == 2
        assert not page.all("img")
        assert data_of(page)["runs"]["setting"]["torch"][1] == [1, printable(note)]


class TestCommand:
    @pytest.fixture
    def command(self, monkeypatch, capsys, tmp_path):
        monkeypatch.chdir(tmp_path)

        def run(*arguments):
            monkeypatch.setattr(sys, "argv", ["harness", "history", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                main()
            return ended.value.code or 0, " ".join(capsys.readouterr().err.split())

        return run

    def test_the_page_is_written_where_it_is_asked_for(self, command, tmp_path):
        write_commits(tmp_path / "runs", 3, 2)
        code, said = command("--runs", "runs", "--html", "new/history.html")
        assert code == 0
        assert said.startswith("page: new/history.html (")
        page = Parsed((tmp_path / "new" / "history.html").read_text(encoding="utf-8"))
        assert len(page.all("figure")) == 2

    def test_a_missing_extra_is_named_with_its_cure(self, command, tmp_path, monkeypatch):
        write_commits(tmp_path / "runs", 3, 1)
        monkeypatch.setitem(sys.modules, "jinja2", None)
        code, said = command("--runs", "runs", "--html", "history.html")
        assert code == 2
        assert said.endswith("pip install 'context-harness[report]'")
