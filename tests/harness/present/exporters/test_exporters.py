"""Exported runs, read by the tools that they are for, or held to those tools' schemas."""

import csv as comma_separated
import io
import json
import re
import subprocess
import sys
from types import SimpleNamespace

import jsonschema
import pandas as pd
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_benchmark.stats import Stats
from stored_runs_made import FAILED, MACHINE, STATIC, environment, record, timed, write_run

from harness.present.exporters.bencher import bencher
from harness.present.exporters.csv import csv
from harness.present.exporters.exported import ExportError, read_run
from harness.present.exporters.github_action import github_action
from harness.present.exporters.mlflow import mlflow
from harness.present.exporters.parquet import METADATA, parquet
from harness.present.exporters.pytest_benchmark import pytest_benchmark, stats
from harness.present.frame import frame
from harness.records.run_directory import RunDirectoryError

COMMIT = "a" * 40
SHADY = "=cmd|'x'!A1"

# https://bencher.dev/bmf.json, which the page "Bencher Metric Format" shows.
BENCHER_SCHEMA = {
    "type": "object",
    "patternProperties": {
        ".+": {
            "type": "object",
            "patternProperties": {
                ".+": {
                    "type": "object",
                    "properties": {
                        "value": {"type": "number"},
                        "lower_value": {"type": "number"},
                        "upper_value": {"type": "number"},
                    },
                    "required": ["value"],
                }
            },
        }
    },
}

# README of github-action-benchmark, "Custom benchmarks"; BenchmarkResult in its src/extract.ts.
ACTION_SCHEMA = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "unit": {"type": "string", "minLength": 1},
            "value": {"type": "number"},
            "range": {"type": "string"},
            "extra": {"type": "string"},
        },
        "required": ["name", "unit", "value"],
        "additionalProperties": False,
    },
}
ACTION_RANGE = re.compile(r"(\+-|±)\s*(\d.+)")  # src/extractRangeInfo.ts


@pytest.fixture
def path(tmp_path):
    records = [record("A"), record(SHADY, STATIC | timed(0.02, 12, seed=3)), FAILED]
    return write_run(tmp_path, 5, records, environment(COMMIT))


@pytest.fixture
def run(path):
    return read_run(path)


class TestPytestBenchmark:
    def test_its_own_command_reads_and_compares_the_file(self, run, tmp_path):
        file = tmp_path / "out.json"
        file.write_text(pytest_benchmark(run), encoding="utf-8")
        command = [
            sys.executable,
            "-m",
            "pytest_benchmark",
            "compare",
            "--columns=median",
            str(file),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, cwd=tmp_path, timeout=60
        )
        assert "benchmark 'mini': 2 tests" in done.stdout
        median = run.rows[0]["latency_seconds"] * 1e3
        assert f"{median:,.4f}" in done.stdout
        assert "Failed to load" not in done.stdout + done.stderr

    def test_what_it_says_of_a_case_and_of_the_run(self, run):
        data = json.loads(pytest_benchmark(run))
        first = data["benchmarks"][0]
        assert (first["group"], first["name"], first["fullname"]) == ("mini", "A", "mini/A")
        assert first["params"] == {"key_channels": 1}
        assert first["extra_info"]["params"] == 216
        assert first["extra_info"]["machine_key"] == MACHINE
        assert data["commit_info"]["id"] == COMMIT
        assert data["machine_info"]["cpu"]["count"] == 2
        assert len(data["benchmarks"]) == 2  # the failed case has no latency

    @settings(deadline=None, max_examples=80)
    @given(st.lists(st.floats(1e-6, 10), min_size=1, max_size=40))
    def test_statistics_are_those_that_it_computes_itself(self, samples):
        theirs = Stats()
        for sample in samples:
            theirs.update(sample)
        ours, expected = stats(samples), theirs.as_dict()
        assert ours.keys() == expected.keys() | {"data", "iterations"}
        counts = ("outliers", "iqr_outliers", "stddev_outliers")
        for name in expected.keys() - set(counts):
            assert ours[name] == pytest.approx(expected[name], rel=1e-9, abs=1e-12), name

    def test_outliers_are_counted_as_it_counts_them(self):
        samples = [1.0, 1.1, 1.2, 1.25, 1.3, 1.35, 1.4, 3.0, 0.1]
        theirs = Stats()
        for sample in samples:
            theirs.update(sample)
        assert stats(samples)["outliers"] == theirs.outliers == "2;2"

    def test_a_run_without_latency_is_refused_with_the_cure(self, tmp_path):
        run = read_run(write_run(tmp_path, 0, [record("A", STATIC)]))
        with pytest.raises(ExportError, match="--metrics latency"):
            pytest_benchmark(run)


