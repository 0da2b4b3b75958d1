"""The runner with an engine that answers at once: order, keeping, resuming, interruption."""

import os
from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.case import Case, Job, Outcome
from harness.engines.engine import Finished, Measuring, Started
from harness.records.run_directory import RunDirectory, RunDirectoryError
from harness.runner import DeviceError, execute
from harness.suite.suite import Suite


class FakeEngine:
    """Answers in reverse order; `ends_after` cases it is interrupted."""

    def __init__(self, ends_after=None, failing=(), value=1):
        self.value = value  # of the case `bb`
        self.jobs = deque()
        self.measured = []
        self.cancelled = False
        self.ends_after, self.failing = ends_after, failing

    def submit(self, job):
        self.jobs.append(job)

    def events(self):
        for job in reversed(self.jobs):
            if len(self.measured) == self.ends_after:
                raise KeyboardInterrupt
            yield Started(job)
            yield Measuring(job, "params")
            self.measured.append(job.label)
            if job.label in self.failing:
                yield Finished(job, Outcome("oom", "out of memory", elapsed=1.0))
            else:
                values = {"params": self.value if job.label == "bb" else 1}
                yield Finished(job, Outcome("ok", values=values, elapsed=2.0))

    def cancel(self):
        self.cancelled = True


def job(label, **changes):
    return replace(
        Job(
            "mini", label, Case("se", {"reduction": len(label)}, ((1, 8, 4, 4),)), ("params",), 9.0
        ),
        **changes,
    )


def suite(*jobs):
    return Suite("mini", "Mini", Path(__file__), jobs)


ABC = [job("a"), job("bb"), job("ccc")]


def test_rows_have_the_order_of_the_suite_and_records_that_of_the_measurement(tmp_path):
    engine = FakeEngine(failing=("bb",))
    done = execute(suite(*ABC), tmp_path, engine=engine)
    assert [r.label for r in done.records] == ["a", "bb", "ccc"]
    assert [r.status for r in done.records] == ["ok", "oom", "ok"]
    assert [r.label for r in done.directory.records()] == ["ccc", "bb", "a"]
    assert (done.total, done.interrupted, engine.cancelled) == (3, False, True)


def test_static_cases_that_took_longest_before_begin_first(tmp_path):
    class Timed(FakeEngine):
        def events(self):
            for job in self.jobs:
                self.measured.append(job.label)
                values = {"params": 1}
                yield Finished(job, Outcome("ok", values=values, elapsed=float(len(job.label))))

    first, second = Timed(), Timed()
    execute(suite(job("aaa"), job("a"), job("aaaa")), tmp_path, engine=first)
    later = execute(
        suite(job("a"), job("aa"), job("aaa"), job("aaaa"), job("aaaaa")), tmp_path, engine=second
    )
    assert first.measured == ["aaa", "a", "aaaa"]
    assert second.measured == ["aa", "aaaaa", "aaaa", "aaa", "a"]
    assert [record.label for record in later.records] == ["a", "aa", "aaa", "aaaa", "aaaaa"]


@pytest.mark.parametrize(("after", "kept"), [(1, ["ccc", "bb"]), (3, ["ccc", "bb", "a"])])
def test_a_run_directory_that_is_moved_ends_the_run_and_what_is_measured_is_there(
    tmp_path, after, kept
):
    def move(progress):
        if isinstance(progress.event, Finished) and progress.done == after:
            (tmp_path / "mini").rename(tmp_path / "moved")

    engine = FakeEngine()
    with pytest.raises(RunDirectoryError, match=rf"was moved to {tmp_path}/moved/") as caught:
        execute(suite(*ABC), tmp_path, listener=move, engine=engine)
    assert (caught.value.exit_code, engine.cancelled) == (1, True)
    (folder,) = (path for path in (tmp_path / "moved").iterdir() if not path.is_symlink())
    assert [r.label for r in RunDirectory(folder).records()] == kept


def test_a_listener_hears_of_a_record_that_is_on_disk(tmp_path):
    heard = []

    def listen(progress):
        if isinstance(progress.event, Finished):
            (folder,) = (p for p in (tmp_path / "mini").iterdir() if not p.is_symlink())
            lines = (folder / "records.jsonl").read_text().count("\n")
            heard.append((progress.done, progress.total, lines, progress.remaining_seconds))

    execute(suite(*ABC), tmp_path, listener=listen, engine=FakeEngine())
    assert heard == [(1, 3, 1, 4.0), (2, 3, 2, 2.0), (3, 3, 3, 0.0)]


