import io

import numpy as np
import pytest
import torch

from harness.present.pictures.node_activations import demonstrate, draw_node_activations

LABELS = torch.tensor([[0, 0, 1, 1, 1], [0, 0, 0, 1, 1], [2, 2, 2, 2, 255]])


def drawn(figure):
    """What each panel shows and says, by its title."""
    figure.savefig(io.BytesIO(), format="png")
    return {
        axes.get_title(loc="left"): (np.asarray(axes.images[0].get_array()), axes.get_xlabel())
        for axes in figure.axes
        if axes.images
    }


def test_each_node_shows_its_most_varied_channel_from_lowest_to_highest():
    activations = torch.zeros(3, 2, 3, 5)
    activations[0, 0] = 100.0  # large, but the same everywhere
    activations[0, 1] = torch.where(LABELS == 1, 4.0, 2.0)
    activations[1, 0] = -(LABELS == 0).float()
    activations[1, 0, 2, 3] = 1.0
    activations[1, 1, 0, 0] = 0.1
    activations[2] = 7.0

    panels = drawn(draw_node_activations({"": activations}, LABELS))

    assert list(panels) == ["labels", "node 0", "node 1", "node 2: silent"]
    values, text = panels["node 0"]
    np.testing.assert_array_equal(values, (LABELS == 1).float().numpy())
    assert text == "channel 1\nhighest on class 1"
    values, text = panels["node 1"]
    assert values.min() == 0
    assert values[2, 3] == values.max() == 1
    assert text == "channel 0\nhighest on class 2"


@pytest.mark.parametrize("nodes", [1, 4, 5, 16])
def test_any_number_of_nodes_finds_a_panel(nodes):
    activations = torch.randn(nodes, 2, 3, 5, generator=torch.Generator().manual_seed(0))

    panels = drawn(draw_node_activations({"": activations}, LABELS))

    assert list(panels) == ["labels", *(f"node {node}" for node in range(nodes))]


def test_half_precision_can_be_drawn():
    activations = torch.randn(2, 2, 3, 5, generator=torch.Generator().manual_seed(0)).bfloat16()

    assert len(drawn(draw_node_activations({"": activations.requires_grad_()}, LABELS))) == 3


@pytest.mark.parametrize("shape", [(1, 4, 2, 3, 5), (4, 2, 5, 3)])
def test_other_shapes_are_refused_with_the_cure(shape):
    with pytest.raises(ValueError, match="one by one"):
        draw_node_activations({"": torch.zeros(shape)}, LABELS)


def share_explained(values, labels):
    """Share of the variance of a map that lies between the classes."""
    between = sum(
        (labels == label).mean() * (values[labels == label].mean() - values.mean()) ** 2
        for label in np.unique(labels)
    )
    return between / (values.var() + 1e-12)


def test_demonstration_attends_to_classes_and_repeats_itself():
    torch.manual_seed(123)
    before, threads = torch.get_rng_state(), torch.get_num_threads()

    first, second = drawn(demonstrate(seed=1)), drawn(demonstrate(seed=1))

    labels, _ = first["labels"]
    nodes = {title: values for title, (values, _) in first.items() if title.startswith("node")}
    assert len(nodes) == 8
    # In most nodes the classes explain most of the variance of the channel that is shown.
    assert np.median([share_explained(values, labels) for values in nodes.values()]) > 0.5
    for title, values in nodes.items():
        np.testing.assert_array_equal(values, second[title][0])
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
