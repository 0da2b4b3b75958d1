"""The key under which a training is kept, pinned: who changes it asks for all trainings again."""

import torch
from tiny_data import SIZE, TinyData, tiny_recipe

from harness.suite.recipe import EvaluationSpec
from harness.training.accuracy import TRAINING_SCHEMA, TrainingPlan
from harness.training.checkpoint import training_key
from harness.training.network import build_network, network_arguments


def description():
    recipe = tiny_recipe()
    given = network_arguments("ppm", {"out_channels": 8}, recipe, 3, (SIZE, SIZE))
    plan = TrainingPlan(
        "tiny", recipe, EvaluationSpec(), TinyData(), TinyData("val"), given, torch.device("cpu")
    )
    return {**plan.description(build_network(given, 0), 0), "torch": "2", "threads": 1}


def test_the_description_of_a_training_has_the_key_of_its_schema():
    told = {**description(), "source": "code"}
    assert (TRAINING_SCHEMA, training_key(told)) == (2, "8e5dfa56ece5bb13c8305d02")


def test_the_code_that_trains_has_the_digest_that_it_had():
    """Differs after a change of what is computed; never after a file was moved, cut or described.

    After a change that is meant write the new digest here: every kept training is done again.
    """
    assert description()["source"] == "de216835d0f27c7b"
