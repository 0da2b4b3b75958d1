"""What passes of modules show beside their output, against what one counts by hand."""

import pytest
import torch
from torch import nn

from context_modules.catalog import DIAGNOSTICS
from context_modules.context_pruning import ContextPruning
from context_modules.diagnostics import diagnose_of
from context_modules.graph_guided import GraphGuidedContextFusion
from context_modules.region_construction import RegionConstruction


def shown(module, *inputs):
    with torch.no_grad():
        return diagnose_of(module)(module, inputs, module(*inputs))


def test_regions_are_counted_in_each_image():
    torch.manual_seed(0)
    construction = RegionConstruction(end_points=True).eval()
    inputs = torch.rand(3, 7, 6), torch.randn(3, 4, 7, 6).softmax(1)
    labels = construction(*inputs).labels
    counts = [len(set(image.tolist())) for image in labels]
    assert len(set(counts)) > 1
    found = shown(construction, *inputs)
    assert found["regions"].tolist() == counts
    assert found["region_size"].tolist() == pytest.approx([42 / count for count in counts])


@pytest.mark.parametrize(
    ("said", "pruning"),
    [
        ({}, None),
        ({"prune_rate": 0.5}, ContextPruning(0.5)),
        ({"prune_rate": 0.5, "prune_order": "random"}, ContextPruning(0.5, order="random")),
        ({"prune_keep": 7}, ContextPruning(keep=7)),
    ],
)
def test_contexts_are_the_edges_that_are_left_of_each_head(said, pruning):
    size, names = (9, 7), ("FULL", "LOCAL_2", "GRID_3")
    module = GraphGuidedContextFusion(4, heads=names, **said).eval()
    counts = []
    for head in module.heads:
        edges = head.graph.adjacency(*size)
        if pruning is not None:
            edges = pruning.select(torch.rand(edges.shape), edges) & edges
        counts.append(edges.sum(1).double().mean())
    found = shown(module, torch.randn(2, 4, *size))
    assert found == {"contexts": pytest.approx(float(sum(counts) / 3))}


def test_the_contexts_of_the_paper():
    """Section 4.2: about 0.5K, the mean of the six heads at 97x97."""
    module = GraphGuidedContextFusion(8, heads=("{LOCAL,GRID}_{8,16,24}",))
    found = diagnose_of(module)(module, (torch.empty(1, 8, 97, 97, device="meta"),), None)
    assert found["contexts"] == pytest.approx(535, abs=0.5)


def test_pruning_is_of_evaluation_alone():
    module = GraphGuidedContextFusion(4, heads=("FULL",), prune_rate=0.75)
    x = torch.randn(1, 4, 4, 4)
    assert shown(module.train(), x) == {"contexts": 16}
    assert shown(module.eval(), x) == {"contexts": 4}


def test_the_catalog_has_all_of_them():
    regions, fusion = RegionConstruction().eval(), GraphGuidedContextFusion(4, heads=("FULL",))
    maps = torch.rand(1, 4, 4), torch.full((1, 3, 4, 4), 1 / 3)
    names = {*shown(regions, *maps), *shown(fusion, torch.randn(1, 4, 4, 4))}
    assert names == {each.name for each in DIAGNOSTICS}


class Own(nn.Module):
    def forward(self, x):
        return x

    def diagnostics(self, inputs, output):
        return {"largest": output.flatten(1).amax(1)}


class Derived(GraphGuidedContextFusion):
    pass


def test_a_class_of_ones_own_has_a_method_and_a_derived_one_what_its_parent_has():
    assert shown(Own(), torch.tensor([[1.0, 4.0], [3.0, 2.0]]))["largest"].tolist() == [4.0, 3.0]
    assert shown(Derived(4, heads=("FULL",)), torch.randn(1, 4, 2, 2)) == {"contexts": 4}
    assert diagnose_of(nn.Conv2d(1, 1, 1)) is None
