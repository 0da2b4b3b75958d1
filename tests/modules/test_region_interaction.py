"""Messages between regions (RANet, Eq. 6 to 8) against loops over regions and pixels."""

import math

import pytest
import torch
from torch import Tensor

from context_modules.region_construction import Regions
from context_modules.region_interaction import (
    RegionInteraction,
    nominal_representatives,
    select_representatives,
)

CHANNELS = 3


def case(batch: int = 2, pixels: int = 30, seed: int = 0) -> tuple[list[Tensor], Regions]:
    """Random rows; regions of 1 pixel, of 3 and of many; a different number in each image."""
    generator = torch.Generator().manual_seed(seed)
    rows = [
        torch.randn(batch, pixels, CHANNELS, generator=generator, dtype=torch.double)
        for _ in range(3)
    ]
    labels = torch.zeros(batch, pixels, dtype=torch.long)
    for image in range(batch):
        labels[image, 4::3] = 4
        labels[image, [5, 9, 20]] = 5
        labels[image, 6 : 7 + image] = 6 + image
        if image:
            labels[image, 25:] = 25
    # A region is named after its first pixel.
    for image in range(batch):
        for label in labels[image].unique():
            members = labels[image] == label
            labels[image, members] = members.nonzero()[0]
    scores = torch.rand(batch, pixels, generator=generator, dtype=torch.double)
    return rows, Regions(labels, scores)


def softmax(logits: list[float]) -> list[float]:
    exponential = [math.exp(x) for x in logits]
    return [x / sum(exponential) for x in exponential]


def message(query: Tensor, sent: list[Tensor]) -> Tensor:
    weights = softmax([float(query @ s) for s in sent])
    return sum((w * s for w, s in zip(weights, sent, strict=True)), torch.zeros_like(query))


def chosen_by_loop(labels: Tensor, scores: Tensor, k: int) -> dict[int, list[int]]:
    phi = {}
    for q in sorted(set(labels.tolist())):
        members = [i for i in range(len(labels)) if labels[i] == q]
        phi[q] = sorted(members, key=lambda i: (-float(scores[i]), i))[:k]
    return phi


def by_loop(
    query: Tensor,
    value: Tensor,
    receiver: Tensor,
    labels: Tensor,
    scores: Tensor,
    k: int,
    *,
    intra: bool = True,
    inter: bool = True,
    joint: bool = False,
) -> Tensor:
    """The equations as printed, one image, one representative and one pixel at a time."""
    phi = chosen_by_loop(labels, scores, k)
    local: dict[int, Tensor] = {}
    for q, representatives in phi.items():
        others = [i for i in range(len(labels)) if labels[i] == q and i not in representatives]
        for p in representatives:
            local[p] = scores[p] * value[p]  # Eq. 6
            if intra:
                local[p] = local[p] + message(query[p], [scores[i] * value[i] for i in others])
    context = dict(local)
    if inter:
        for q, representatives in phi.items():
            senders = [[scores[i] * local[i] for i in phi[s]] for s in phi if s != q]
            if joint:
                senders = [[x for group in senders for x in group]]
            for p in representatives:  # Eq. 7
                received = [message(local[p], group) for group in senders]
                context[p] = scores[p] * local[p] + sum(received, torch.zeros_like(local[p]))
    out = scores.unsqueeze(1) * receiver
    for i in range(len(labels)):  # Eq. 8
        representatives = phi[int(labels[i])]
        if intra:
            out[i] += message(receiver[i], [scores[p] * context[p] for p in representatives])
        elif i in representatives:
            out[i] = context[i]
    return out


@pytest.mark.parametrize("k", [1, 2, 4, 40])
@pytest.mark.parametrize(
    "flags",
    [{}, {"intra": False}, {"inter": False}, {"joint": True}, {"joint": True, "intra": False}],
)
def test_messages_are_the_equations(k: int, flags: dict[str, bool]) -> None:
    rows, regions = case()
    named = {"joint_softmax" if name == "joint" else name: flag for name, flag in flags.items()}
    out = RegionInteraction(representatives=k, **named)(*rows, regions)  # type: ignore[arg-type]
    for image in range(len(out)):
        expected = by_loop(
            *(r[image] for r in rows), regions.labels[image], regions.scores[image], k, **flags
        )
        torch.testing.assert_close(out[image], expected)


