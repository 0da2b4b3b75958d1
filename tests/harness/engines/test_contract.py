"""What every engine keeps: order, exclusivity, failures as outcomes, cancelling, resuming."""

import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness_user import wait_for
from lab import HERE, alive, finished, lines

from harness.case import Case, Job, Timing
from harness.engines.engine import Finished, Measuring, RemoteEngine, Started, Waiting
from harness.runner import execute
from harness.suite.suite import Suite

LONG = 120.0  # seconds for a case that answers, on a busy machine
BRIEF = Timing("fixed", samples=3)
# A process per case costs some 0.1 s of a core; `make benchmark` asks for a thousand.
SMALL_CASES = int(os.environ.get("HARNESS_SMALL_CASES", "10"))
STEPS = {Waiting: 0, Started: 1, Measuring: 2, Finished: 3}


def job(label, act="nothing", metrics=("flops",), folder=None, timeout=LONG, **arguments):
    told = {"act": act, "name": label, **arguments}
    if folder is not None:
        told["folder"] = str(folder)
    case = Case("contract_modules:Acts", told, ((1, 4, 4, 4),))
    return Job(
        "contract", label, case, metrics, timeout, search_path=(str(HERE),), timing=BRIEF, threads=1
    )


def timed(label, folder, **arguments):
    return job(label, "alone", ("latency",), folder, **arguments)


def run(lab, jobs, engine=None):
    engine = engine or lab.engine()
    for each in jobs:
        engine.submit(each)
    return list(engine.events())


ACTS = ("raises", "exits", "dies", "hangs")


@pytest.fixture(scope="module")
def folder(lab, tmp_path_factory):
    """Where the cases of `events` write; one for each engine."""
    return tmp_path_factory.mktemp("contract")


@pytest.fixture(scope="module")
def events(lab, folder):
    """What is told of cases of each kind, all submitted to one engine: a cluster takes long to
    join, and longer to start its processes."""
    jobs = []
    for act in ACTS:
        limit = lab.limit if act == "hangs" else LONG
        jobs += [job(act, act, timeout=limit, folder=folder), job(f"after {act}")]
    jobs += [job(f"case {n}", metrics=("params", "flops")) for n in range(4)]
    for n in range(4):
        jobs += [timed(f"timed {n}", folder, seconds=0.05), job(f"counted {n}")]
    jobs += [job(f"small {n}", metrics=()) for n in range(SMALL_CASES)]
    engine = lab.engine()
    told = run(lab, jobs, engine)
    engine.cancel()
    return jobs, told, run(lab, [job("later")], engine)


@pytest.fixture(scope="module")
def outcomes(events):
    return finished(events[1])


def test_more_can_be_submitted_when_all_have_ended(events):
    """As rounds of seeds do."""
    begun = [type(each) for each in events[2] if not isinstance(each, Waiting)]
    assert begun == [Started, Measuring, Finished]
    assert events[2][-1].outcome.status == "ok"


@pytest.mark.parametrize(
    ("act", "status", "cause"),
    [
        ("raises", "error", "ValueError: on purpose"),
        ("exits", "error", "the worker ended with exit code 3 without an answer, in metric flops"),
        ("dies", "killed", "killed by SIGKILL, in metric flops"),
        ("hangs", "timeout", "no answer within 2 s, in metric flops"),
    ],
)
def test_a_failure_is_one_outcome_and_the_next_case_is_measured(outcomes, act, status, cause):
    assert outcomes[act].status == status
    assert outcomes[act].cause.partition(" (")[0] == cause  # then the line of the file
    assert outcomes[f"after {act}"].status == "ok"
    assert outcomes[f"after {act}"].values["elementwise_ops"] == {"mul": 64}


def test_events_of_a_case_come_in_order_and_it_ends_once(lab, events):
    jobs, told, _ = events
    assert Counter(event.job.label for event in told if isinstance(event, Finished)) == Counter(
        each.label for each in jobs
    )
    for each in jobs:
        own = [event for event in told if event.job.label == each.label]
        assert [STEPS[type(event)] for event in own] == sorted(STEPS[type(e)] for e in own)
        assert [e.metric for e in own if isinstance(e, Measuring)] == list(each.metrics)
        assert own[-1].job == each
    remote = isinstance(lab.engine(), RemoteEngine)
    for event in told:
        if isinstance(event, Finished):
            place = event.outcome.place
            assert (place is not None) == remote
            assert place is None or (place.node and len(place.machine_key) == 12)


def test_timed_cases_start_in_order_and_nothing_runs_beside_them(events, outcomes, folder):
    """The module holds a lock as long as its process lives, and fails where another holds it."""
    expected = [f"timed {n}" for n in range(4)]
    assert [(outcomes[label].status, outcomes[label].cause) for label in expected] == [
        ("ok", None)
    ] * 4
    assert {outcomes[f"counted {n}"].status for n in range(4)} == {"ok"}
    assert [line.rsplit(" ", 2)[0] for line in lines(folder / "timed.log")] == expected
    started = [event.job.label for event in events[1] if isinstance(event, Started)]
    assert [label for label in started if label.startswith("timed")] == expected


def test_cancelling_ends_what_runs_and_forgets_the_rest(lab, tmp_path):
    engine = lab.engine()
    engine.submit(job("hangs", "hangs", folder=tmp_path))
    engine.submit(timed("never", tmp_path))
    seen = []
    for event in engine.events():
        seen.append(event)
        if isinstance(event, Measuring):
            engine.cancel()
    assert not any(isinstance(event, Finished) for event in seen)
    wait_until_gone(lab, tmp_path / "hanging.log")
    engine.cancel()
    assert lines(tmp_path / "timed.log") == []
    assert list(engine.events()) == []


