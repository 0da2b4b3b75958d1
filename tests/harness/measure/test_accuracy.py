import math
from dataclasses import replace

import pytest
import torch

from harness.case import Case, Job
from harness.measure import function_of
from harness.messages import HarnessError
from harness.suite.document import SuiteError
from harness.suite.loader import load
from harness.suite.suite import Overrides
from harness.training.checkpoint import CHECKPOINTS_VARIABLE

RECIPE = """
recipe: tiny
network: {backbone: small, backbone_arguments: {width: 8}, auxiliary: false}
data: {name: scenes, root: ROOT, size: 48, context: scene, train: 6, val: 3}
steps: 20
batch: 2
optimizer: {learning_rate: 0.1}
test_scales: [0.75, 1.25]
per_data:
  camvid: {batch: 3}
"""

SUITE = """
suite: tiny
input: [1, 8, 12, 12]
device: cpu
threads: 1
measure: [params, accuracy]
recipe: tiny
evaluation: {boundary: [2]}
cases:
"""


@pytest.fixture(autouse=True)
def _folders(tmp_path, monkeypatch):
    monkeypatch.setenv(CHECKPOINTS_VARIABLE, str(tmp_path / "checkpoints"))
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "tiny.yaml").write_text(RECIPE.replace("ROOT", str(tmp_path / "data")))


@pytest.fixture
def jobs(tmp_path):
    def made(*cases, suite=SUITE):
        file = tmp_path / "tiny.yaml"
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


def trainings(tmp_path):
    return sorted(p.parent.name for p in (tmp_path / "checkpoints").glob("*/weights.safetensors"))


PPM = "module: ppm, with: {out_channels: 8}"


def test_a_case_gives_what_tables_need(jobs):
    (job,) = jobs(f"{{label: a, {PPM}}}")
    values = measured(job)
    assert 0 < values["miou"] < 1
    assert 0 < values["pixel_acc"] <= 1
    assert 0 <= values["boundary_f"] <= 1
    assert set(values["class_iou"]) >= {"ground", "texture 1a", "texture 1b"}
    defined = [v for v in values["class_iou"].values() if not math.isnan(v)]
    assert values["miou"] == pytest.approx(sum(defined) / len(defined))
    assert list(values["class_boundary_f"]) == ["2"]
    assert (values["miou_low"], values["miou_high"]) == (None, None)
    assert values["train_steps"] == 20


def test_the_same_case_and_seed_give_the_same_miou_trained_anew(jobs, tmp_path, monkeypatch):
    (job,) = jobs(f"{{label: a, {PPM}}}")
    first = measured(job)
    monkeypatch.setenv(CHECKPOINTS_VARIABLE, str(tmp_path / "elsewhere"))
    again = measured(job)
    assert again["train_keys"] == first["train_keys"]
    same = ("miou", "pixel_acc", "boundary_f", "train_loss")
    assert [again[name] for name in same] == [first[name] for name in same]


def test_cases_that_differ_in_evaluation_share_a_training(jobs, tmp_path):
    recipe = tmp_path / "recipes" / "tiny.yaml"  # longer: untrained networks see ground alone
    recipe.write_text(recipe.read_text().replace("steps: 20", "steps: 120"))
    graph = "module: graph_guided, with: {heads: [FULL], concatenate: true, prune_rate: RATE}"
    made = jobs(
        f"{{label: a, {PPM}}}",
        f"{{label: b, {PPM}, evaluation: {{flip: true}}}}",
        f"{{label: c, {PPM}, evaluation: {{multi_scale: true, crop: [32, 32]}}}}",
        f"{{label: d, {graph.replace('RATE', '0.0')}}}",
        f"{{label: e, {graph.replace('RATE', '0.9')}}}",
    )
    values = [measured(job) for job in made]
    keys = [value["train_keys"] for value in values]
    assert keys[0] == keys[1] == keys[2] != keys[3] == keys[4]
    assert len(trainings(tmp_path)) == 2
    assert [value["train_seconds"] for value in values[:3]] == [values[0]["train_seconds"]] * 3
    # The views and the pruning did act.
    assert len({value["miou"] for value in values[:3]}) == 3
    assert values[3]["miou"] != values[4]["miou"]


def test_what_is_trained_otherwise_is_trained_again(jobs, tmp_path):
    made = jobs(
        f"{{label: a, {PPM}}}",
        "{label: b, module: ppm, with: {out_channels: 4}}",
        f"{{label: c, {PPM}, data: {{name: scenes, root: {tmp_path}/data, size: 48, context: "
        "scene, train: 5, val: 3}}",
        f"{{label: d, {PPM}, seed: 1}}",
    )
    keys = {measured(job)["train_keys"][0] for job in made}
    assert len(keys) == 4


