"""Whatever a kept run holds: a right answer or a clear error, and nothing is written elsewhere."""

import copy
import json
import shutil
from dataclasses import replace
from functools import reduce
from pathlib import Path
from unicodedata import category

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from stored_runs_made import MACHINE, environment, timed
from typer.testing import CliRunner

from harness.api.measure import measure
from harness.api.run import load_all
from harness.case import Outcome
from harness.cli.app import app
from harness.messages import HarnessError
from harness.records.record import Record
from harness.records.run_directory import RunDirectory
from harness.suite.loader import load

RUN, BESIDE, VICTIM = Path("runs/mini/R"), Path("runs/mini/beside"), Path("victim")
SUITE = """\
suite: mini
title: Mini
input: [1, 8, 6, 6]
measure: [static, latency, energy]
threads: 1
note: a note
cases:
  - {label: A, module: self_attention, repeats: 2}
  - {label: "k={key_channels}", module: self_attention, grid: {key_channels: [2, 4]}}
  - {label: broken, module: self_attention, with: {key_channels: 3}, note: fails}
tables:
  - {name: costs, columns: [label, params, flops, memory, latency, own, warnings], best: auto}
plots:
  - {kind: scatter, x: latency, y: memory}
  - {kind: line, x: key_channels, y: params}
"""
DECLARED = {"own": {"unit": "1", "better": "lower", "shown": "%", "metric": "mine:own"}}
VALUES = {
    "params": 216, "param_bytes": 864, "buffer_bytes": 0, "conv_macs": 5760, "matmul_macs": 10368,
    "transposed_conv_macs": 0, "elementwise_ops": {"relu": 288}, "elementwise_ops_once": {},
    "uncounted_ops": {"aten::sort": 1}, "coverage": 0.5, "flops": 32256, "bytes_moved": 9000,
    "live_peak_bytes": 12672, "live_peak_training_bytes": 20000, "input_bytes": 1152,
    "witness": {
        "input": [[1, 8, 6, 6]],
        "conv": {"ours": 1, "fvcore": 2, "agree": False},
        "matmul": {"ours": 1, "fvcore": 1, "agree": True},
    },
    **timed(0.01), "latency_q1_seconds": 0.0099, "latency_q3_seconds": 0.0101,
    "latency_flags": ["noisy"], "latency_warnings": ["noisy"], "latency_cache": "hot",
    "energy_joules": 0.5, "energy_valid": True, "threads": 1,
    "miou": 0.5, "miou_seeds": [0.4, 0.6], "class_iou": {"road": 0.5}, "train_seeds": [0, 1],
    "class_iou_seeds": {"road": [0.5, 0.5]}, "diagnostics": {"regions": [3.0, 4.0]},
    "seeds_stopped": {"why": "limit", "points": 1.0, "rows": 2, "seeds": 2, "apart": []},
    "train_keys": ["a"], "recipe": "r", "data_version": "1", "train_seconds": 3.0,
    "own": 0.25, "declared": DECLARED,
}  # fmt: skip
ESCAPES = "\x1b[31m\x07\u202e\x9b<b>@all https://x.org \n|"
ODD = (
    None, True, -1, 0, 2**40, 10**400, 1e308, float("inf"), float("nan"), "", "../../../victim",
    ESCAPES, "a\x00b", "x" * 5000, "=1+1", "--output=victim/a/file", [], {}, [[]], ["x", 3],
    {"a": {"b": [None]}}, reduce(lambda inner, _: [inner], range(500), 1),
)  # fmt: skip
COMMANDS = {
    **{form: f"show {RUN} --format {form}" for form in ("markdown", "latex", "csv", "html")},
    **{
        to: f"export {RUN} --to {to} --out out/exported"
        for to in ("pytest-benchmark", "github-action-benchmark", "bencher", "csv", "parquet")
    },
    "show": f"show {RUN}",
    "report": f"report {RUN} {BESIDE} --out out/report.html",
    "compare": f"compare {RUN} {BESIDE}",
    "comment": f"compare {BESIDE} {RUN} --markdown",
    "accept": f"baseline accept {RUN} --baselines out/baselines",
    "history": "history --runs runs --metric all",
    "runs": f"runs {RUN} {BESIDE}",
    "plan": "plan mini.yaml --runs runs --budget 0",
}
MANY = ("history", "plan", "runs")
"""Commands over many runs, which one damaged run does not end."""


