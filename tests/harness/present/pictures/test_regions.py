"""The picture of regions (RANet, Figure 5)."""

import io

import numpy as np
import pytest
import torch

from harness.present.pictures.panels import rectangles
from harness.present.pictures.regions import RegionMaps, demonstrate, draw_regions

REGIONS = torch.tensor([[0, 0, 0, 3, 3], [0, 0, 0, 3, 3], [0, 0, 0, 13, 3]])
CHOSEN = torch.zeros(3, 5, dtype=torch.bool)
CHOSEN[0, 1] = CHOSEN[2, 2] = CHOSEN[1, 4] = CHOSEN[0, 3] = CHOSEN[2, 3] = True


def drawn(figure):
    """The image and the dots, as (row, column), of each panel by its title."""
    figure.savefig(io.BytesIO(), format="png")
    panels = {}
    for axes in figure.axes:
        title = axes.get_title(loc="left")
        if title:
            dots = [
                tuple(int(v) for v in xy[::-1]) for c in axes.collections for xy in c.get_offsets()
            ]
            panels[title] = (np.asarray(axes.images[0].get_array()), dots, axes.get_xlabel())
    return panels


def test_regions_from_the_largest_on_and_dots_on_their_representatives():
    scores = torch.linspace(0, 1, 15).view(3, 5)
    boundary = 1 - scores
    labels = (REGIONS > 0).long()

    maps = RegionMaps(REGIONS, CHOSEN, scores, boundary)
    panels = drawn(draw_regions({"": maps}, labels))

    grouped, dots, text = panels["regions"]
    expected = [[0, 0, 0, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 2, 1]]
    np.testing.assert_array_equal(grouped, expected)
    assert sorted(dots) == [(0, 1), (0, 3), (1, 4), (2, 2)]  # none on the region of one pixel
    assert text == "2 regions,\n1 single pixel"
    np.testing.assert_allclose(panels["scores J"][0], scores.numpy())
    np.testing.assert_allclose(panels["boundaries B"][0], boundary.numpy())
    np.testing.assert_array_equal(panels["labels"][0], labels.numpy())


def test_one_region_without_representatives_is_drawn():
    flat = torch.zeros(3, 5)
    panels = drawn(
        draw_regions({"": RegionMaps(flat.long(), flat.bool(), flat, flat)}, flat.long())
    )
    _, dots, text = panels["regions"]
    assert (dots, text) == ([], "1 region")


def test_half_precision_can_be_drawn():
    scores = torch.rand(3, 5).bfloat16().requires_grad_()
    assert len(drawn(draw_regions({"": RegionMaps(REGIONS, CHOSEN, scores, scores)}, REGIONS))) == 4


def test_other_shapes_are_refused_with_the_cure():
    flat = torch.zeros(3, 5)
    with pytest.raises(ValueError, match="one by one"):
        draw_regions({"": RegionMaps(REGIONS[None], CHOSEN, flat, flat)}, REGIONS)


def test_demonstration_finds_the_objects_and_repeats_itself():
    torch.manual_seed(123)
    before, threads = torch.get_rng_state(), torch.get_num_threads()

    first, second = drawn(demonstrate(seed=1)), drawn(demonstrate(seed=1))

    grouped, dots, _ = first["regions"]
    height, width = grouped.shape
    labels = rectangles(height, width).numpy()
    # The two rectangles of class 1 are two regions, told apart by the boundary between them.
    upper = grouped[: height // 2][labels[: height // 2] == 1]
    lower = grouped[height // 2 :][labels[height // 2 :] == 1]
    most = [int(np.bincount(part).argmax()) for part in (upper, lower, grouped[labels == 2])]
    assert len({*most, 0}) == 4
    for part, region in zip((upper, lower, grouped[labels == 2]), most, strict=True):
        assert (part == region).mean() > 0.9
    assert {int(grouped[dot]) for dot in dots} == set(range(4))
    for title, (values, *others) in first.items():
        np.testing.assert_array_equal(values, second[title][0])
        assert others == list(second[title][1:])
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
