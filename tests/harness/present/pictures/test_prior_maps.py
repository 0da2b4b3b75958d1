import io

import numpy as np
import pytest
import torch

from context_modules.affinity_loss import ideal_affinity
from harness.present.pictures.context_prior import demonstrate, draw_prior_maps

LABELS = torch.tensor([[0, 0, 1, 1, 1], [0, 0, 0, 1, 1], [2, 2, 2, 2, 255]])


def random_prior(labels, *, seed=0):
    positions = labels.numel()
    return torch.rand(positions, positions, generator=torch.Generator().manual_seed(seed))


def drawn(figure):
    """What each panel shows, by its title."""
    figure.savefig(io.BytesIO(), format="png")
    return {
        axes.get_title(loc="left"): np.asarray(axes.images[0].get_array())
        for axes in figure.axes
        if axes.images
    }


def test_panels_hold_the_maps_and_rows_of_the_prior():
    prior, ideal = random_prior(LABELS), ideal_affinity(LABELS[None])[0]

    panels = drawn(draw_prior_maps({"prior map P": prior}, ideal, LABELS))

    np.testing.assert_array_equal(panels["prior map P"], prior.numpy())
    np.testing.assert_array_equal(panels["ideal map A"], ideal.float().numpy())
    rows = {
        int(title.split("class ")[1].rstrip(")")): values
        for title, values in panels.items()
        if title.startswith("row")
    }
    assert sorted(rows) == [0, 1, 2]  # void has no row
    for label, values in rows.items():
        queries = (LABELS.flatten() == label).nonzero().flatten()
        assert any(np.array_equal(values, prior[query].view(3, 5).numpy()) for query in queries)


def test_several_priors_have_a_row_each_with_what_is_said_of_them():
    prior, other = random_prior(LABELS), random_prior(LABELS, seed=1)
    ideal = ideal_affinity(LABELS[None])[0]

    figure = draw_prior_maps({"P": prior, "Q": other}, ideal, LABELS, said={"Q": "loss 1; no"})

    panels = drawn(figure)
    np.testing.assert_array_equal(panels["P"], prior.numpy())
    np.testing.assert_array_equal(panels["Q"], other.numpy())
    below = {axes.get_title(loc="left"): axes.get_xlabel() for axes in figure.axes}
    assert below["Q"].endswith("loss 1\nno")
    assert "loss" not in below["P"]


def test_means_over_pairs_are_written_below():
    ideal = ideal_affinity(LABELS[None])[0]
    prior = torch.where(ideal, 0.75, 0.25)

    figure = draw_prior_maps({"P": prior}, ideal, LABELS)

    texts = [axes.get_xlabel() for axes in figure.axes]
    assert any("same class 0.75, other 0.25" in text for text in texts)


def test_image_of_one_class_can_be_drawn():
    labels = torch.zeros(2, 3, dtype=torch.long)

    figure = draw_prior_maps({"P": random_prior(labels)}, ideal_affinity(labels[None])[0], labels)

    assert any("other none" in axes.get_xlabel() for axes in figure.axes)
    assert len(drawn(figure)) == 4


def test_batches_are_refused_with_the_cure():
    prior = random_prior(LABELS)[None]

    with pytest.raises(ValueError, match="one by one"):
        draw_prior_maps({"P": prior}, ideal_affinity(LABELS[None]), LABELS)


def test_demonstration_learns_the_ideal_map_and_repeats_itself():
    torch.manual_seed(123)
    before, threads = torch.get_rng_state(), torch.get_num_threads()

    first, second = drawn(demonstrate(seed=1)), drawn(demonstrate(seed=1))

    ideal = first["ideal map A"] == 1

    def contrast(prior):
        return prior[ideal].mean() - prior[~ideal].mean()

    assert contrast(first["P, with the loss"]) > 0.4
    assert contrast(first["P, without the loss"]) < 0.2
    for title, values in first.items():
        np.testing.assert_array_equal(values, second[title])
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
