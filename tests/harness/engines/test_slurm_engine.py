"""The Slurm engine on a cluster of processes: ends, losses, refusals, kinds of machines, orphans.

Nodes here keep the engine's protocol without PyTorch; the contract tests run real cases.
"""

import os
import platform
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from fake_slurm import Cluster
from harness_user import MINI, ROOT
from slurm_lab import has_setarch, wait_until

from harness.case import Case, Job
from harness.engines.engine import (
    MOST_LOSSES,
    EngineError,
    Finished,
    Measuring,
    Started,
    Waiting,
    make_engine,
)
from harness.engines.slurm.engine import SlurmEngine
from harness.engines.slurm.scheduler import parse_options

pytest.importorskip("submitit")


QUICK = Path(__file__).with_name("quick_node.py")


class Site:
    """A cluster, and engines that use it from a folder of their own."""

    def __init__(self, folder, **options):
        self.folder, self.log = folder, folder / "ran.log"
        self.cluster = Cluster(folder / "cluster", **options).start()
        self.options = {
            "folder": str(folder / "shared"), "poll": "0.25",
            "python": f"{sys.executable} {QUICK}",
        }  # fmt: skip

    def engine(self, settle=0.1, **options):
        return SlurmEngine(parse_options(self.options | options), settle=settle)

    @property
    def ran(self):
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Makes a site; Slurm's commands are on PATH as long as the test runs."""
    made = []

    def make(**options):
        made.append(Site(tmp_path, **options))
        path = made[0].cluster.root / "bin"
        monkeypatch.setenv("PATH", f"{path}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("QUICK_NODE_LOG", str(made[0].log))
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        return made[0]

    yield make
    for each in made:
        each.cluster.stop()


def job(label, metrics=("latency",), **changes):
    case = Case("se", {}, ((1, 8, 4, 4),), device=changes.pop("device", "cpu"))
    return Job("mini", label, case, metrics, changes.pop("timeout", 60.0), **changes)


def run(engine, jobs, meanwhile=lambda event: None):
    """All events, and the outcomes by label; each job ends once."""
    for each in jobs:
        engine.submit(each)
    events, outcomes = [], {}
    for event in engine.events():
        events.append(event)
        if isinstance(event, Finished):
            assert event.job.label not in outcomes
            outcomes[event.job.label] = event.outcome
        meanwhile(event)
    assert set(outcomes) == {each.label for each in jobs}
    return events, outcomes


def test_each_end_has_its_status(site):
    """What Slurm ends, in five ways at once, each on a node of its own."""
    here = site(nodes={f"n{n}": [] for n in range(1, 7)})
    cluster, measuring = here.cluster, set()

    def meanwhile(event):
        if isinstance(event, Measuring):
            measuring.add(event.job.label)
        if len(measuring) == 6 and not hasattr(here, "done"):
            here.done = True
            where = dict(line.split(" ") for line in here.ran)
            cluster.end("TIMEOUT", where["hang-t"])
            cluster.end("OUT_OF_MEMORY", where["hang-m"])
            cluster.end("DEADLINE", where["hang-d"])
            (task,) = (t for t in cluster.tasks if t.node == where["hang-c"])
            subprocess.run(["scancel", task.number], check=True)
            (task,) = (t for t in cluster.tasks if t.node == where["hang-k"])
            os.killpg(task.process.pid, signal.SIGKILL)

    labels = ("hang-t", "hang-m", "hang-d", "hang-c", "hang-k", "crash")
    jobs = [job(label) for label in labels]
    _, outcomes = run(here.engine(mem="8G", time="30"), jobs, meanwhile)
    found = {label: (o.status, o.cause) for label, o in outcomes.items()}
    limit = "ended by Slurm at the time limit of 30 min"
    expected = {
        "hang-t": ("timeout", limit),
        "hang-d": ("timeout", limit),
        "hang-m": ("oom", "ended by Slurm at the memory limit (mem=8G)"),
        "hang-c": ("killed", "cancelled in Slurm"),
        "hang-k": ("killed", "the task was killed by signal 9"),
        "crash": ("error", "the task ended with exit code 7"),
    }
    for label, (status, cause) in expected.items():
        place = outcomes[label].place
        assert place.machine_key == platform.machine()
        assert found[label][0] == status, found
        assert found[label][1].startswith(f"{cause} on node {place.node}"), found
        assert found[label][1].partition(", in metric params")[1]
    assert "Segmentation fault; see " in found["crash"][1]


def test_a_lost_node_costs_its_cases_a_second_attempt_and_they_say_so(site):
    here = site(nodes={"n1": [], "n2": [], "n3": []})
    lost = []

    def meanwhile(event):
        label = event.job.label
        if isinstance(event, Measuring) and label.startswith("once") and label not in lost:
            lost.append(event.job.label)
            node = here.ran[-1].split(" ")[1]
            state = "PREEMPTED" if event.job.label == "once-p" else "NODE_FAIL"
            wait_until(lambda: here.cluster.end(state, node))

    # One task of three cases, the first of which is under way when its node goes.
    jobs = [job("once-n"), job("ok-1"), job("ok-2")]
    events, outcomes = run(here.engine(per_task="3"), jobs, meanwhile)
    assert {o.status for o in outcomes.values()} == {"ok"}
    assert outcomes["once-n"].warnings == ("placed again after: node failure on node n1",)
    assert outcomes["ok-1"].warnings == outcomes["ok-2"].warnings == ()  # they had not begun
    kinds = [type(event) for event in events if event.job.label == "once-n"]
    assert kinds == [Started, Measuring, Waiting, Started, Measuring, Finished]

    _, outcomes = run(here.engine(), [job("once-p")], meanwhile)
    assert "preempted by Slurm" in outcomes["once-p"].warnings[0]


def test_a_case_that_loses_every_node_ends(site):
    here = site(nodes={"n1": []})

    def meanwhile(event):
        if isinstance(event, Measuring):
            wait_until(lambda: here.cluster.end("NODE_FAIL"))

    _, outcomes = run(here.engine(), [job("hang")], meanwhile)
    assert outcomes["hang"].status == "killed"
    assert outcomes["hang"].cause.startswith(
        f"its node was lost {MOST_LOSSES} times, at last: node failure"
    )
    assert len(here.ran) == MOST_LOSSES


def test_the_time_limit_ends_the_first_case_of_a_task_and_the_next_gets_its_own(site):
    """Slurm ends the task; of a case that began late in it nobody knows how long it needs."""
    here = site(minute=2.0)
    jobs = [job("hang-a"), job("ok-b"), job("ok-c")]
    _, outcomes = run(here.engine(per_task="3", time="1"), jobs)
    assert {label: o.status for label, o in outcomes.items()} == {
        "hang-a": "timeout", "ok-b": "ok", "ok-c": "ok",
    }  # fmt: skip
    assert [line.split(" ")[0] for line in here.ran] == ["hang-a", "ok-b", "ok-c"]


def test_a_task_that_cannot_begin_is_an_error_with_its_last_words(site):
    """Python or a package is missing on the node: trying again would change nothing."""
    here = site()
    _, outcomes = run(here.engine(per_task="2"), [job("early"), job("ok")])
    for outcome in outcomes.values():
        assert outcome.status == "error"
        assert "exit code 1" in outcome.cause
        assert "No module named 'torch'; see " in outcome.cause
    log = Path(outcomes["ok"].cause.partition("see ")[2])
    assert log.is_file()  # kept, since somebody has to read it


def test_what_is_cancelled_in_the_queue_ends_too(site):
    here = site()

    def meanwhile(event):
        if isinstance(event, Measuring):
            subprocess.run(["scancel", here.cluster.tasks[0].number.partition("_")[0]], check=True)

    _, outcomes = run(here.engine(), [job("hang"), job("ok")], meanwhile)
    assert [o.status for o in outcomes.values()] == ["killed", "killed"]
    assert outcomes["ok"].cause == "cancelled in Slurm"


@pytest.mark.parametrize("accounting", [True, False])
def test_a_task_that_the_queue_has_forgotten(site, accounting):
    """The accounting still knows; where a site keeps none, its end alone is certain."""
    here = site()
    if not accounting:
        (here.cluster.root / "no-accounting").touch()

    def meanwhile(event):
        if isinstance(event, Measuring):
            with here.cluster.lock:
                here.cluster.end("OUT_OF_MEMORY")
                here.cluster.forget()

    _, outcomes = run(here.engine(), [job("hang")], meanwhile)
    assert outcomes["hang"].status == ("oom" if accounting else "error")
    assert ("Slurm no longer knows" in outcomes["hang"].cause) != accounting


def test_a_controller_that_does_not_answer_is_waited_for(site):
    here = site()
    down = here.cluster.root / "down"

    def meanwhile(event):
        if isinstance(event, Started) and event.job.label == "ok-1":
            down.touch()
        if isinstance(event, Finished) and event.job.label == "ok-2":
            down.unlink()

    jobs = [job("ok-1"), job("ok-2"), job("hang")]

    def end(event):
        meanwhile(event)
        if isinstance(event, Measuring) and event.job.label == "hang":
            here.cluster.end("TIMEOUT")

    _, outcomes = run(here.engine(per_task="3"), jobs, end)
    assert [o.status for o in outcomes.values()] == ["ok", "ok", "timeout"]


def test_what_slurm_refuses_is_one_line(site):
    here = site()
    here.cluster.refuse(
        "--partition=nope", "Batch job submission failed: Invalid partition name specified"
    )
    engine = here.engine(partition="nope")
    engine.submit(job("ok"))
    with pytest.raises(EngineError) as error:
        list(engine.events())
    assert str(error.value) == (
        "Slurm refuses: Batch job submission failed: Invalid partition name specified"
    )
    assert list((here.folder / "shared").iterdir()) == []


def test_what_is_refused_while_others_run_is_handed_in_again(site):
    """A limit on the number of a user's jobs, say."""
    here = site()
    refusal = here.cluster.root / "refuse"
    here.cluster.refuse("--time=25", "Job violates accounting/QOS policy")
    told = []

    def meanwhile(event):
        if isinstance(event, Waiting):
            told.append(event.cause)
        if isinstance(event, Finished):
            refusal.unlink(missing_ok=True)

    jobs = [job("ok-1"), job("ok-2", timeout=1200.0)]
    _, outcomes = run(here.engine(), jobs, meanwhile)
    assert {o.status for o in outcomes.values()} == {"ok"}
    assert told.count("Slurm refuses: Job violates accounting/QOS policy") == 1


def test_without_slurm_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    engine = SlurmEngine(parse_options({"folder": str(tmp_path / "shared")}))
    engine.submit(job("ok"))
    with pytest.raises(EngineError, match="no Slurm on this machine: srun is not found"):
        list(engine.events())


@pytest.mark.skipif(not has_setarch(), reason="no setarch: one machine cannot look like two")
def test_timed_cases_of_a_table_stay_on_one_kind_of_machine(site):
    here = site(nodes={"n1": [], "n2": ["setarch", "i686"]})
    jobs = [job(f"ok-{n}") for n in range(4)]
    events, outcomes = run(here.engine(), jobs)
    assert len({o.place.machine_key for o in outcomes.values()}) == 1
    assert len(here.ran) == 4
    sent = [event.cause for event in events if isinstance(event, Waiting)]
    assert any("is of another kind than the table's other rows" in cause for cause in sent)
    assert any("--exclude=" in script for script in here.cluster.scripts())
    # Counts are the same everywhere, so they take what is free; so do times, if that is asked for.
    others = [job("ok-c1", ("params",)), job("ok-c2", ("params",)), job("ok-d1"), job("ok-d2")]
    _, outcomes = run(here.engine(per_task="1", mix_machines="yes"), others)
    for pair in "cd":
        kinds = {
            o.place.machine_key for name, o in outcomes.items() if name.startswith(f"ok-{pair}")
        }
        assert len(kinds) == 2


@pytest.mark.skipif(not has_setarch(), reason="no setarch: one machine cannot look like two")
def test_a_run_that_goes_on_stays_on_its_kind_of_machine(site):
    here = site(nodes={"n1": [], "n2": ["setarch", "i686"]})
    jobs = [job(f"ok-{n}", machine="i686") for n in range(3)]
    _, outcomes = run(here.engine(), jobs)
    assert {o.place.node for o in outcomes.values()} == {"n2"}


DRIVER = """
    import pathlib, sys
    sys.path[:0] = [{tests!r}, {here!r}]
    from test_slurm_engine import job
    from harness.engines.slurm.engine import SlurmEngine
    from harness.engines.slurm.scheduler import parse_options

    engine = SlurmEngine(parse_options({options!r}), settle=0.2)
    for n in range(4):
        engine.submit(job(f"ok-{{n}}"))
    engine.submit(job("once-last"))
    for event in engine.events():
        print(type(event).__name__, event.job.label, flush=True)
"""


def test_tasks_of_an_engine_that_was_killed_are_followed_and_nothing_runs_twice(site):
    here = site()
    text = DRIVER.format(
        tests=str(QUICK.parent.parent), here=str(QUICK.parent), options=here.options | {"time": "9"}
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text)], stdout=subprocess.PIPE, text=True
    )
    told = []
    for line in driver.stdout:
        told.append(line.split())
        if told[-1] == ["Finished", "ok-1"]:
            driver.kill()
            break
    driver.wait()
    driver.stdout.close()

    finished = [label for kind, label in told if kind == "Finished"]
    left = [f"ok-{n}" for n in range(4) if f"ok-{n}" not in finished]
    # Somebody's own folder beside those of runs; nobody's to take up, and to remove even less.
    theirs = here.folder / "shared" / "thesis" / "tasks.jsonl"
    theirs.parent.mkdir()
    theirs.write_text("chapter 1")
    # A run that begins anew measures anew; one that goes on does not.
    engine = here.engine(time="9")
    engine.take_up()

    lost = []

    def meanwhile(event):
        if isinstance(event, Measuring) and event.job.label == "once-last" and not lost:
            lost.extend(here.cluster.end("NODE_FAIL"))  # the second time it may still be running

    _, outcomes = run(engine, [*map(job, left), job("once-last")], meanwhile)
    assert {o.status for o in outcomes.values()} == {"ok"}
    counts = Counter(line.split(" ")[0] for line in here.ran)
    assert counts == dict.fromkeys([f"ok-{n}" for n in range(4)], 1) | {"once-last": 2}
    assert list((here.folder / "shared").glob("*/tasks.jsonl")) == [theirs]
    assert [path.name for path in theirs.parent.iterdir()] == ["tasks.jsonl"]


