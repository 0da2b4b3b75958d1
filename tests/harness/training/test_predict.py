import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.suite.recipe import EvaluationSpec
from harness.training.evaluate import predict_probabilities, sliding, starts


def pointwise(images):
    """A network without any context: two classes from the first channel."""
    return torch.stack([images[:, 0], -images[:, 0]], dim=1)


def images(height, width, batch=2):
    return torch.randn(batch, 3, height, width, generator=torch.Generator().manual_seed(0))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([0.0, 1 / 3, 0.5, 0.9]))
def test_crops_cover_the_side_and_stay_inside(size, crop, overlap):
    places = starts(size, crop, overlap)
    covered = {p for place in places for p in range(place, place + crop)}
    assert covered >= set(range(size))
    assert max(places) + crop <= max(size, crop)
    assert len(places) == len(set(places))


@pytest.mark.parametrize("size", [(8, 8), (13, 9), (5, 20), (4, 5)])
@pytest.mark.parametrize("batch", [1, 8])
def test_sliding_crops_of_a_pointwise_network_are_its_whole_image(size, batch):
    x = images(*size)
    seen = []

    def network(crops):
        seen.append(tuple(crops.shape[-2:]))
        return pointwise(crops)

    torch.testing.assert_close(sliding(network, x, (6, 7), batch=batch), pointwise(x))
    assert set(seen) == {(6, 7)}


def test_probabilities_are_the_mean_over_scales_and_mirrors():
    x = images(10, 12)
    views = EvaluationSpec(scales=(0.5, 1.0, 1.5), flip=True)
    both = predict_probabilities(pointwise, x, views)
    single = []
    for scale in views.scales:
        one = EvaluationSpec(scales=(scale,))
        single.append(predict_probabilities(pointwise, x, one))
        single.append(predict_probabilities(pointwise, x.flip(-1), one).flip(-1))
    torch.testing.assert_close(both, torch.stack(single).mean(0))
    torch.testing.assert_close(both.sum(1), torch.ones(2, 10, 12))


def test_mirroring_makes_a_lopsided_network_even():
    def lopsided(crops):
        ramp = torch.linspace(-1, 1, crops.shape[-1]).expand_as(crops[:, 0])
        return torch.stack([ramp, -ramp], dim=1)

    x = images(4, 9)
    assert not torch.allclose(
        predict_probabilities(lopsided, x, EvaluationSpec())[:, 0], torch.full((2, 4, 9), 0.5)
    )
    even = predict_probabilities(lopsided, x, EvaluationSpec(flip=True))
    torch.testing.assert_close(even, torch.full((2, 2, 4, 9), 0.5))


def test_a_mirrored_view_exchanges_sides():
    """Of three classes one is the left and one the right half of what is bright."""
    sides = ((1, 2),)

    def handed(crops):
        left = torch.linspace(3, -3, crops.shape[-1]).expand_as(crops[:, 0])
        return torch.stack([torch.zeros_like(left), left, -left], dim=1)

    x = images(4, 9)
    plain = predict_probabilities(handed, x, EvaluationSpec())
    both = predict_probabilities(handed, x, EvaluationSpec(flip=True), sides)
    torch.testing.assert_close(both, plain)
    mixed = predict_probabilities(handed, x, EvaluationSpec(flip=True))
    assert not torch.allclose(mixed, plain)
