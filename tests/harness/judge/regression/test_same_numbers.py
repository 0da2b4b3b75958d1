"""The gate's figures stay what they were: p values, intervals, verdicts, figures of a self-test.

Run this file as a script to write `data/gate_numbers.json` anew, after a change that is meant.
"""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from test_gate import KEYS, Machine
from test_selftest import tried

KEPT = Path(__file__).parent / "data" / "gate_numbers.json"
MACHINES = {
    "quiet": ({"effects": {"C": 0.1}, "noise": 0.005}, {}),
    "usual": ({"effects": {"A": -0.2, "B": 0.03}, "noise": 0.02, "seed": 3}, {}),
    "loud": ({"effects": {"D": 0.9}, "noise": 0.15}, {"looks": 2}),
    "spent": ({"noise": 0.05, "broken": {("b", "E")}}, {"budget": 90.0}),
    "drifting": ({"drift": 0.01, "noise": 0.005, "seed": 2}, {"looks": 3}),
}


def figures():
    """Plain data of every case of every machine, and of a self-test."""
    made = {}
    for name, (machine, settings) in MACHINES.items():
        found = Machine(**machine).gate(KEYS, **settings)
        comparisons = {key.label: asdict(each) for key, each in found.comparisons.items()}
        made[name] = {"floor": found.floor, "looks": found.looks, "cases": comparisons}
    tries = tried(["even modes 10 %", "normal 3 %"], 4).noises
    return {"gates": made, "self-test": [asdict(each) for each in tries]}


def close(found, kept):
    """Equal but for rounding: numbers within 1e-12."""
    if isinstance(kept, dict):
        return found.keys() == kept.keys() and all(close(found[k], kept[k]) for k in kept)
    if isinstance(kept, list):
        return len(found) == len(kept) and all(map(close, found, kept))
    if isinstance(kept, float):
        return found == pytest.approx(kept, rel=1e-12, abs=1e-12)
    return found == kept


def test_the_figures_are_the_same():
    found, kept = json.loads(json.dumps(figures())), json.loads(KEPT.read_text(encoding="utf-8"))
    assert found["self-test"] == kept["self-test"]
    verdicts = {
        each["verdict"] for gate in kept["gates"].values() for each in gate["cases"].values()
    }
    assert verdicts == {"slower", "faster", "same", "unclear", "failed"}
    for name, gate in kept["gates"].items():
        assert close(found["gates"][name], gate), name


if __name__ == "__main__":
    KEPT.write_text(json.dumps(figures(), indent=1) + "\n", encoding="utf-8")