def test_a_listener_that_fails_leaves_no_engine_running(tmp_path):
    engine = FakeEngine()

    def listen(progress):
        raise RuntimeError("display")

    with pytest.raises(RuntimeError, match="display"):
        execute(suite(*ABC), tmp_path, listener=listen, engine=engine)
    assert engine.cancelled


def test_interruption_keeps_what_is_finished_and_resuming_measures_the_rest(tmp_path):
    first = execute(suite(*ABC), tmp_path, engine=FakeEngine(ends_after=1, failing=("ccc",)))
    assert first.interrupted
    assert [r.label for r in first.records] == ["ccc"]
    engine = FakeEngine()
    second = execute(suite(*ABC), tmp_path, engine=engine, resume=True, keep_failed=True)
    assert engine.measured == ["bb", "a"]  # asked for so, a finished failure is finished
    assert [(r.label, r.status) for r in second.records] == [
        ("a", "ok"), ("bb", "ok"), ("ccc", "oom"),
    ]  # fmt: skip
    assert second.directory.path == first.directory.path


def test_ctrl_c_while_a_record_is_written_counts_it(tmp_path, monkeypatch):
    sync = os.fsync

    def interrupted(file):
        sync(file)
        if Path(f"/proc/self/fd/{file}").readlink().name == "records.jsonl":
            raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    done = execute(suite(*ABC), tmp_path, engine=FakeEngine())
    assert done.interrupted
    assert [r.label for r in done.records] == ["ccc"] == [r.label for r in done.directory.records()]


def nested(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [10**5000, {1, 2}, nested(5000), object(), {(1,): 2}], ids=range(5)
)
def test_what_could_not_be_read_back_is_an_error_and_the_rest_is_kept(tmp_path, value):
    done = execute(suite(*ABC), tmp_path, engine=FakeEngine(value=value))
    assert [r.status for r in done.records] == ["ok", "error", "ok"]
    assert done.records[1].cause.startswith("what was measured cannot be kept: ")
    assert done.records[1].values == {}
    assert len(done.directory.records()) == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"metrics": ("params", "flops")},
        {"threads": 2},
        {"seed": 3},
        {"case": Case("se", {"reduction": 7}, ((1, 8, 4, 4),))},
        {"label": "other"},
    ],
)
def test_what_is_asked_otherwise_is_measured_again(tmp_path, changed):
    execute(suite(*ABC), tmp_path, engine=FakeEngine())
    engine = FakeEngine()
    now = replace(ABC[0], **changed)
    done = execute(suite(now, *ABC[1:]), tmp_path, engine=engine, resume=True)
    assert engine.measured == [now.label]
    assert [r.label for r in done.records] == [now.label, "bb", "ccc"]
    assert done.records[0].metrics == now.metrics
    labels = [j["label"] for j in done.directory.description()["suite"]["jobs"]]
    assert labels == [now.label, "bb", "ccc"]


def test_resuming_without_a_run_is_refused(tmp_path):
    with pytest.raises(RunDirectoryError, match="no run of these cases here"):
        execute(suite(*ABC), tmp_path, engine=FakeEngine(), resume=True)
    assert list(tmp_path.iterdir()) == []


def test_resuming_a_run_that_is_being_written_is_refused(tmp_path):
    done = execute(suite(*ABC), tmp_path, engine=FakeEngine(ends_after=1))
    engine = FakeEngine()
    with done.directory.writer(), pytest.raises(RunDirectoryError, match="another process"):
        execute(suite(*ABC), tmp_path, engine=engine, resume=True)
    assert engine.measured == []


CUDA = Case("se", {}, ((1, 8, 4, 4),), device="cuda")
NEEDS = (("bb", "latency"), ("cc", "params"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_said_before_anything_is_made(tmp_path):
    timed, counted = (replace(job(name, case=CUDA), metrics=(metric,)) for name, metric in NEEDS)
    with pytest.raises(DeviceError, match=r"'bb': device cuda, .*--device cpu"):
        execute(suite(ABC[0], counted, timed), tmp_path, engine=FakeEngine())
    assert list(tmp_path.iterdir()) == []


def test_what_is_only_counted_needs_no_gpu(tmp_path):
    engine = FakeEngine()
    counted = [replace(job(name, case=CUDA), metrics=("params", "memory")) for name in ("a", "b")]
    execute(suite(*counted), tmp_path, engine=engine)
    assert sorted(engine.measured) == ["a", "b"]