class Idle:
    """An engine on which nothing ever runs."""

    def submit(self, job):
        pass

    def events(self):
        return iter(())

    def cancel(self):
        pass


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A suite, and what `run.json` and the lines of `records.jsonl` say of a run of it."""
    file = tmp_path_factory.mktemp("suite") / "mini.yaml"
    file.write_text(SUITE)
    suite = load(file)
    jobs = [replace(job, declared=DECLARED) for job in suite.all_jobs()]
    suite = replace(suite, jobs=tuple(jobs))
    records = [Record.of(job, Outcome("ok", values=VALUES, seconds={"params": 0.1}), MACHINE)
               for job in jobs]  # fmt: skip
    records[3] = replace(records[3], status="error", cause="RuntimeError: no", values={})
    at = "2026-01-01T00:00:00+00:00"
    described = {"schema": 1, "suite": suite.describe(), "started_at": at, "command": "harness"}
    described["environment"] = environment("a" * 40) | {"warnings": ["noisy machine"]}
    return suite, described, [json.loads(record.to_line()) for record in records]


@pytest.fixture
def home(tmp_path, monkeypatch, whole):
    """A folder with a run, another beside it, and somebody's files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("mini.yaml").write_text(SUITE)
    for name in ("a", "b"):
        (VICTIM / name).mkdir(parents=True)
        (VICTIM / name / "file").write_text("precious")
    for path in (RUN, BESIDE):
        path.mkdir(parents=True)
        write(path, *whole[1:])
    return tmp_path


