import json
from pathlib import Path

import pytest

import harness
from harness.suite.accuracy import read_recipe
from harness.suite.recipe import RecipeSpec

RECIPES = sorted((Path(harness.__file__).parents[1] / "suites" / "recipes").glob("*.yaml"))


def recipe(**changes):
    plain = {"recipe": "r", "steps": 10, "batch": 2, "optimizer": {"learning_rate": 0.1}}
    return RecipeSpec.model_validate_json(json.dumps({**plain, **changes}), strict=True)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_shipped_recipe_loads_under_its_own_name(path):
    spec, problems = read_recipe(path)
    assert problems == []
    assert spec.recipe == path.stem
    assert spec.source


# CPNet Section 4.1, RANet Section 4, SRNet's supplement, GGCF Section 4.1, OCNet Section 4.2.
@pytest.mark.parametrize(
    ("name", "data", "steps", "batch", "rate", "decay", "power", "crop"),
    [
        ("cpnet", "ade20k", 80_000, 16, 0.02, 1e-4, 0.9, (480, 480)),
        ("cpnet", "pascal_context", 25_000, 16, 0.01, 1e-4, 0.9, (512, 512)),
        ("cpnet", "cityscapes", 60_000, 16, 0.01, 5e-4, 0.9, (768, 768)),
        ("ranet", "cityscapes", 40_000, 8, 0.001, 5e-4, 1.0, (769, 769)),
        ("ranet", "coco_stuff", 60_000, 8, 0.001, 5e-4, 1.0, (520, 520)),
        ("srnet", "cityscapes", 120_000, 16, 0.01, 5e-4, 0.9, (768, 768)),
        ("ggcf", "cityscapes", 50_000, 8, 0.02, 5e-4, 2.0, (769, 769)),
        ("ggcf", "ade20k", 900_000, 8, 0.02, 5e-4, 0.9, (769, 769)),
        ("ocnet", "cityscapes", 60_000, 8, 0.01, 5e-4, 0.9, (512, 1024)),
        ("ocnet", "ade20k", 150_000, 16, 0.02, 1e-4, 0.9, (520, 520)),
        ("ocnet", "coco_stuff", 60_000, 16, 0.001, 1e-4, 0.9, (520, 520)),
        ("ocnet", "pascal_context", 30_000, 16, 0.001, 1e-4, 0.9, (520, 520)),
        ("ocnet", "lip", 100_000, 32, 0.007, 5e-4, 0.9, (473, 473)),
        ("ranet", "pascal_context", 60_000, 8, 0.001, 5e-4, 1.0, (520, 520)),
    ],
)
def test_the_papers_settings(name, data, steps, batch, rate, decay, power, crop):
    path = next(path for path in RECIPES if path.stem == name)
    spec = read_recipe(path)[0].for_data(data)
    solver = spec.optimizer
    assert (spec.steps_on(10**6), spec.batch) == (steps, batch)
    assert (solver.learning_rate, solver.weight_decay, solver.momentum) == (rate, decay, 0.9)
    assert (spec.schedule.power, spec.augmentation.crop) == (power, crop)
    assert spec.loss.auxiliary == 0.4


# The data sets that each paper reports on (its Section "Experiments").
REPORTED = {
    "cpnet": {"ade20k", "pascal_context", "cityscapes"},
    "ocnet": {"cityscapes", "ade20k", "lip", "pascal_context", "coco_stuff"},
    "ranet": {"cityscapes", "pascal_context", "coco_stuff"},
    "srnet": {"cityscapes", "pascal_context", "ade20k", "camvid"},
    "ggcf": {"cityscapes", "ade20k"},
}
RANET_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)


def of_paper(name, data):
    return read_recipe(next(path for path in RECIPES if path.stem == name))[0].for_data(data)


@pytest.mark.parametrize("name", REPORTED)
def test_every_data_set_of_a_paper_has_its_settings(name):
    assert (
        read_recipe(next(p for p in RECIPES if p.stem == name))[0].per_data.keys() == REPORTED[name]
    )
    for data in REPORTED[name]:
        # What mirrors by itself is not mirrored again.
        assert of_paper(name, data).augmentation.flip is (data != "lip")


