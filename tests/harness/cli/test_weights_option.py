"""`--weights FILE` in a real process: backbones are filled, and what does not fit is one line."""

import json

import pytest
import torch
from harness_user import User
from safetensors.torch import save_file

from context_modules.resnet import ResNet
from harness import validate
from harness.suite.loader import load
from harness.training.accuracy import training_plan
from harness.training.network import build_network

SUITE = """
suite: backbone
input: [1, 3, 33, 33]
measure: [params, flops, latency]
latency: {criterion: fixed, samples: 1}
cases:
  - {label: alone, module: resnet, with: {depth: 18}}
  - label: whole
    module: segmentor
    with: {backbone: resnet18, backbone_arguments: {stem: 7x7}, output: features}
"""
TINY = """
recipe: tiny
network: {backbone: resnet18, auxiliary: false}
data: {name: scenes, root: ROOT, size: 48, context: scene, train: 2, val: 1}
steps: 2
batch: 2
optimizer: {learning_rate: 0.1}
"""
TRAINED = """
suite: trained
input: [1, 8, 6, 6]
measure: [accuracy]
recipe: tiny
cases: [{label: a, module: se}]
"""


def test_weights_reach_backbones_and_networks_and_counts_stay(tmp_path):
    user = User(tmp_path)
    (tmp_path / "s.yaml").write_text(SUITE)
    state = ResNet(3, depth=18).state_dict()
    save_file(state, tmp_path / "w.safetensors")
    plain = user.call("run", "s.yaml", "--metrics", "params,flops", "--json")
    filled = user.call("run", "s.yaml", "--json", "--weights", "w.safetensors")
    assert filled.returncode == 0, filled.stderr
    for before, after in zip(json.loads(plain.stdout), json.loads(filled.stdout), strict=True):
        assert (before["params"], before["flops"]) == (after["params"], after["flops"])
        assert after["latency_seconds"] > 0
        assert list(after["arguments"].values())[-1].endswith("w.safetensors")


def test_weights_of_another_network_fail_the_case_with_the_reason(tmp_path):
    user = User(tmp_path)
    (tmp_path / "s.yaml").write_text(SUITE)
    torch.save(ResNet(3, depth=34).state_dict(), tmp_path / "w.pth")
    done = user.call("run", "s.yaml", "--json", "--only", "alone", "--weights", "w.pth")
    row = json.loads(done.stdout)[0]
    assert done.returncode == 1
    assert row["status"] == "error"
    assert "does not fit the network" in row["cause"]


def test_weights_reach_the_network_of_a_recipe_and_count_in_its_training(tmp_path):
    user = User(tmp_path)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "tiny.yaml").write_text(TINY.replace("ROOT", str(tmp_path / "data")))
    suite = user.write("t.yaml", TRAINED)
    torch.save(ResNet(3, depth=18, stem="3x3").state_dict(), tmp_path / "w.pth")
    (plain,) = load(suite).all_jobs()
    (filled,) = validate(suite, weights=tmp_path / "w.pth").all_jobs()
    assert plain.accuracy["recipe"]["network"]["backbone_weights"] is None
    assert filled.accuracy["recipe"]["network"]["backbone_weights"] == str(tmp_path / "w.pth")
    told = [training_plan(job) for job in (plain, filled)]
    plain, filled = (plan.description(build_network(plan.network, 0), 0) for plan in told)
    assert {name for name in filled if filled[name] != plain.get(name)} == {
        "weights", "weights_names",
    }  # fmt: skip


@pytest.mark.parametrize(("given", "found"), [("../w.pth", "w.pth"), ("w.pth", "suites/w.pth")])
def test_a_path_that_a_suite_gives_to_its_recipe_is_taken_from_the_suites_folder(
    given, found, tmp_path
):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "tiny.yaml").write_text(TINY)
    (tmp_path / "suites").mkdir()
    user = User(tmp_path / "suites")
    changes = f"recipe_changes: {{network: {{backbone_weights: {given}}}}}\ncases:"
    (job,) = load(user.write("t.yaml", TRAINED.replace("cases:", changes))).all_jobs()
    assert job.accuracy["recipe"]["network"]["backbone_weights"] == str(tmp_path / found)


def test_a_missing_file_and_a_suite_without_backbone_are_mistakes(tmp_path):
    user = User(tmp_path)
    (tmp_path / "s.yaml").write_text(SUITE)
    missing = user.call("run", "s.yaml", "--weights", "nowhere.pth")
    assert missing.returncode == 2
    assert "nowhere.pth: there is no such file" in missing.stderr
    (tmp_path / "w.pth").write_bytes(b"")
    (tmp_path / "t.yaml").write_text(
        "suite: t\ninput: [1, 8, 6, 6]\nmeasure: [params]\ncases: [{label: a, module: se}]\n"
    )
    useless = user.call("run", "t.yaml", "--weights", "w.pth")
    assert useless.returncode == 2
    assert "no case takes weights" in useless.stderr
