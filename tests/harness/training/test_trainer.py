import math
import threading
from typing import ClassVar

import pytest
import torch
from tiny_data import SIZE, TinyData, tiny_recipe

from harness.suite.recipe import EvaluationSpec
from harness.training.batches import Batches
from harness.training.checkpoint import Checkpoint
from harness.training.evaluate import evaluate
from harness.training.network import build_network, map_size, network_arguments
from harness.training.trainer import (
    DivergenceError,
    Trainer,
    TrainingLoss,
    resolve_precision,
)

CPU = torch.device("cpu")


class Killed(BaseException):
    """Stands for the end of the process in the middle of a step."""


class DyingData(TinyData):
    """Data whose reading takes a second and ends the process at the n-th image."""

    left: ClassVar = {"images": 0}
    now: ClassVar = {"seconds": 0.0}

    def __getitem__(self, index):
        self.now["seconds"] += 1
        self.left["images"] -= 1
        if self.left["images"] < 0:
            raise Killed
        return super().__getitem__(index)


def trainer(recipe=None, module="ppm", arguments=None, seed=0, data=None, **more):
    recipe = recipe or tiny_recipe()
    given = network_arguments(module, arguments or {"out_channels": 8}, recipe, 3, (SIZE, SIZE))
    network = build_network(given, seed)
    return Trainer(network, data or TinyData(), recipe, seed, CPU, **more)


def parameters(made):
    return made.network.state_dict()


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[n], right[n]) for n in left)


def test_the_same_seed_gives_the_same_bits_and_the_same_miou():
    runs = [trainer(seed=3), trainer(seed=3), trainer(seed=4)]
    scores = []
    for run in runs:
        torch.rand(7)  # what was drawn before does not matter
        run.run()
        scores.append(evaluate(run.network, TinyData("val"), run.recipe, EvaluationSpec()).miou)
    assert same(parameters(runs[0]), parameters(runs[1]))
    assert scores[0] == scores[1]
    assert not same(parameters(runs[0]), parameters(runs[2]))


def test_training_leaves_the_global_generator_as_it_was():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trainer().run()
    assert torch.equal(torch.rand(3), expected)


def test_a_tiny_set_is_learnt():
    recipe = tiny_recipe(steps=120, optimizer={"learning_rate": 0.2})
    run = trainer(recipe)
    before = evaluate(run.network, TinyData("val"), recipe, EvaluationSpec()).miou
    run.run()
    assert evaluate(run.network, TinyData("val"), recipe, EvaluationSpec()).miou > max(0.7, before)


ADAMW = {"kind": "adamw", "learning_rate": 0.01}


@pytest.mark.parametrize(
    ("images_until_death", "optimizer"),
    [(1, {}), (13, {}), (30, {}), (13, ADAMW), (30, ADAMW)],
)
def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path, images_until_death, optimizer):
    recipe = tiny_recipe(**({"optimizer": optimizer} if optimizer else {}))
    whole = trainer(recipe)
    whole.run()
    description = {"name": "interrupted"}

    def attempt(data):
        return trainer(
            recipe,
            data=data,
            checkpoint=Checkpoint(tmp_path, description),
            save_every=4,
            clock=lambda: DyingData.now["seconds"],
        )

    DyingData.left["images"] = images_until_death
    with pytest.raises(Killed):
        attempt(DyingData()).run()
    again = attempt(TinyData())
    trained = again.run()
    assert same(parameters(again), parameters(whole))
    assert trained.first_step == images_until_death // 4  # saved behind every batch of 4


def test_adamw_learns_a_tiny_set_and_sgd_another_way_of_it():
    recipes = [
        tiny_recipe(steps=60, optimizer={"learning_rate": 0.02, **kind})
        for kind in ({"kind": "adamw"}, {"kind": "adamw", "second_momentum": 0.9}, {})
    ]
    runs = [trainer(recipe) for recipe in recipes]
    for run in runs:
        run.run()
    assert evaluate(runs[0].network, TinyData("val"), recipes[0], EvaluationSpec()).miou > 0.7
    assert not same(parameters(runs[0]), parameters(runs[1]))
    assert not same(parameters(runs[0]), parameters(runs[2]))


def test_a_whole_training_is_taken_over_without_a_step(tmp_path):
    checkpoint = Checkpoint(tmp_path, {"name": "whole"})
    first = trainer(checkpoint=checkpoint)
    done = first.run()
    DyingData.left["images"] = 0
    second = trainer(seed=9, data=DyingData(), checkpoint=Checkpoint(tmp_path, {"name": "whole"}))
    taken = second.run()
    assert taken.first_step == taken.steps == done.steps
    assert (taken.loss, taken.seconds) == (done.loss, done.seconds)
    assert same(parameters(first), parameters(second))


