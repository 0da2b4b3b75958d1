"""Regions and representative scores (RANet, Eq. 4 and 5)."""

from itertools import accumulate

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

import context_modules.region_maps as maps_file
from context_modules.region_construction import (
    RegionConstruction,
    connected_components,
    region_sizes,
    representative_scores,
)
from context_modules.region_maps import region_attention_maps
from harness.measure.memory_model import recorded


def components_by_search(decision: Tensor) -> list[int]:
    labels = [-1] * len(decision)
    for seed in range(len(decision)):
        stack = [seed] if labels[seed] < 0 else []
        while stack:
            i = stack.pop()
            labels[i] = seed
            stack += [j for j in range(len(decision)) if decision[i, j] and labels[j] < 0]
    return labels


def scene() -> tuple[Tensor, Tensor, Tensor]:
    """Two rectangles of one class on a background: what is drawn, B and C."""
    drawn = torch.zeros(12, 12, dtype=torch.long)
    drawn[1:5, 1:5] = 1
    drawn[6:11, 6:11] = 2
    boundary = torch.zeros(12, 12, dtype=torch.double)
    for y, x in ((slice(0, 6), slice(0, 6)), (slice(5, 12), slice(5, 12))):
        ring = torch.ones(12, 12, dtype=torch.bool)[y, x].clone()
        ring[1:-1, 1:-1] = False
        boundary[y, x] = torch.maximum(boundary[y, x], ring.double())
    categories = F.one_hot((drawn > 0).long(), 2).permute(2, 0, 1).double()
    return drawn, boundary, categories


@settings(deadline=None, max_examples=40)
@given(pixels=st.integers(1, 40), edges=st.integers(0, 80), seed=st.integers(0, 1000))
def test_components_are_those_of_a_search(pixels: int, edges: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    ends = torch.randint(pixels, (2, edges), generator=generator)
    decision = torch.zeros(pixels, pixels, dtype=torch.bool)
    decision[ends[0], ends[1]] = True
    decision[ends[1], ends[0]] = True
    assert connected_components(decision.float(), 0.5).tolist() == components_by_search(decision)


def test_a_long_chain_is_one_component() -> None:
    order = torch.randperm(257, generator=torch.Generator().manual_seed(3))
    decision = torch.zeros(257, 257, dtype=torch.bool)
    decision[order[:-1], order[1:]] = True
    assert (connected_components((decision | decision.t()).float(), 0.5) == 0).all()


def test_a_block_of_pairs_holds_nine_bytes_an_element(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, rows = 600, 150
    monkeypatch.setattr(maps_file, "CPU_BLOCK", rows * pixels)
    decision = torch.ones(pixels, pixels)
    with recorded() as recording:
        connected_components(decision, 0.5)
    most = max(accumulate(event.bytes for event in recording.events))
    assert 0 <= most - 9 * rows * pixels < 10 * 8 * pixels  # beside it a few numbers per pixel


def test_objects_of_one_class_apart_are_two_regions() -> None:
    drawn, boundary, categories = scene()
    labels = RegionConstruction()(boundary[None], categories[None]).labels.view(12, 12)
    assert labels[1:5, 1:5].unique().tolist() == [13]
    assert labels[6:11, 6:11].unique().tolist() == [6 * 12 + 6]
    assert not set(labels[drawn == 0].tolist()) & {13, 78}
    # The semantic map alone cannot tell the two apart.
    semantic = RegionConstruction(context="semantic")(boundary[None], categories[None]).labels
    assert (semantic.view(12, 12)[drawn > 0] == 13).all()
    assert semantic.unique().numel() == 2


def test_boundary_alone_needs_its_end_points() -> None:
    drawn, boundary, categories = scene()
    apart = RegionConstruction(context="boundary", end_points=True)
    labels = apart(boundary[None], categories[None]).labels.view(12, 12)
    assert labels[1:5, 1:5].unique().tolist() == [13]
    assert labels[6:11, 6:11].unique().tolist() == [78]
    assert (labels[0, 8:] == labels[0, 8]).all()
    assert drawn[0, 8] == 0
    assert labels[0, 8] not in (13, 78)
    assert region_sizes(labels.flatten()).view(12, 12)[boundary == 1].tolist() == [1] * int(
        boundary.sum()
    )
    joined = RegionConstruction(context="boundary")(boundary[None], categories[None]).labels
    assert (joined == 0).all()


def test_scores_are_the_mean_over_the_region() -> None:
    generator = torch.Generator().manual_seed(0)
    boundary = torch.rand(12, 12, generator=generator, dtype=torch.double) * 0.5
    categories = torch.randn(3, 12, 12, generator=generator, dtype=torch.double).softmax(0)
    block = RegionConstruction(threshold=0.85).double()
    with torch.no_grad():
        block.weight.fill_(0.9)
        block.bias.fill_(0.05)
    with torch.no_grad():
        regions = block(boundary[None], categories[None])
    maps = region_attention_maps(boundary, categories)  # F
    labels = components_by_search(maps >= 0.85)
    maps = 0.9 * maps + 0.05  # F^g
    assert 1 < len(set(labels)) < 144
    assert regions.labels[0].tolist() == labels
    for i in range(144):
        members = [j for j in range(144) if labels[j] == labels[i]]
        expected = sum(float(maps[i, j]) for j in members) / len(members)
        assert float(regions.scores[0, i]) == pytest.approx(expected, abs=1e-12)


def test_what_the_affine_learns_leaves_the_regions_as_they_are() -> None:
    """Of one category without a boundary there is one region, whatever W^g has become."""
    boundary, categories = torch.zeros(1, 16, 16), torch.full((1, 4, 16, 16), 0.25)
    block = RegionConstruction()
    for weight in (1.0, 0.915, 0.79, -1.0):
        with torch.no_grad():
            block.weight.fill_(weight)
            labels = block(boundary, categories).labels
        assert labels.unique().numel() == 1


def test_gradient_of_the_representative_scores() -> None:
    labels = torch.tensor([0, 0, 2, 0, 2, 5])
    maps = torch.rand(6, 6, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m: representative_scores(m, labels), maps)


def test_gradient_reaches_both_scores_and_the_affine() -> None:
    _, boundary, categories = scene()
    boundary = (boundary * 0.6 + 0.1).requires_grad_()
    logits = (categories * 4).requires_grad_()
    block = RegionConstruction(threshold=0.6).double()
    regions = block(boundary[None], logits.softmax(dim=0)[None])
    (regions.scores * torch.linspace(0, 1, 144)).sum().backward()
    for leaf in (boundary, logits, block.weight, block.bias):
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
        assert leaf.grad.abs().sum() > 0
    assert (boundary.grad <= 0).all()  # type: ignore[operator]


def test_images_of_a_batch_do_not_meet() -> None:
    generator = torch.Generator().manual_seed(1)
    boundary = torch.rand(2, 5, 7, generator=generator)
    categories = torch.randn(2, 3, 5, 7, generator=generator).softmax(1)
    block = RegionConstruction(threshold=0.95)
    both = block(boundary, categories)
    for image in range(2):
        alone = block(boundary[image : image + 1], categories[image : image + 1])
        assert torch.equal(both.labels[image], alone.labels[0])
        assert torch.equal(both.scores[image], alone.scores[0])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [({"context": "edges"}, "choose 'both'"), ({"threshold": 1.5}, "must lie in")],
)
def test_wrong_arguments_name_the_cure(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        RegionConstruction(**arguments)  # type: ignore[arg-type]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="same B, H, W"):
        RegionConstruction()(torch.rand(1, 4, 5), torch.rand(1, 3, 5, 4))