def test_several_seeds_give_a_mean_and_an_interval(jobs):
    single = [measured(job)["miou"] for job in jobs(*_seeded(0, 1, 2))]
    (job,) = jobs(f"{{label: all, {PPM}, evaluation: {{seeds: 3}}}}")
    values = measured(job)
    assert values["miou_seeds"] == single
    assert values["miou"] == pytest.approx(sum(single) / 3)
    assert 0 <= values["miou_low"] < values["miou"] < values["miou_high"] <= 1
    for name, mean in values["class_iou"].items():
        assert mean == pytest.approx(sum(values["class_iou_seeds"][name]) / 3, nan_ok=True)
    assert len(values["class_boundary_f_seeds"]["2"]["ground"]) == 3


def test_what_parts_of_the_network_say_of_their_passes_is_kept_for_each_seed(jobs):
    said = "module: graph_guided, with: {heads: [FULL, GRID_3], prune_keep: 10}"
    (job,) = jobs(f"{{label: all, {said}, evaluation: {{seeds: 2}}}}")
    # A map of 12 x 12 positions; along GRID_3 each has 16 neighbours.
    assert measured(job)["diagnostics"] == {"contexts": [10.0, 10.0]}


def _seeded(*seeds):
    return [f"{{label: s{seed}, {PPM}, seed: {seed}}}" for seed in seeds]


def test_a_whole_network_replaces_the_recipes(jobs):
    (job,) = jobs(
        "{label: n, module: segmentor, with: {backbone_arguments: {width: 4}}}",
        suite=SUITE.replace("[1, 8, 12, 12]", "[1, 3, 48, 48]"),
    )
    assert measured(job)["miou"] > 0


def test_a_module_bound_to_one_size_is_judged_on_crops(jobs):
    prior = (
        "module: context_prior, with: {out_channels: 8, context_channels: 8, kernel_size: 3}, "
        "evaluation: {scales: [1.5]}"
    )
    (job,) = jobs(f"{{label: cp, {prior}}}")
    assert measured(job)["miou"] > 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"accuracy": None}, "recipe"),
        ({"case": Case("ppm", {}, ((1, 8, 12, 12),), dtype="bfloat16")}, "precision"),
        ({"case": Case("ppm", {"no_such": 1}, ((1, 8, 12, 12),))}, "no_such"),
    ],
)
def test_what_cannot_be_trained_says_why(jobs, change, words):
    (job,) = jobs(f"{{label: a, {PPM}}}")
    with pytest.raises(HarnessError, match=words):
        measured(replace(job, **change))


@pytest.mark.parametrize(
    ("line", "where", "words"),
    [
        ("recipe: tinny", ":7:9: recipe:", "did you mean tiny"),
        ("recipe: other.yaml", ":7:9: recipe:", "no such file"),
        ("evaluation: {flips: true}", "evaluation.flips", "did you mean flip"),
        ("evaluation: {scales: [0]}", "evaluation.scales.0", "greater than 0"),
        ("data: {name: cityscape}", "data.name", "cityscapes"),
    ],
)
def test_mistakes_are_found_before_anything_runs(jobs, line, where, words):
    key = line.partition(":")[0]
    kept = [each for each in SUITE.splitlines() if not each.startswith(f"{key}:")]
    kept.insert(6, line)
    with pytest.raises(SuiteError) as caught:
        jobs(f"{{label: a, {PPM}}}", suite="\n".join(kept) + "\n")
    assert where in str(caught.value)
    assert words in str(caught.value)


def test_a_suite_without_recipe_needs_none_until_accuracy_is_asked_for(jobs):
    plain = SUITE.replace("recipe: tiny\n", "").replace("[params, accuracy]", "[params]")
    (job,) = jobs(f"{{label: a, {PPM}}}", suite=plain)
    assert isinstance(job, Job)
    assert job.accuracy is None
    with pytest.raises(SuiteError, match="add recipe"):
        jobs(f"{{label: a, {PPM}}}", suite=SUITE.replace("recipe: tiny\n", ""))


def test_a_recipe_meets_the_data_of_its_case(jobs):
    here, there = jobs(
        f"{{label: a, {PPM}}}", f"{{label: b, {PPM}, data: {{name: camvid, root: /nowhere}}}}"
    )
    assert (here.accuracy["recipe"]["batch"], there.accuracy["recipe"]["batch"]) == (2, 3)
    with pytest.raises(HarnessError, match="/nowhere"):
        measured(there)


def test_the_command_line_names_the_folder_of_real_images_alone(jobs, tmp_path):
    jobs(f"{{label: a, {PPM}}}", f"{{label: b, {PPM}, data: {{name: camvid, root: images}}}}")
    file = tmp_path / "tiny.yaml"
    roots = [job.accuracy["data"]["root"] for job in load(file).all_jobs()]
    assert roots == [str(tmp_path / "data"), str(tmp_path / "images")]
    elsewhere = Overrides(data_root=tmp_path / "elsewhere")
    roots = [job.accuracy["data"]["root"] for job in load(file, elsewhere).all_jobs()]
    assert roots == [str(tmp_path / "data"), str(tmp_path / "elsewhere")]