class TestBencher:
    def test_schema_names_and_nanoseconds(self, run):
        data = json.loads(bencher(run))
        jsonschema.validate(data, BENCHER_SCHEMA)
        assert list(data) == ["mini/A", f"mini/{SHADY}"]
        latency, row = data["mini/A"]["latency"], run.rows[0]
        assert latency["value"] == pytest.approx(row["latency_seconds"] * 1e9)
        assert latency["lower_value"] <= latency["value"] <= latency["upper_value"]
        assert data["mini/A"]["live-peak-bytes"] == {"value": 12672}
        assert data["mini/A"]["elementwise-total"] == {"value": 1584}
        assert all(re.fullmatch(r"[a-z0-9-]{1,64}", measure) for measure in data["mini/A"])


class TestGitHubAction:
    def test_schema_and_a_range_that_the_action_reads_back(self, run):
        data = json.loads(github_action(run))
        jsonschema.validate(data, ACTION_SCHEMA)
        entry, row = data[0], run.rows[0]
        assert (entry["name"], entry["unit"]) == ("mini/A Latency", "ms")
        assert entry["value"] == pytest.approx(row["latency_seconds"] * 1e3)
        half = (row["latency_high_seconds"] - row["latency_low_seconds"]) / 2
        found = ACTION_RANGE.search(entry["range"])
        assert float(found[2]) == pytest.approx(half * 1e3, abs=1e-6)
        assert f"machine: {MACHINE}" in entry["extra"]
        assert len({each["name"] for each in data}) == len(data)

    def test_failed_cases_alone_are_refused(self, tmp_path):
        run = read_run(write_run(tmp_path, 0, [FAILED]))
        for exporter in (github_action, bencher):
            with pytest.raises(ExportError, match="no case ended well"):
                exporter(run)


class TestTables:
    def test_csv_has_every_case_and_runs_no_formula(self, run):
        text = csv(run)
        rows = list(comma_separated.DictReader(io.StringIO(text)))
        assert [row["status"] for row in rows] == ["ok", "ok", "error"]
        assert rows[1]["label"] == f"'{SHADY}"
        assert rows[2]["latency_seconds"] == ""
        assert rows[2]["cause"] == "RuntimeError: no"
        assert float(rows[0]["latency_seconds"]) == run.rows[0]["latency_seconds"]
        samples = json.loads(rows[0]["latency_samples_seconds"])
        assert samples == run.rows[0]["latency_samples_seconds"]
        read = pd.read_csv(io.StringIO(text))
        assert list(read["params"]) == [216, 216, 3]

    def test_parquet_keeps_types_samples_and_environment(self, run):
        table = pyarrow.parquet.read_table(io.BytesIO(parquet(run)))
        assert table.column("label").to_pylist() == ["A", SHADY, "broken"]
        assert table.column("params").to_pylist() == [216, 216, 3]
        assert str(table.schema.field("params").type) == "int64"
        assert str(table.schema.field("latency_seconds").type) == "double"
        samples = table.column("latency_samples_seconds").to_pylist()
        assert samples == [row.get("latency_samples_seconds") for row in run.rows]
        assert samples[2] is None
        described = json.loads(table.schema.metadata[METADATA])
        assert described["environment"]["git"]["commit"] == COMMIT

    def test_parquet_gives_back_the_frame(self, run):
        read = pyarrow.parquet.read_table(io.BytesIO(parquet(run))).to_pandas()
        made = frame(run.rows)
        assert list(read.columns) == list(made.columns)
        assert list(read["conv_macs"].dropna()) == list(made["conv_macs"].dropna())


class FakeMlflow:
    """Keeps what it is told, as `MlflowClient` does."""

    def __init__(self, known=()):
        self.known, self.runs = set(known), {}

    def get_experiment_by_name(self, name):
        return SimpleNamespace(experiment_id=f"id of {name}") if name in self.known else None

    def create_experiment(self, name):
        assert name not in self.known
        self.known.add(name)
        return f"id of {name}"

    def create_run(self, experiment_id, start_time=None, tags=None):
        key = f"run {len(self.runs)}"
        self.runs[key] = {
            "experiment": experiment_id, "tags": dict(tags), "at": start_time,
            "params": {}, "metrics": {}, "status": "RUNNING",
        }  # fmt: skip
        return SimpleNamespace(info=SimpleNamespace(run_id=key))

    def log_batch(self, run_id, params=(), metrics=()):
        assert len(params) <= 100
        self.runs[run_id]["params"].update({each.key: each.value for each in params})
        self.runs[run_id]["metrics"].update({each.key: each.value for each in metrics})

    def set_terminated(self, run_id, status):
        self.runs[run_id]["status"] = status