def write(path, described, lines):
    (path / "run.json").write_text(json.dumps(described))
    (path / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def places(data, at=()):
    """Every part of plain data; of lists the first two."""
    yield at
    if isinstance(data, (dict, list)):
        keys = list(data) if isinstance(data, dict) else range(min(2, len(data)))
        for key in keys:
            yield from places(data[key], (*at, key))


def changed(data, at, odd):
    """A copy with something else in one place; without it if that is `...`."""
    if not at:
        return odd
    copied = copy.deepcopy(data)
    *above, last = at
    inner = reduce(lambda found, key: found[key], above, copied)
    if odd is ...:
        del inner[last]
    else:
        inner[last] = odd
    return copied


def answer(name, suite):
    """What a command prints and writes; "" where it ends with a sentence and 2."""
    if name == "resume":
        try:
            run = measure(suite, Path("resumed"), None, Idle(), resume=True)
            return run.summary() + str(run.shown())
        except HarnessError as error:
            return said(error)
    done = CliRunner().invoke(app, COMMANDS[name].split())
    if isinstance(done.exception, HarnessError):
        return said(done.exception)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code in (0, 1, 2, 3)
    written = [path for path in Path("out").iterdir() if path.is_file() and name != "parquet"]
    return done.output + "".join(path.read_text(encoding="utf-8") for path in written)


def said(error):
    text = str(error)
    assert text.strip()
    assert "Traceback" not in text
    return ""


def check(name, suite):
    """Run a command on the run as it is now."""
    shutil.rmtree("out", ignore_errors=True)
    shutil.rmtree("resumed", ignore_errors=True)
    Path("out").mkdir()
    if name == "resume":
        shutil.copytree("runs/mini", "resumed/mini", symlinks=True)
    text = answer(name, suite)
    assert text or name not in MANY, "one damaged run ends a command over many"
    odd = {c for c in text if not (c.isprintable() or c in "\n\r\t" or category(c) == "Zs")}
    assert not odd, f"{odd} reach the reader"
    made = {path.name for path in Path().iterdir()} - {"resumed"}
    assert made == {"mini.yaml", "runs", "victim", "out"}
    assert {path.name for path in RUN.parent.iterdir()} == {RUN.name, BESIDE.name}
    assert [path.read_text() for path in sorted(VICTIM.rglob("file"))] == ["precious"] * 2


EVERY = [*COMMANDS, "resume"]
quick = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def mutated(data, odd, described, lines):
    """Both with something else in one of all their places."""
    lines = list(lines)
    if data.draw(st.booleans()):
        at = data.draw(st.sampled_from(sorted(places(described), key=str)[odd is ... :]))
        described = changed(described, at, odd)
    else:
        number = data.draw(st.sampled_from([0, 2]))  # of several processes, and of a grid
        at = data.draw(st.sampled_from(sorted(places(lines[number]), key=str)[odd is ... :]))
        lines[number] = changed(lines[number], at, odd)
    return described, lines


@settings(quick, max_examples=120)
@given(st.sampled_from([name for name in EVERY if name != "report"]), st.data(),
       st.sampled_from([..., *ODD]))  # fmt: skip
def test_any_part_may_be_anything(home, whole, name, data, odd):
    write(RUN, *mutated(data, odd, *whole[1:]))
    check(name, whole[0])


@settings(quick, max_examples=3)
@given(st.data(), st.sampled_from([..., *ODD]))
def test_any_part_may_be_anything_in_a_report(home, whole, data, odd):
    write(RUN, *mutated(data, odd, *whole[1:]))
    check("report", whole[0])


@settings(quick, max_examples=30)
@given(
    st.sampled_from([name for name in EVERY if name != "report"]),
    st.sampled_from(["run.json", "records.jsonl"]),
    st.integers(0, 9000),
    st.binary(),
)
@example("history", "run.json", 20, b"\xff")
@example("plan", "records.jsonl", 20, b"\xff\xfe")
@example("resume", "run.json", 0, b"[" * 5000)
def test_files_may_be_cut_and_spoilt(home, whole, name, file, at, odd):
    write(RUN, *whole[1:])
    content = (RUN / file).read_bytes()
    (RUN / file).write_bytes(content[:at] + odd + (content[at:] if len(odd) % 2 else b""))
    check(name, whole[0])


@pytest.mark.parametrize("name", EVERY)
def test_a_run_json_of_nothing(home, whole, name):
    (RUN / "run.json").write_text("{}")
    check(name, whole[0])


@pytest.mark.parametrize("name", COMMANDS)
def test_no_text_of_a_run_is_obeyed(home, whole, name):
    """Labels, causes, warnings, machines and versions full of escapes, on every way to a reader."""
    text = ESCAPES.replace("\n", "\\n")
    described, lines = copy.deepcopy(whole[1:])
    for part in (described, lines):
        for at in list(places(part)):
            value = reduce(lambda found, key: found[key], at, part)
            named = at and at[-1] in ("label", "cause", "cpu", "torch", "governor", "note")
            if named and isinstance(value, str):
                reduce(lambda found, key: found[key], at[:-1], part)[at[-1]] = value + text
    lines = [line | {"machine_key": text, "warnings": [text]} for line in lines]
    write(RUN, described, lines)
    write(BESIDE, described, lines)
    check(name, whole[0])


@pytest.mark.parametrize(
    ("suite", "machine"), [("../../../victim", MACHINE), ("mini", "{home}/victim"), ("..", "..")]
)
def test_a_baseline_is_kept_and_removed_in_its_own_folder_alone(home, whole, suite, machine):
    described, lines = copy.deepcopy(whole[1:])
    described["suite"]["suite"] = suite
    machine = machine.format(home=home)
    write(RUN, described, [line | {"suite": suite, "machine_key": machine} for line in lines])
    done = CliRunner().invoke(app, ["baseline", "accept", str(RUN), "--baselines", "out/deep/er"])
    assert isinstance(done.exception, HarnessError)
    assert "cannot be a file name" in str(done.exception)
    assert not Path("out").exists()
    assert [path.read_text() for path in sorted(VICTIM.rglob("file"))] == ["precious"] * 2


def test_one_damaged_run_of_many_is_left_out_with_a_line(home):
    (RUN / "run.json").write_bytes(b'{"suite": "\xff"}')
    with pytest.warns(UserWarning, match=r"left out: .*/runs/mini/R/run\.json: not JSON"):
        (run,) = load_all("runs")
    assert run.directory.path.name == BESIDE.name
    assert "1 of 2 runs left out" in CliRunner().invoke(app, COMMANDS["history"].split()).output


def test_values_of_a_wrong_kind_count_as_absent_and_that_is_said(home, whole):
    described, lines = copy.deepcopy(whole[1:])
    described["environment"] |= {"libraries": 7, "git": {"commit": "--output=victim/a/file"}}
    lines[0]["values"] |= {"params": "many", "latency_samples_seconds": 3, "status": "ok"}
    write(RUN, described, lines)
    (record, *_) = RunDirectory(RUN).records()
    assert not record.values.keys() & {"params", "latency_samples_seconds", "status"}
    assert record.values["flops"] == VALUES["flops"]
    printed = " ".join(CliRunner().invoke(app, COMMANDS["markdown"].split()).output.split())
    for words in (
        "params, latency\\_samples\\_seconds, status",
        "environment libraries, environment git",
    ):
        assert f"since they are of a wrong kind: {words}" in printed
