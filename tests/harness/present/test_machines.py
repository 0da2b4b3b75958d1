"""Times of several machines in one run: one column is of one machine, or says otherwise."""

import pytest

from harness.api.run import Run
from harness.case import Case, Job, Outcome, Place
from harness.present.rows import main_machine, one_machine
from harness.records.record import Record
from harness.records.run_directory import RunDirectory
from harness.suite.presentation import TableSpec
from harness.suite.suite import Suite


def row(label, machine, seconds=1.0, **more):
    timed = {"latency_seconds": seconds, "latency_low_seconds": seconds, "energy_joules": None}
    return {"label": label, "machine_key": machine, "node": f"n-{machine}", "params": 3, **timed,
            "warnings": ["own"], **more}  # fmt: skip


def test_one_machine_is_left_as_it_is():
    rows = [row("a", "k"), row("b", "k")]
    assert one_machine(rows) == rows
    assert one_machine([]) == []


def test_counts_may_come_from_anywhere():
    rows = [row("a", "k"), row("b", "other", None, latency_low_seconds=None)]
    assert one_machine(rows) == rows


def test_times_of_the_fewer_are_not_shown_and_that_is_said():
    rows = [row("a", "k1"), row("b", "k2"), row("c", "k2")]
    first, *rest = one_machine(rows)
    assert (first["latency_seconds"], first["latency_low_seconds"]) == (None, None)
    assert first["params"] == 3
    own, said = first["warnings"]
    assert own == "own"
    assert "k1, node n-k1" in said
    assert "--mix-machines" in said
    assert rest == rows[1:]
    assert rows[0]["latency_seconds"] == 1.0  # the caller's rows stay
    assert main_machine(rows) == "k2"


def test_mixed_on_request_they_stand_there_and_that_is_said():
    rows = [row("a", "k1"), row("b", "k2"), row("c", "k2")]
    first, *rest = one_machine(rows, mix=True)
    assert first["latency_seconds"] == 1.0
    assert "another machine (k1, node n-k1)" in first["warnings"][1]
    assert rest == rows[1:]


def test_times_of_other_versions_are_marked():
    old, new = {"torch": "2.12.0", "numpy": "2.4"}, {"torch": "2.13.0", "numpy": "2.4"}
    rows = [
        row("a", "k", versions=old),
        row("b", "k", versions=new),
        row("c", "k", versions=new),
        row("d", "k"),  # of before versions were kept
        row("e", "k", None, latency_low_seconds=None, versions=old),
    ]
    first, *rest = one_machine(rows)
    assert first["latency_seconds"] == 1.0
    assert first["warnings"] == [
        "own",
        "its times are of other versions than those of most rows: torch 2.12.0 instead of 2.13.0",
    ]
    assert rest == rows[1:]


@pytest.fixture
def mixed(tmp_path):
    """A run of three cases on two machines, told from the disk."""

    def make(**description):
        jobs = tuple(
            Job("s", label, Case("se", {"n": n}, ((1, 8, 4, 4),)), ("latency",), 60.0)
            for n, label in enumerate("abc")
        )
        suite = Suite("s", "S", tmp_path / "s.yaml", jobs,
                      tables=(TableSpec(columns=("label", "latency")),))  # fmt: skip
        environment = {"machine": {"cpu": "of the driver"}, "threads": 1, "python": "3.11",
                       "libraries": {}}  # fmt: skip
        there = {**environment, "machine": {"cpu": "of the cluster"}}
        directory = RunDirectory.create(
            tmp_path / "runs", "s",
            {"environment": environment,
             "machines": {"k2": {"nodes": ["n2"], "environment": there}}, **description},
        )  # fmt: skip
        records = [
            Record.of(job, Outcome("ok", values={"latency_seconds": 0.001 * (n + 1)},
                                   place=Place(f"n{key}", f"k{key}")), "driver")
            for n, (job, key) in enumerate(zip(jobs, (1, 2, 2), strict=True))
        ]  # fmt: skip
        return Run(suite, directory, tuple(records))

    return make


def test_a_table_has_the_times_of_one_machine_and_names_it(mixed):
    text = mixed().table(format="markdown")
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if "|" in line}
    assert "1.0" not in lines["a"]
    assert "2.0" in lines["b"]
    assert "Warning, a: its times are of another machine (k1, node n1)" in text
    assert "of the cluster" in text
    assert "of the driver" not in text


def test_a_table_mixes_machines_when_the_run_was_asked_to(mixed):
    text = mixed(mix_machines=True).table(format="markdown")
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if "|" in line}
    assert "1.0" in lines["a"]
    assert "Warning, a: its times are of another machine" in text


def test_records_name_their_node_and_old_ones_load_without(mixed):
    record = mixed().records[0]
    assert (record.node, record.machine_key) == ("n1", "k1")
    line = record.to_line()
    assert Record.from_line(line).node == "n1"
    old = line.replace(',"node":"n1"', "")
    assert '"node"' not in old
    assert Record.from_line(old).node is None
    with pytest.raises(ValueError, match="node is wrong"):
        Record.from_line(line.replace('"n1"', "7"))