def test_an_engine_that_lives_keeps_its_tasks(site):
    here = site()
    first = here.engine()
    first.submit(job("hang"))
    events = first.events()
    assert isinstance(next(e for e in events if not isinstance(e, Waiting)), Started)
    second = here.engine()
    second.take_up()
    second.submit(job("hang"))  # the same case in a run of its own
    waiting = second.events()
    assert isinstance(next(waiting), Waiting)  # in the queue: the only node is taken
    assert len(here.cluster.tasks) == 2
    second.cancel()
    first.cancel()
    assert list(waiting) == list(events) == []
    wait_until(lambda: all(task.is_over for task in here.cluster.tasks))
    assert [line.split(" ")[0] for line in here.ran] == ["hang"]


def test_the_command_line_runs_a_suite_on_the_cluster(site, user):
    here = site(nodes={"n1": [], "n2": []})
    user.write("mini.yaml", MINI)
    given = [f"--engine-option={name}={value}" for name, value in here.options.items()]
    user.environment |= {"PATH": os.environ["PATH"], "QUICK_NODE_LOG": str(here.log)}
    done = user.run("run", "mini.yaml", "--engine", "slurm", *given, "--engine-option=per_task=2")
    assert done.returncode == 0, done.stderr
    assert {r["label"]: r["node"] in ("n1", "n2") for r in user.records()} == dict.fromkeys(
        "ABC", True
    )
    assert len(here.cluster.tasks) == 2
    again = user.run("run", "mini.yaml", "--engine", "slurm", *given, "--resume")
    assert again.returncode == 0, again.stderr
    assert len(here.cluster.tasks) == 2  # nothing was left to measure


def test_an_unknown_option_is_named_with_those_that_there_are():
    with pytest.raises(EngineError, match=r"partitoin: engine slurm has no such option; it has p"):
        make_engine("slurm", {"partitoin": "gpu"})
    with pytest.raises(EngineError, match=r"time=soon: write minutes"):
        make_engine("slurm", {"time": "soon"})
