"""Options of the Slurm engine, the scripts they become, and what the scheduler's answers mean."""

import re
from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest
from fake_slurm import Cluster
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.case import Case, Job, Outcome, Place, Timing
from harness.engines.engine import EngineError, Finished, Measuring, Started, Waiting, event_of
from harness.engines.slurm.desk import Desk, Order, job_fingerprint, orders_of
from harness.engines.slurm.scheduler import (
    SlurmOptions,
    TaskState,
    most_tasks,
    parse_options,
    read_states,
)
from harness.engines.slurm.task import JournalReader, JournalWriter

pytest.importorskip("submitit")


def job(label="a", metrics=("latency",), device="cpu", **changes):
    case = Case("se", {"reduction": 2}, ((1, 8, 4, 4),), device=device)
    return Job("mini", label, case, metrics, changes.pop("timeout", 60.0), **changes)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90", 90), ("90:30", 91), ("2:00:00", 120), ("1-0", 1440), ("1-12:30", 2190),
     ("1-00:00:01", 1441)],
)  # fmt: skip
def test_times_are_slurms(text, minutes):
    assert parse_options({"time": text}).minutes == minutes


@pytest.mark.parametrize(
    ("name", "value"),
    [("time", "2h"), ("time", "0"), ("time", "-5"), ("cpus", "0"), ("cpus", "2.5"), ("gpus", "a"),
     ("exclusive", "maybe"), ("per_task", "0"), ("poll", "nan"), ("poll", "0"), ("poll", "inf")],
)  # fmt: skip
def test_a_wrong_value_is_named_with_a_cure(name, value):
    with pytest.raises(EngineError, match=rf"--engine-option {name}={re.escape(value)}: write"):
        parse_options({name: value})