def wait_until_gone(lab, log: Path):
    wait_for(lambda: not any(alive(int(pid)) for pid in lines(log)), lab.patience)


def test_resuming_measures_what_is_left(lab, tmp_path):
    if lab.fate_shared:
        pytest.skip("its driver is killed and resumed below")
    jobs = tuple(timed(f"timed {n}", tmp_path) for n in range(5))
    suite = Suite("contract", "Contract", Path(__file__), jobs)
    ended = []

    def listen(progress):
        if isinstance(progress.event, Finished):
            ended.append(progress.event.job.label)
            if len(ended) == 2:
                raise KeyboardInterrupt

    first = execute(suite, tmp_path / "runs", engine=lab.engine(), listener=listen)
    assert first.interrupted
    assert len(first.records) == 2
    second = execute(suite, tmp_path / "runs", engine=lab.engine(), resume=True)
    assert [(r.label, r.status) for r in second.records] == [(j.label, "ok") for j in jobs]
    kept = second.directory.records()
    assert Counter(record.label for record in kept) == Counter(each.label for each in jobs)
    assert all(record.node for record in kept)
    measured = Counter(line.rsplit(" ", 2)[0] for line in lines(tmp_path / "timed.log"))
    assert all(measured[label] == 1 for label in ended)


LOST = "case that loses its node"


def grid(folder, count, lost=False):
    """Cases of which every fifth is timed; one holds its node until that is lost."""
    jobs = [
        timed(f"case {n}", folder, seconds=0.02)
        if n % 5 == 0
        else job(f"case {n}", "counted", folder=folder)
        for n in range(count)
    ]
    if lost:
        jobs[count // 2 + 1] = job(LOST, "lost_once", folder=folder)
    return tuple(jobs)


def test_a_lost_node_costs_nothing_but_time(lab, tmp_path):
    if lab.nodes < 2:
        pytest.skip("this engine has one machine")
    suite = Suite("contract", "Contract", Path(__file__), grid(tmp_path, 16, lost=True))
    waiting, again = tmp_path / "waiting.log", []

    def lose():
        wait_for(lambda: lines(waiting), LONG)
        lab.lose_node(lines(waiting)[0])

    def listen(progress):
        if isinstance(progress.event, Waiting) and "was lost" in progress.event.cause:
            again.append(progress.event.job.label)

    try:
        with ThreadPoolExecutor() as beside:
            losing = beside.submit(lose)
            done = execute(suite, tmp_path / "runs", engine=lab.engine(), listener=listen)
            losing.result()
    finally:
        lab.heal()
    assert LOST in again
    records = done.directory.records()
    assert Counter(r.label for r in records) == Counter(j.label for j in suite.jobs)
    assert {r.label: r.cause for r in records if r.status != "ok"} == {}
    marked = {r.label for r in records if any("was lost" in each for each in r.warnings)}
    assert marked == set(again)
    assert len({r.node for r in records}) >= 2
    assert len(done.directory.description()["machines"]) == 1


def test_a_killed_driver_is_resumed_and_repeats_nothing(lab, user):
    if not lab.fate_shared:
        pytest.skip("tests of interruption and of Slurm's tasks do that for the other engines")
    count, first = 16, 5
    user.environment |= lab.environment
    user.write("contract_modules.py", (HERE / "contract_modules.py").read_text())
    cases = [
        f"  - {{label: '{each.label}', module: 'contract_modules:Acts', timeout: {LONG:g}, "
        f"with: {{act: {each.case.arguments['act']}, name: '{each.label}', "
        f"folder: '{user.folder}'}}, measure: [{each.metrics[0]}]}}"
        for each in grid(user.folder, count)
    ]
    text = "suite: mini\ninput: [1, 4, 4, 4]\nlatency: {criterion: fixed, samples: 3}\ncases:\n"
    user.write("grid.yaml", text + "\n".join(cases) + "\n")
    driver = user.start("run", "grid.yaml", *lab.arguments)
    wait_for(lambda: user.runs() and len(user.records()) >= first, 240.0)
    driver.kill()
    driver.wait()
    kept = {record["label"] for record in user.records()}
    assert first <= len(kept) < count
    done = user.run("run", "grid.yaml", *lab.arguments, "--resume", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["label"] for row in rows] == [f"case {n}" for n in range(count)]
    assert {row["status"] for row in rows} == {"ok"}
    assert all(row["node"] and row["machine_key"] for row in rows)
    assert Counter(r["label"] for r in user.records()) == Counter(row["label"] for row in rows)
    ran = {tuple(line.rsplit(" ", 1)) for line in lines(user.folder / "counted.log")}
    ran |= {
        (name, pid)
        for name, _, pid in (line.rsplit(" ", 2) for line in lines(user.folder / "timed.log"))
    }
    processes = Counter(name for name, _ in ran)
    assert {name for name in kept if processes[name] != 1} == set()
    assert user.survivors() == []


def test_many_small_cases(outcomes):
    """Jobs without a metric: only the placing, the process and the answer."""
    small = [outcome for label, outcome in outcomes.items() if label.startswith("small")]
    assert len(small) == SMALL_CASES
    assert {outcome.status for outcome in small} == {"ok"}