def test_representatives_are_the_highest_of_each_region() -> None:
    _, regions = case()
    chosen = select_representatives(regions, 2)
    for image in range(2):
        phi = chosen_by_loop(regions.labels[image], regions.scores[image], 2)
        expected = [p for q in sorted(phi) for p in phi[q]]
        valid = chosen.valid[image]
        assert chosen.pixels[image][valid].tolist() == expected
        assert chosen.regions[image][valid].tolist() == regions.labels[image][expected].tolist()


def test_equal_scores_choose_the_first_pixels() -> None:
    labels = torch.tensor([[0, 0, 2, 0, 2, 2]])
    chosen = select_representatives(Regions(labels, torch.ones(1, 6)), 2)
    assert chosen.pixels.tolist() == [[0, 1, 2, 4]]


def test_a_limit_keeps_the_largest_regions_and_fixes_the_shape() -> None:
    rows, regions = case()
    chosen = select_representatives(regions, 4, max_regions=2)
    assert chosen.pixels.shape == (2, 8)
    for image in range(2):
        labels = regions.labels[image]
        sizes = {int(q): int((labels == q).sum()) for q in labels.unique()}
        largest = sorted(sizes, key=lambda q: (-sizes[q], q))[:2]
        kept = chosen.regions[image][chosen.valid[image]]
        assert set(kept.tolist()) == set(largest)
    # Pixels of the other regions receive nothing.
    out = RegionInteraction(representatives=4, max_regions=2)(*rows, regions)
    left_out = ~torch.isin(regions.labels[0], chosen.regions[0][chosen.valid[0]])
    assert left_out.any()
    alone = (regions.scores.unsqueeze(2) * rows[2])[0]
    torch.testing.assert_close(out[0, left_out], alone[left_out])
    assert not torch.isclose(out[0, ~left_out], alone[~left_out]).all(dim=1).any()


def test_a_limit_above_the_number_of_regions_changes_nothing() -> None:
    rows, regions = case()
    free = RegionInteraction(representatives=3)(*rows, regions)
    limited = RegionInteraction(representatives=3, max_regions=9)(*rows, regions)
    torch.testing.assert_close(free, limited)


def test_an_image_does_not_depend_on_its_neighbour_in_the_batch() -> None:
    rows, regions = case()
    block = RegionInteraction(representatives=3)
    both = block(*rows, regions)
    for image in range(2):
        part = slice(image, image + 1)
        alone = block(*(r[part] for r in rows), Regions(*(r[part] for r in regions)))
        torch.testing.assert_close(both[part], alone)


@pytest.mark.parametrize("joint", [False, True])
def test_gradients(joint: bool) -> None:
    rows, regions = case(pixels=26)
    inputs = [r.requires_grad_() for r in rows] + [regions.scores.clone().requires_grad_()]
    block = RegionInteraction(representatives=2, joint_softmax=joint)
    assert torch.autograd.gradcheck(
        lambda q, v, r, j: block(q, v, r, Regions(regions.labels, j)), inputs, fast_mode=True
    )


def test_large_logits_of_one_region_leave_no_other_without_weight() -> None:
    labels = torch.tensor([[0, 1, 2]])
    value = torch.tensor([[[1.0], [1e4], [1e-4]]])
    block = RegionInteraction(representatives=1, intra=False)
    out = block(value, value, value, Regions(labels, torch.ones(1, 3)))
    # Each region has one representative, so each softmax is 1: every one gets the sum of all.
    torch.testing.assert_close(out, value.sum(dim=1, keepdim=True).expand_as(out))


def test_nominal_number_for_counting() -> None:
    # RANet, Section 5.2: 400 pixels a region; Table 3: 97x97 pixels, K = 8.
    assert nominal_representatives(97 * 97, 8) == 24 * 8
    assert nominal_representatives(97 * 97, 8, max_regions=10) == 80
    assert nominal_representatives(4, 8) == 4


@pytest.mark.parametrize(
    ("arguments", "name"),
    [({"representatives": 0}, "representatives"), ({"max_regions": -1}, "max")],
)
def test_wrong_arguments_are_named(arguments: dict[str, int], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        RegionInteraction(**arguments)  # type: ignore[arg-type]