@pytest.fixture
def handed_in(tmp_path, monkeypatch):
    """Hands orders in; gives the options of each script, by name."""
    cluster = Cluster(tmp_path / "cluster", most=4)
    monkeypatch.setenv("PATH", str(cluster.root / "bin"), prepend=":")

    def hand_in(jobs, avoid=(), **options):
        parsed = parse_options({"folder": str(tmp_path / "shared"), **options})
        desk = Desk(parsed)
        for comparison, node in avoid:
            desk.avoid(comparison, node)
        before = len(cluster.scripts())
        for order in orders_of(deque(jobs), parsed, desk.most):
            desk.submit(order)
        desk.close(keep=False)
        return [
            dict(re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", text, re.MULTILINE))
            for text in cluster.scripts()[before:]
        ]

    return hand_in


def test_what_is_asked_for_reaches_sbatch(handed_in):
    (script,) = handed_in(
        [job(timeout=600.0)], partition="long", account="lab", mem="32G", constraint="epyc",
        nodelist="n1", qos="q", parallel="3",
        **{"sbatch.reservation": "mine", "sbatch.job-name": "own"},
    )  # fmt: skip
    expected = {
        "partition": "long", "account": "lab", "mem": "32G", "constraint": "epyc", "qos": "q",
        "nodelist": "n1", "reservation": "mine", "time": "15", "exclusive": "", "no-requeue": "",
        "job-name": "own",
    }  # fmt: skip
    assert script.items() >= expected.items()


def test_a_gpu_is_asked_for_where_a_case_needs_one(handed_in):
    plain, cuda = handed_in([job(), job("b", device="cuda")], gpus="2")
    assert "gpus-per-node" not in plain
    assert cuda["gpus-per-node"] == "2"
    assert handed_in([job(device="cuda")])[0]["gpus-per-node"] == "1"
    (kind,) = handed_in([job(device="cuda")], gres="gpu:a100:1")
    assert kind["gres"] == "gpu:a100:1"
    assert "gpus-per-node" not in kind


def test_only_timed_cases_ask_for_whole_nodes(handed_in):
    timed, counted, trained = handed_in([job(), job("b", ("params",)), job("c", ("accuracy",))])
    assert ["exclusive" in script for script in (timed, counted, trained)] == [True, False, False]
    (shared,) = handed_in([job()], exclusive="no")
    assert "exclusive" not in shared


def test_arrays_are_no_longer_than_the_cluster_allows(handed_in):
    scripts = handed_in([job(f"{n}") for n in range(7)])
    assert [script.get("array") for script in scripts] == ["0-2%3", "0-2%3", None]


def test_nodes_of_another_kind_are_left_out(handed_in):
    first, second = handed_in(
        [job(), replace(job("b"), suite="other")], [(("mini", "cpu"), "n7")], exclude="n1"
    )
    assert (first["exclude"], second["exclude"]) == ("n1,n7", "n1")


def test_the_time_limit_follows_from_the_cases(handed_in):
    counts = [job(f"{n}", ("params",), timeout=30.0) for n in range(10)]
    (script,) = handed_in(counts, per_task="10")
    assert script["time"] == "10"  # 10 x 30 s and five minutes to start
    assert handed_in(counts, time="7")[0]["time"] == "7"


def test_processes_that_sample_in_turns_go_to_one_node():
    turns = Timing("fixed", samples=5, turns=True)
    jobs = [
        replace(job(label), timing=turns, replicate=n) for n in (1, 2, 3) for label in ("a", "b")
    ]
    (order,) = orders_of(deque(jobs), SlurmOptions(), 1000)
    assert [[(j.label, j.replicate) for j in task] for task in order.tasks] == [
        [("a", 1), ("a", 2), ("a", 3)], [("b", 1), ("b", 2), ("b", 3)],
    ]  # fmt: skip


def test_ten_thousand_cases_are_a_few_arrays():
    counts = [job(f"{n}", ("params",)) for n in range(10_000)]
    (order,) = orders_of(deque(counts), SlurmOptions(), 1000)
    assert len(order.tasks) == 200
    assert [j.label for j in order.jobs] == [j.label for j in counts]
    timed = orders_of(deque(job(f"{n}") for n in range(10_000)), SlurmOptions(), 1000)
    assert [len(order.tasks) for order in timed] == [1000] * 10


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    desk = Desk(SlurmOptions(folder=tmp_path / "file"))
    with pytest.raises(EngineError, match=r"cannot be written.*--engine-option folder=DIR"):
        desk.submit(Order(None, tasks=[[job()]]))


def test_where_a_job_has_to_run_is_no_part_of_what_it_asks_for():
    assert job_fingerprint(job()) == job_fingerprint(replace(job(), machine="abc"))
    assert (
        len({job_fingerprint(j) for j in (job(), job("b"), job(threads=2), job(timeout=1.0))}) == 4
    )


# What Slurm 22.05 answered on a cluster of two nodes.
SQUEUE = """\
6_3|CANCELLED|n2|None
6_0|FAILED|n1|NonZeroExitCode
6_1|FAILED|n2|JobLaunchFailure
6_2|RUNNING|n1|None
7|PENDING||Resources
"""
EXITS = """\
6_0                                     1792
6_1                                     9
"""
SACCT = """\
2_0|COMPLETED|n1|0:0
19|CANCELLED by 0|n1|0:0
20|NODE_FAIL|n1|0:0
22|TIMEOUT|n1|0:0
25|OUT_OF_MEMORY|n1|0:125
23_[4-9]|PENDING|None assigned|0:0
"""


@pytest.fixture
def answers(tmp_path, monkeypatch):
    cluster = Cluster(tmp_path / "cluster")
    for name, text in (("squeue", SQUEUE), ("exits", EXITS), ("sacct", SACCT)):
        (cluster.root / name).write_text(text)
    monkeypatch.setenv("PATH", str(cluster.root / "bin"), prepend=":")
    return cluster


def test_answers_of_a_real_scheduler(answers):
    found = read_states(["6_0", "6_1", "6_2", "6_3", "7", "2_0", "19", "20", "22", "25", "23_4"])
    assert {each: state.fate for each, state in found.items()} == {
        "6_0": "failed", "6_1": "failed", "6_2": "runs", "6_3": "cancelled", "7": "waits",
        "2_0": "done", "19": "cancelled", "20": "lost", "22": "timeout", "25": "oom",
    }  # fmt: skip
    assert found["6_0"] == TaskState("FAILED", "n1", "7:0")
    assert found["6_1"].reason == "0:9"
    assert found["7"] == TaskState("PENDING", "", "Resources")
    assert read_states(["99"]) == {}


def test_a_state_that_is_new_to_us_counts_as_running():
    assert TaskState("LEVITATING").fate == "runs"
    assert not TaskState("LEVITATING").is_over


def test_the_longest_array_is_the_clusters(answers):
    assert most_tasks() == 1000


TEXTS = st.text(max_size=20)
OUTCOMES = st.builds(
    Outcome,
    status=st.sampled_from(["ok", "oom", "timeout"]),
    cause=st.none() | TEXTS,
    values=st.dictionaries(TEXTS, st.none() | st.floats(allow_nan=False) | st.lists(st.integers())),
    warnings=st.lists(TEXTS, max_size=2).map(tuple),
    seconds=st.dictionaries(TEXTS, st.floats(0, 9)),
    tail=st.lists(TEXTS, max_size=2).map(tuple),
    elapsed=st.floats(0, 9),
)


@settings(max_examples=30)
@given(outcome=OUTCOMES, metric=TEXTS, cause=TEXTS, cut=st.integers(0, 400))
def test_a_journal_tells_what_was_written_however_it_arrives(
    tmp_path_factory, outcome, metric, cause, cut
):
    path = tmp_path_factory.mktemp("journal") / "0.jsonl"
    place, own = Place("n1", "abc"), job()
    events = [Waiting(own, cause), Started(own), Measuring(own, metric), Finished(own, outcome)]
    writer = JournalWriter(path)
    for event in events:
        writer.event(0, event)
    writer.close()
    content = path.read_bytes()
    reader, told = JournalReader(path), []
    for part in (content[:cut], content):  # half a line has arrived at first
        path.write_bytes(part)
        told += reader.news()
    assert [event_of(message, own, place) for message in told] == [
        *events[:3], Finished(own, replace(outcome, place=place)),
    ]  # fmt: skip


def test_half_a_line_of_a_dead_node_is_left_out(tmp_path):
    path = tmp_path / "0.jsonl"
    path.write_bytes(b'{"job": 0, "ev\n[1]\nnull\n{"end": true}\n')
    assert JournalReader(path).news() == [{"end": True}]
    assert JournalReader(Path("/nowhere/0.jsonl")).news() == []
