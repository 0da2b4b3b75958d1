"""Diagnostics in an evaluation: means over its images, and scores as without them."""

import pytest
import torch
from tiny_data import SIZE, TinyData, tiny_recipe
from torch import nn

from harness.suite.recipe import EvaluationSpec
from harness.training.diagnostics import Diagnostics, DiagnosticsError
from harness.training.evaluate import evaluate
from harness.training.network import build_network, network_arguments


class Bright(nn.Module):
    """Says how bright each image is, and how many images come at once; classes by brightness."""

    said = "both"

    def forward(self, x):
        return torch.stack([x.mean(1), -x.mean(1), torch.zeros_like(x[:, 0])], 1)

    def diagnostics(self, inputs, output):
        bright = inputs[0].mean(dim=(1, 2, 3))
        both = {"bright": bright, "together": len(bright)}
        return both if self.said == "both" else self.said


class Outer(nn.Module):
    def __init__(self, said="both"):
        super().__init__()
        self.inner = Bright()
        self.inner.said = said

    def forward(self, x):
        return self.inner(x)


def evaluated(network, **views):
    data = TinyData("val", length=7)
    spec = EvaluationSpec.of({"boundary": [], "batch": 4, **views})
    return evaluate(network, data, tiny_recipe(mean=[0.0] * 3, std=[1.0] * 3), spec), data


def test_parts_are_heard_wherever_they_are_and_images_count_alike():
    network = Outer()
    scores, data = evaluated(network)
    bright = [float(data[index].image.mean()) for index in range(7)]
    assert scores.diagnostics["bright"] == pytest.approx(sum(bright) / 7)
    # Batches of four and three images: each image counts with the size of its own.
    assert scores.diagnostics["together"] == pytest.approx((4 * 4 + 3 * 3) / 7)
    assert not network.inner._forward_hooks  # nobody listens any more
    mirrored, _ = evaluated(network, flip=True)
    assert mirrored.diagnostics["bright"] == pytest.approx(scores.diagnostics["bright"])


def test_a_network_that_says_nothing_has_none():
    assert evaluated(nn.Conv2d(3, 3, 1))[0].diagnostics == {}


@pytest.mark.parametrize("said", [None, 3, {"two words": 1.0}, {"text": "much"}, {"none": None}])
def test_what_is_no_number_is_named(said):
    with pytest.raises(DiagnosticsError, match=r"Bright\.diagnostics gives .*; return a mapping"):
        evaluated(Outer(said))


def test_what_is_unknown_of_an_image_takes_no_part():
    found = Diagnostics()
    module = Bright()
    module.said = {"share": torch.tensor([0.5, float("nan")]), "never": float("nan")}
    with found.watching(module):
        module(torch.rand(2, 3, 4, 4))
    assert found.means() == {"share": 0.5}


def test_scores_are_the_same_to_the_last_bit_with_random_pruning_too():
    arguments = {"heads": ["FULL"], "prune_rate": 0.5, "prune_order": "random"}
    recipe = tiny_recipe()
    given = network_arguments("graph_guided", arguments, recipe, 3, (SIZE, SIZE))
    network = build_network(given, 0).eval()
    data, spec = TinyData("val"), EvaluationSpec(boundary=())
    torch.manual_seed(3)
    heard = evaluate(network, data, recipe, spec)
    assert heard.diagnostics["contexts"] > 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.training.diagnostics.diagnose_of", lambda _: None)
        torch.manual_seed(3)
        alone = evaluate(network, data, recipe, spec)
    assert alone.diagnostics == {}
    assert (alone.miou, alone.class_iou) == (heard.miou, heard.class_iou)