def test_one_of_two_equal_trainings_waits_for_the_other(tmp_path):
    description = {"name": "shared"}
    second = trainer(checkpoint=Checkpoint(tmp_path, description))
    waiting = threading.Thread(target=second.run)
    first = Checkpoint(tmp_path, description)
    with first.lock():
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        assert first.finished(second.network, 8) is None
    waiting.join(60)
    assert not waiting.is_alive()
    assert first.finished(second.network, 8) is not None


def test_slow_saves_become_rarer(tmp_path):
    class SlowCheckpoint(Checkpoint):
        saves = 0

        def save_progress(self, state):
            self.saves += 1
            DyingData.now["seconds"] += 3
            super().save_progress(state)

    def saves(share):
        DyingData.left["images"] = 10**6
        kept = SlowCheckpoint(tmp_path, {"share": share})
        trainer(
            data=DyingData(),
            checkpoint=kept,
            save_every=4,
            save_share=share,
            clock=lambda: DyingData.now["seconds"],
        ).run()
        return kept.saves

    assert saves(1.0) == 8  # after each of the 8 batches
    assert saves(0.25) < 4


def test_a_diverged_training_says_so():
    recipe = tiny_recipe(optimizer={"learning_rate": 1e12})
    with pytest.raises(DivergenceError, match="learning_rate"):
        trainer(recipe).run()


@pytest.mark.parametrize(
    ("module", "arguments", "loss", "expected"),
    [
        ("ppm", {"out_channels": 8}, {}, {"main", "auxiliary"}),
        ("ppm", {"out_channels": 8}, {"main": "ohem", "ohem_min_kept": 50}, {"main", "auxiliary"}),
        ("ppm", {"out_channels": 8}, {"auxiliary": 0.0}, {"main"}),
        (
            "context_prior",
            {"out_channels": 8, "context_channels": 8, "kernel_size": 3},
            {},
            {"main", "auxiliary", "affinity"},
        ),
        (
            "region_attention",
            {"channels": 8, "out_channels": 8, "representatives": 2},
            {},
            {"main", "auxiliary", "semantic", "boundary"},
        ),
    ],
)
def test_each_paper_has_its_terms(module, arguments, loss, expected):
    recipe = tiny_recipe(steps=2, loss=loss)
    run = trainer(recipe, module, arguments)
    images, labels = Batches(TinyData(), recipe, 0, 0, 1)[0]
    total, terms = TrainingLoss(recipe.loss)(
        run.network.train()(images), labels, map_size(run.network, (SIZE, SIZE))
    )
    assert terms.keys() == expected
    assert all(math.isfinite(term) for term in terms.values())
    weights = {"auxiliary": 0.4}
    weighted = sum(weights.get(name, 1.0) * float(term) for name, term in terms.items())
    assert float(total.detach()) == pytest.approx(weighted)
    assert math.isfinite(run.run().loss)


def test_a_prior_that_is_nowhere_held_has_the_same_affinity_loss():
    arguments = {"out_channels": 8, "context_channels": 8, "kernel_size": 3}
    recipe = tiny_recipe(steps=2)
    images, labels = Batches(TinyData(), recipe, 0, 0, 1)[0]
    found = []
    for kernel in ("explicit", "fused"):
        network = trainer(recipe, "context_prior", arguments | {"kernel": kernel}).network.train()
        output = network(images)
        assert isinstance(output.extras["prior"], torch.Tensor) == (kernel == "explicit")
        _, terms = TrainingLoss(recipe.loss)(output, labels, map_size(network, (SIZE, SIZE)))
        found.append(terms["affinity"])
    torch.testing.assert_close(*found, rtol=1e-4, atol=0)


def test_readers_in_other_processes_give_the_same_training():
    alone, helped = trainer(), trainer(tiny_recipe(workers=1))
    alone.run()
    helped.run()
    assert same(parameters(alone), parameters(helped))


def test_half_precision_trains_on_the_cpu_when_asked():
    run = trainer(tiny_recipe(precision="bfloat16"))
    assert math.isfinite(run.run().loss)
    assert next(run.network.parameters()).dtype == torch.float32


def test_auto_precision_is_float32_on_the_cpu():
    assert resolve_precision("auto", CPU) == "float32"
    assert resolve_precision("float16", CPU) == "float16"