@pytest.fixture
def entities(monkeypatch):
    """`mlflow.entities`, as far as it is used; MLflow itself is large and not installed here."""

    def param(key, value):
        return SimpleNamespace(key=key, value=value)

    def metric(key, value, timestamp, step):
        assert isinstance(timestamp, int)
        return SimpleNamespace(key=key, value=value)

    made = SimpleNamespace(Param=param, Metric=metric)
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(entities=made))
    monkeypatch.setitem(sys.modules, "mlflow.entities", made)


class TestMlflow:
    @pytest.mark.parametrize("known", [(), ("mini",)])
    def test_a_run_per_run_and_a_nested_one_per_case(self, run, entities, known):
        client = FakeMlflow(known)
        assert "3 cases" in mlflow(run, client=client)
        parent, first, _, failed = client.runs.values()
        assert parent["experiment"] == first["experiment"] == "id of mini"
        assert parent["tags"]["mlflow.source.git.commit"] == COMMIT
        assert parent["tags"]["version.torch"] == "2.13.0"
        assert parent["at"] == 1767243600000  # 2026-01-01T05:00:00Z
        assert first["tags"]["mlflow.parentRunId"] == "run 0"
        assert first["params"]["with.key_channels"] == "1"
        assert first["params"]["input"] == "1x8x6x6"
        assert first["metrics"]["latency_seconds"] == run.rows[0]["latency_seconds"]
        assert first["metrics"]["params"] == 216
        assert [each["status"] for each in client.runs.values()] == [
            "FINISHED", "FINISHED", "FINISHED", "FAILED",
        ]  # fmt: skip
        assert failed["tags"]["harness.cause"] == "RuntimeError: no"

    def test_a_server_that_refuses_is_one_sentence(self, run, entities):
        client = FakeMlflow()
        client.log_batch = lambda *_, **__: (_ for _ in ()).throw(OSError("no route\nto host"))
        with pytest.raises(ExportError, match="did not take the run: no route to host"):
            mlflow(run, client=client)

    def test_without_mlflow_it_says_what_to_install(self, run, monkeypatch):
        monkeypatch.setitem(sys.modules, "mlflow", None)
        with pytest.raises(ExportError, match=r"context-harness\[mlflow\]"):
            mlflow(run)


class TestReading:
    def test_processes_of_a_case_are_one_row(self, tmp_path):
        latencies = (0.010, 0.012, 0.011)
        records = [
            record("A", STATIC | timed(seconds, seed=n), replicate=n)
            for n, seconds in enumerate(latencies, 1)
        ]
        run = read_run(write_run(tmp_path, 0, records))
        assert len(run.rows) == 1
        data = json.loads(pytest_benchmark(run))["benchmarks"][0]
        assert data["extra_info"]["processes"] == 3
        assert data["stats"]["rounds"] == 21

    def test_a_case_measured_again_counts_as_it_was_last(self, tmp_path):
        records = [record("A", STATIC | timed(1.0)), record("A", STATIC | timed(0.5))]
        run = read_run(write_run(tmp_path, 0, records))
        assert [row["latency_seconds"] for row in run.rows] == [timed(0.5)["latency_seconds"]]

    def test_no_run_and_no_records(self, tmp_path):
        with pytest.raises(RunDirectoryError, match="no run here"):
            read_run(tmp_path)
        with pytest.raises(ExportError, match="nothing to export"):
            read_run(write_run(tmp_path, 0, []))


class TestCommand:
    def test_files_stdout_and_what_is_left_out(self, user, path):
        done = user.call("export", str(path), "--to", "bencher")
        assert done.returncode == 0
        assert set(json.loads(done.stdout)) == {"mini/A", f"mini/{SHADY}"}
        assert "left out, since they have no values: broken (error)" in done.stderr
        done = user.call("export", str(path.parent), "--to", "parquet", "--out", "deep/run.parquet")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert len(pyarrow.parquet.read_table(user.folder / "deep" / "run.parquet")) == 3

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--to", "benchr"), "did you mean 'bencher'?"),
            (("--to", "csv", "--out", "/proc/no/where.csv"), "cannot be written"),
        ],
    )
    def test_mistakes_are_one_line(self, user, path, arguments, message):
        done = user.call("export", str(path), *arguments)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_the_header_of_csv_is_no_formula_and_the_samples_may_lack_some(tmp_path):
    values = STATIC | timed(0.01) | {SHADY: 3}
    values["latency_samples_seconds"] = [0.01, None]
    run = read_run(write_run(tmp_path, 0, [record("A", values)]))
    header, _ = comma_separated.reader(io.StringIO(csv(run)))
    assert f"'{SHADY}" in header
    assert not [name for name in header if name.startswith(("=", "+", "-", "@"))]
    table = pyarrow.parquet.read_table(io.BytesIO(parquet(run)))
    assert table.column("latency_samples_seconds").to_pylist() == [[0.01, None]]