# SRNet's supplement: epochs and crops.
@pytest.mark.parametrize(
    ("data", "images", "steps", "crop"),
    [("pascal_context", 4998, 31_238, 480), ("ade20k", 20_210, 151_575, 512),
     ("camvid", 367, 2_294, 640)],
)  # fmt: skip
def test_the_epochs_of_srnet(data, images, steps, crop):
    spec = of_paper("srnet", data)
    assert (spec.steps_on(images), spec.batch) == (steps, 16)  # epochs x images / 16
    assert spec.augmentation.crop == (crop, crop)
    assert (spec.loss.main, spec.optimizer.learning_rate) == ("cross_entropy", 0.01)


# CPNet 4.1 "Data Augmentation" and "Inference", OCNet 4.2, RANet 4, GGCF 4.1, SRNet's supplement.
@pytest.mark.parametrize(
    ("name", "data", "scales", "tested"),
    [
        ("cpnet", "ade20k", (0.5, 0.75, 1.0, 1.5, 1.75, 2.0), (0.5, 0.75, 1.0, 1.5, 1.75)),
        ("cpnet", "cityscapes", (0.5, 0.75, 1.0, 1.5, 1.75, 2.0), (0.5, 0.75, 1.0, 1.5)),
        ("ocnet", "lip", (0.5, 2.0), RANET_SCALES),
        ("ranet", "coco_stuff", (0.5, 2.0), RANET_SCALES),
        ("ggcf", "cityscapes", (0.5, 1.5), RANET_SCALES),
        ("srnet", "cityscapes", (0.5, 2.0), (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)),
        ("srnet", "ade20k", (0.5, 2.0), RANET_SCALES),
    ],
)
def test_the_papers_scales(name, data, scales, tested):
    spec = of_paper(name, data)
    assert (spec.augmentation.scales or spec.augmentation.scale_range) == scales
    assert spec.test_scales == tested
    assert spec.augmentation.brightness == (10 if name in ("ocnet", "ranet") else 0)
    hard = (name, data) in {("cpnet", "cityscapes"), ("srnet", "cityscapes")}
    assert spec.loss.main == ("ohem" if hard else "cross_entropy")


def test_epochs_become_steps_of_the_data():
    spec = recipe(per_data={"camvid": {"epochs": 100}})
    assert spec.for_data("camvid").steps_on(367) == 18_350  # 100 x 367 / 2
    assert spec.for_data("scenes").steps_on(367) == 10


def test_data_changes_what_it_names_and_keeps_the_rest():
    spec = recipe(
        optimizer={"learning_rate": 0.1, "weight_decay": 0.3},
        per_data={"ade20k": {"optimizer": {"learning_rate": 0.2}}},
    )
    changed = spec.for_data("ade20k").optimizer
    assert (changed.learning_rate, changed.weight_decay) == (0.2, 0.3)
    assert spec.for_data("scenes").optimizer.learning_rate == 0.1


def test_what_decides_a_training_leaves_out_what_does_not():
    base = recipe()
    for changes in (
        {"evaluation": {"flip": True}},
        {"title": "t"},
        {"workers": 3},
        {"test_scales": [2.0]},
    ):
        assert recipe(**changes).trained() == base.trained()
    for changes in ({"steps": 11}, {"loss": {"main": "ohem"}}, {"augmentation": {"flip": False}}):
        assert recipe(**changes).trained() != base.trained()


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "1:1", "empty"),
        ("recipe: r\nsteps: 3\nbatch: 2\noptimizer: {learning_rate: 0}\n", "4:28", "greater than"),
        ("recipe: r\nbatch: 2\noptimizer: {learning_rate: 1.0}\n", "1:1", "steps or epochs"),
        (
            "recipe: r\nsteps: 3\nbatch: 2\noptimizer: {learning_rate: 1.0, momentun: 0.9}\n",
            "4:33",
            "did you mean momentum",
        ),
        (
            "recipe: r\nsteps: 3\nbatch: 2\noptimizer: {learning_rate: 1.0}\n"
            "per_data:\n  camvid: {batch: two}\n",
            "6:19",
            "whole number",
        ),
    ],
)
def test_a_mistake_names_its_place(tmp_path, text, place, words):
    file = tmp_path / "r.yaml"
    file.write_text(text)
    spec, problems = read_recipe(file)
    assert spec is None
    assert any(f":{place}:" in str(p) and words in str(p) for p in problems), problems
