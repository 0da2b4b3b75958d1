"""The suite of docs/guides/real-images.md, a few steps of it on each data set in miniature."""

import json
import pickle
import re

import pytest
import torch
from harness_user import ROOT, User
from miniatures import MINIATURES

from harness.suite.loader import load
from harness.training.accuracy import AccuracyError, training_plan
from harness.training.data.dataset import open_data

GUIDE = (ROOT / "docs/guides/real-images.md").read_text()
(SUITE,) = re.findall(r'```yaml title="real.yaml"\n(.*?)```', GUIDE, re.DOTALL)
# Few steps, a small backbone and small crops; all else is the paper's.
SHORTENED = """
recipe_changes:
  steps: 3
  batch: 2
  network: {backbone: small, backbone_arguments: {width: 16}, width: 32}
  augmentation: {crop: [33, 41]}
evaluation: {flip: true, boundary: [1]}
threads: 1
device: cpu
"""
# What the miniatures hold beside void.
SEEN = {
    "cityscapes": "road sidewalk building vegetation sky person car bicycle",
    "ade20k": "wall building sky floor road person flag",
    "pascal_context": "aeroplane bag computer person wood",
    "coco_stuff": "person car chair banner grass sky-other wood",
    "camvid": "sky building road pavement tree car bicyclist",
    "lip": "background hair upper-clothes pants face",
}
CLASSES = {"cityscapes": 19, "ade20k": 150, "pascal_context": 59, "coco_stuff": 171, "camvid": 11,
           "lip": 20}  # fmt: skip
SIDES = {f"{side} {part}" for side in ("left", "right") for part in ("arm", "leg", "shoe")}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The rows of `harness run` on a folder that has all of them, by data set."""
    folder = tmp_path_factory.mktemp("real")
    for name, make in MINIATURES.items():
        make(folder / "data" / name)
    user = User(folder)
    user.environment["HARNESS_CHECKPOINTS"] = str(folder / "checkpoints")
    user.write("real.yaml", SUITE.replace("params, flops, accuracy", "accuracy") + SHORTENED)
    done = user.call("run", "real.yaml", "--data-root", "data", "--json")
    assert done.returncode == 0, done.stderr
    return {row["label"]: row for row in json.loads(done.stdout)}


@pytest.mark.slow
@pytest.mark.parametrize("name", MINIATURES)
def test_a_data_set_is_trained_on_and_judged_by_the_command_of_the_guide(trained, name):
    row = trained[name]
    assert (row["status"], row["data"], row["train_steps"]) == ("ok", name, 3)
    assert len(row["class_iou"]) == CLASSES[name]
    judged = {each for each, iou in row["class_iou"].items() if iou is not None}
    assert judged >= set(SEEN[name].split())
    # Beside these only what was predicted, of which nothing is right.
    beside = judged - set(SEEN[name].split()) - (SIDES if name == "lip" else set())
    assert all(row["class_iou"][each] == 0 for each in beside)
    assert 0 < row["train_loss"] < 20


def test_the_guide_has_every_data_set_and_a_command_for_each():
    assert re.findall(r"label: (\w+), data: {name: \1}", SUITE) == list(CLASSES)
    assert re.findall(r"real\.yaml --only (\w+) --data-root", GUIDE) == list(CLASSES)


@pytest.mark.parametrize("name", MINIATURES)
def test_the_processes_that_read_ahead_read_the_same(name, tmp_path):
    MINIATURES[name](tmp_path)
    data = open_data(name, "train", root=tmp_path)
    there = pickle.loads(pickle.dumps(data))
    assert there.version == data.version
    for index in range(len(data)):
        assert torch.equal(there[index].image, data[index].image)
        assert torch.equal(there[index].labels, data[index].labels)


def test_sides_are_not_mirrored_by_a_recipe(tmp_path):
    MINIATURES["lip"](tmp_path / "lip")
    suite = tmp_path / "s.yaml"
    suite.write_text(
        "suite: s\ninput: [1, 64, 9, 9]\nmeasure: [accuracy]\nrecipe: cpnet\n"
        "data: {name: lip, root: .}\ncases: [{label: a, module: se}]\n"
    )
    (job,) = load(suite).all_jobs()
    with pytest.raises(AccuracyError, match=r"lip names left and right.*flip: false"):
        training_plan(job)


def test_a_recipe_drops_arguments_of_its_backbone_for_another_kind_alone(tmp_path):
    cases = "\n".join(
        f"  - {{label: {name}, module: base_oc, recipe_changes: {{network: {{backbone: {name}}}}}}}"
        for name in ("resnet50", "resnet50_v1c", "hrnetv2_w48")
    )
    suite = tmp_path / "s.yaml"
    suite.write_text(
        "suite: s\ninput: [1, 64, 9, 9]\nmeasure: [accuracy]\nrecipe: ocnet\n"
        f"data: {{name: lip}}\ncases:\n{cases}\n"
    )
    kept = {
        job.label: job.accuracy["recipe"]["network"]["backbone_arguments"]
        for job in load(suite).all_jobs()
    }
    own = {"first_dilation": "stage", "ceil_pool": True}
    assert kept == {"resnet50": own, "resnet50_v1c": own, "hrnetv2_w48": {}}
