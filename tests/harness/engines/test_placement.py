"""Where cases go: alone where they are timed, in order, on one kind of machine."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.case import Case, Job, Timing
from harness.engines.ray.placement import ClusterNode, Placement


def job(label, metrics=("latency",), device="cpu", suite="s", **changes):
    case = Case("se", {"name": label}, ((1, 8, 4, 4),), device=device)
    return Job(suite, label, case, metrics, 60.0, **changes)


def counted(label, **changes):
    return job(label, ("params",), **changes)


def placement(*nodes, mix=False):
    made = Placement(mix)
    made.nodes = {node.identity: node for node in nodes}
    return made


def node(name, key="k", cpus=2, gpus=0, host=""):
    return ClusterNode(name, key, key, cpus, gpus, host)


def started(made):
    return [(unit.job.label, where.identity) for unit, where in made.start()]


def submit(made, *jobs):
    for each in jobs:
        made.submit(each)


def test_a_timed_case_is_alone_and_is_not_overtaken():
    made = placement(node("a"))
    submit(made, counted("x"), job("t"), counted("y"))
    (first,) = made.start()
    assert first[0].job.label == "x"  # y waits behind t, though it would find room
    made.stop(*first)
    assert started(made) == [("t", "a")]
    assert started(made) == []


def test_nodes_that_are_parts_of_one_machine_do_not_time_at_once():
    made = placement(node("a", host="m"), node("b", host="m"), node("c"))
    submit(made, job("t1"), job("t2"), job("t3"), counted("x"))
    assert started(made) == [("t1", "a"), ("t2", "c")]


def test_what_shares_takes_its_cores():
    made = placement(node("a", cpus=3))
    submit(made, counted("x", threads=2), counted("y"), counted("z"))
    assert started(made) == [("x", "a"), ("y", "a")]


def test_every_gpu_has_one_case_and_processors_wait_for_them():
    made = placement(node("a", gpus=2, cpus=8))
    submit(made, *(job(f"g{n}", device="cuda") for n in range(3)), job("t"))
    first = list(made.start())
    assert [unit.job.label for unit, _ in first] == ["g0", "g1"]
    made.stop(*first[0])
    assert started(made) == [("g2", "a")]


def test_a_case_for_a_gpu_waits_for_a_node_that_has_one():
    made = placement(node("a"))
    submit(made, job("g", device="cuda"), job("t"))
    assert started(made) == [("t", "a")]
    assert [unit.job.label for unit in made.homeless()] == ["g"]
    unit, why = made.stuck()
    assert unit.job.label == "g"
    assert why == "no node of the cluster has a GPU for 'g' and 0 more"


def test_a_comparison_stays_on_the_kind_of_machine_that_most_nodes_are():
    made = placement(node("a", "old"), node("b", "new"), node("c", "new"))
    submit(made, job("t1"), job("t2"), job("t3"), job("other", suite="o"))
    assert {where for _, where in started(made)} == {"b", "c"}
    del made.nodes["b"], made.nodes["c"]
    assert [unit.job.label for unit in made.homeless()] == ["t3"]
    assert started(made) == [("other", "a")]  # another table
    assert "no node is of the kind of machine" in made.stuck()[1]
    made.nodes.clear()
    assert "no node with a core" in made.stuck()[1]


def test_machines_are_mixed_when_that_is_asked():
    made = placement(node("a", "old"), node("b", "new"), mix=True)
    submit(made, job("t1"), job("t2"))
    assert {where for _, where in started(made)} == {"a", "b"}


def test_a_case_is_held_to_the_machine_of_the_rows_beside_it_unless_it_only_counts():
    made = placement(node("a", "old"), node("b", "new"), node("c", "new"))
    held = replace(job("t"), machine="old")
    submit(made, held, replace(counted("x"), machine="gone"))
    assert started(made)[0] == ("t", "a")
    assert made.waiting == 0


def test_the_processes_of_a_case_that_sample_in_turns_go_together():
    turns = Timing("fixed", samples=3, turns=True)
    made = placement(node("a"))
    ring = [job("t", timing=turns, replicate=n) for n in (1, 2, 3)]
    submit(made, ring[0], job("u"), *ring[1:])
    ((unit, _),) = made.start()
    assert unit.jobs == ring


def test_what_was_lost_begins_first_again():
    made = placement(node("a"))
    submit(made, job("t1"), job("t2"))
    ((unit, where),) = made.start()
    made.stop(unit, where)
    made.again(unit)
    assert started(made) == [("t1", "a")]


@settings(max_examples=30)
@given(
    st.lists(st.sampled_from(["timed", "counted", "gpu", "gpu counted"]), max_size=14),
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2), st.integers(0, 1)), min_size=1,
             max_size=4),
    st.data(),
)  # fmt: skip
def test_everything_runs_once_and_never_beside_what_it_must_not(kinds, machines, data):
    made = placement(
        *(node(f"n{n}", cpus=cpus, gpus=gpus, host=f"h{host}")
          for n, (cpus, gpus, host) in enumerate(machines))
    )  # fmt: skip
    for n, kind in enumerate(kinds):
        device = "cuda" if "gpu" in kind else "cpu"
        metrics = ("params",) if "counted" in kind else ("latency",)
        submit(made, job(f"{kind} {n}", metrics, device))
    running, ran = [], []
    while made.waiting or running:
        begun = list(made.start())
        running += begun
        ran += [unit.job.label for unit, _ in begun]
        for unit, where in running:
            beside = [u for u, w in running if w.host == where.host and u is not unit]
            if unit.timed and not unit.cuda:
                assert beside == []
            if unit.timed:
                assert all(u.timed for u in beside)
            assert sum(u.cuda for u, w in running if w is where) <= where.gpus
        if not running:
            break
        made.stop(*running.pop(data.draw(st.integers(0, len(running) - 1))))
    able = any(gpus for _, gpus, _ in machines)
    expected = [f"{kind} {n}" for n, kind in enumerate(kinds) if able or "gpu" not in kind]
    assert sorted(ran) == sorted(expected)


def test_ten_thousand_cases_are_placed_in_order_in_time_that_grows_with_their_number():
    made = placement(*(node(f"n{n}") for n in range(4)))
    looked = []
    kept = ClusterNode.could
    ClusterNode.could = lambda self, unit: looked.append(1) or kept(self, unit)
    try:
        submit(made, *(job(f"t{n}") for n in range(10_000)))
        order = []
        while made.waiting:
            for unit, where in list(made.start()):
                order.append(unit.job.label)
                made.stop(unit, where)
    finally:
        ClusterNode.could = kept
    assert order == [f"t{n}" for n in range(10_000)]
    assert len(looked) < 20 * 10_000


@pytest.mark.parametrize(("cpus", "threads"), [(1, 8), (2, 3)])
def test_a_case_with_more_threads_than_a_node_has_cores_runs_there_alone(cpus, threads):
    made = placement(node("a", cpus=cpus))
    submit(made, counted("x", threads=threads), counted("y"))
    assert started(made) == [("x", "a")]
