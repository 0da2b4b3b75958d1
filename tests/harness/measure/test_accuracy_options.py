"""What a suite can ask of accuracies beyond one training judged once."""

import pytest
import torch

from harness.measure import function_of
from harness.messages import HarnessError
from harness.suite.document import SuiteError
from harness.suite.loader import load
from harness.training.checkpoint import CHECKPOINTS_VARIABLE

RECIPE = """
recipe: tiny
network: {backbone: small, backbone_arguments: {width: 8}, auxiliary: false}
data: {name: scenes, root: ROOT, size: 48, context: scene, train: 6, val: 3}
steps: 12
batch: 2
optimizer: {learning_rate: 0.1}
"""
SUITE = """
suite: tiny
input: [1, 8, 12, 12]
device: cpu
threads: 1
measure: [accuracy]
recipe: tiny
evaluation: {boundary: []}
cases:
"""
REGIONS = "module: region_attention, with: {channels: 8, out_channels: 8, end_points: true}"
PRIOR = "module: context_prior, with: {out_channels: 8, context_channels: 8, kernel_size: 3}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("options")
    (made / "recipes").mkdir()
    (made / "recipes" / "tiny.yaml").write_text(RECIPE.replace("ROOT", str(made / "data")))
    return made


@pytest.fixture
def jobs(folder, monkeypatch):
    monkeypatch.setenv(CHECKPOINTS_VARIABLE, str(folder / "checkpoints"))

    def made(*cases, suite=SUITE):
        file = folder / "tiny.yaml"
        file.write_text(suite + "".join(f"  - {case}\n" for case in cases))
        return load(file).all_jobs()

    return made


def measured(job):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return function_of("accuracy")(job)
    finally:
        torch.set_num_threads(threads)


def test_changes_of_the_recipe_train_anew_and_are_named(jobs):
    plain, unary, shorter = (
        measured(job)
        for job in jobs(
            f"{{label: a, {PRIOR}}}",
            f"{{label: b, {PRIOR}, recipe_changes: {{loss: {{affinity_global: 0}}}}}}",
            f"{{label: c, {PRIOR}, recipe_changes: {{steps: 5}}}}",
        )
    )
    assert len({values["train_keys"][0] for values in (plain, unary, shorter)}) == 3
    assert [plain["recipe"], unary["recipe"], shorter["recipe"]] == [
        "tiny", "tiny with loss.affinity_global 0", "tiny with steps 5",
    ]  # fmt: skip
    assert (plain["train_steps"], shorter["train_steps"]) == (12, 5)
    # Precision, recall and specificity on top of the binary cross entropy.
    assert plain["train_loss"] > unary["train_loss"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("{loss: {afinity: 0}}", r"tiny.yaml:10:.*recipe_changes.loss.afinity: unknown key"),
        ("{steps: many}", "recipe_changes.steps"),
        ("{epochs: 2, optimizer: {learning_rate: -1}}", "learning_rate"),
    ],
)
def test_a_wrong_change_is_shown_in_its_place(jobs, changes, message):
    with pytest.raises(SuiteError, match=message):
        jobs(f"{{label: a, {PRIOR}, recipe_changes: {changes}}}")


def test_the_coarse_segmentation_is_judged_from_the_same_training(jobs):
    coarse = "evaluation: {segmentation: coarse}"
    longer = "recipe_changes: {steps: 40}"  # untrained networks see ground alone
    first, second, without = jobs(
        f"{{label: fine, {REGIONS}, {longer}}}",
        f"{{label: coarse, {REGIONS}, {longer}, {coarse}}}",
        f"{{label: none, module: ppm, with: {{out_channels: 8}}, {coarse}}}",
    )
    fine, rough = measured(first), measured(second)
    assert fine["train_keys"] == rough["train_keys"]
    assert fine["class_iou"] != rough["class_iou"]
    with pytest.raises(HarnessError, match="PyramidPooling makes no coarse segmentation; remove"):
        measured(without)


def test_random_pruning_drops_the_same_in_every_run(jobs):
    case = (
        "{label: ORDER, module: graph_guided, recipe_changes: {steps: 120}, with: {heads: [FULL], "
        "concatenate: true, prune_rate: 0.9, prune_order: ORDER}}"
    )
    random, affinity = jobs(*(case.replace("ORDER", order) for order in ("random", "affinity")))
    first = measured(random)
    torch.rand(3)  # another state of the process
    again = measured(random)
    names = ("miou", "pixel_acc", "class_iou")
    assert [again[name] for name in names] == [first[name] for name in names]
    assert measured(affinity)["miou"] != first["miou"]


def test_the_ceiling_is_that_of_the_network_s_view(jobs):
    near, far = (
        measured(job)
        for job in jobs(
            "{label: a, module: fcn, with: {channels: 8, out_channels: 8}}",
            "{label: b, module: ppm, with: {out_channels: 8}}",
        )
    )
    assert (near["reach_pixels"], far["reach_pixels"]) == (19, 47)
    assert near["miou_ceiling"] < far["miou_ceiling"] == 1.0
    assert near["train_seeds"] == [0]
    assert (near["data"], len(near["data_version"])) == ("scenes", 16)
    assert near["context"] == "scene"
