"""Processes of one case that sample in turns: which they are, and that the engine runs them so."""

from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest

from harness.case import Case, Job, Timing
from harness.engines.engine import Finished, next_ring, with_turns
from harness.engines.local import LocalEngine

TURNS = Timing("fixed", samples=20, turns=True)


def job(label, replicate=1, metrics=("params", "latency"), timing=TURNS, **changes):
    case = Case("self_attention", {}, ((1, 8, 6, 6),), **changes)
    return Job("s", label, case, metrics, 120.0, timing=timing, replicate=replicate, threads=1)


def test_the_processes_of_a_case_are_taken_together():
    first, second, other = job("a"), job("a", 2), job("b")
    queue = deque([first, other, second])
    assert next_ring(queue) == [first, second]
    assert list(queue) == [other]


@pytest.mark.parametrize(
    "changes",
    [
        {"timing": Timing("fixed", samples=20)},
        {"metrics": ("latency", "accuracy")},
        {"device": "cuda"},
    ],
)
def test_what_samples_alone_is_taken_alone(changes):
    first, second = job("a", **changes), job("a", 2, **changes)
    queue = deque([first, second])
    assert next_ring(queue) == [first]
    assert list(queue) == [second]


def test_one_process_has_nobody_to_take_turns_with(tmp_path):
    assert with_turns([job("a")], tmp_path / "ring") == [job("a")]
    assert not (tmp_path / "ring").exists()


def test_the_engine_runs_them_together_and_leaves_no_files():
    engine = LocalEngine()
    for replicate in (1, 2, 3):
        engine.submit(job("a", replicate))
    engine.submit(job("b"))
    done = [event for event in engine.events() if isinstance(event, Finished)]
    assert [event.outcome.status for event in done] == ["ok"] * 4
    turns = [event.job.turn for event in done if event.job.label == "a"]
    assert {turn.member for turn in turns} == {0, 1, 2}
    folders = {Path(turn.folder) for turn in turns}
    assert len(folders) == 1
    assert not folders.pop().parent.exists()
    for event in done:
        values = event.outcome.values
        assert len(values["latency_samples_seconds"]) == 20
        alone = event.job.turn is None
        assert any("no turns" in warning for warning in event.outcome.warnings) == alone


def test_a_process_that_fails_does_not_hold_up_the_others(sabotage_file):
    """It ends in its first pass, with the turn in its hand."""
    bad = Case("sabotage:Exits", {}, ((1, 8, 6, 6),))
    ring = [job("a", number, metrics=("latency",)) for number in (1, 2)]
    ring = [replace(each, case=bad, search_path=(str(sabotage_file.parent),)) for each in ring]
    engine = LocalEngine()
    for each in ring:
        engine.submit(each)
    done = [event.outcome for event in engine.events() if isinstance(event, Finished)]
    assert [outcome.status for outcome in done] == ["error", "error"]
