import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.suite.recipe import AugmentationSpec
from harness.training.batches import augment, generator, normalise

VOID = 255
FILL = torch.tensor([0.2, 0.4, 0.6])


def picture(height, width):
    """An image whose first channel is its label, so that both must move together."""
    labels = torch.randint(1, 4, (height, width), generator=torch.Generator().manual_seed(1))
    image = labels[None].float().expand(3, -1, -1) / 10
    return image.clone(), labels


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 20), st.integers(1, 20), st.booleans())
def test_flip_and_crop_move_image_and_labels_alike(seed, height, width, flip):
    spec = AugmentationSpec(flip=flip, crop=(9, 11))
    image, labels = augment(*picture(height, width), spec, FILL, generator(seed))
    assert image.shape == (3, 9, 11)
    assert labels.shape == (9, 11)
    known = labels != VOID
    torch.testing.assert_close(image[0][known], labels[known].float() / 10)
    torch.testing.assert_close(image[:, ~known], FILL[:, None].expand(3, int((~known).sum())))
    if height <= 9 and width <= 11:
        assert int(known.sum()) == height * width


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_scaling_invents_no_class_and_keeps_its_range(seed):
    spec = AugmentationSpec(scale_range=(0.5, 2.0), aspect=0.1, brightness=10)
    before, truth = picture(12, 16)
    image, labels = augment(before, truth, spec, FILL, generator(seed))
    assert set(labels.unique().tolist()) <= set(truth.unique().tolist())
    assert image.shape[-2:] == labels.shape
    assert 6 <= labels.shape[0] <= 24
    assert 0.9 * 8 - 1 <= labels.shape[1] <= 1.1 * 32 + 1
    assert 0 <= float(image.min()) <= float(image.max()) <= 1


def test_scales_are_chosen_from_the_list_and_all_come():
    spec = AugmentationSpec(flip=False, scales=(0.5, 1.0, 2.0))
    heights = {augment(*picture(8, 8), spec, FILL, generator(n))[1].shape[0] for n in range(40)}
    assert heights == {4, 8, 16}


def test_half_of_the_images_are_mirrored():
    image, labels = picture(6, 6)
    spec = AugmentationSpec()
    mirrored = 0
    for number in range(400):
        _, turned = augment(image, labels, spec, FILL, generator(number))
        assert torch.equal(turned, labels) or torch.equal(turned, labels.flip(-1))
        mirrored += torch.equal(turned, labels.flip(-1))
    assert 150 < mirrored < 250


def test_brightness_changes_by_at_most_so_many_grey_levels():
    image, labels = picture(6, 6)
    spec = AugmentationSpec(flip=False, brightness=10)
    changes = [
        float((augment(image, labels, spec, FILL, generator(n))[0] - image).mean())
        for n in range(50)
    ]
    assert 8 / 255 < max(changes) <= 10 / 255 + 1e-6
    assert -10 / 255 - 1e-6 <= min(changes) < -8 / 255


def test_the_same_place_gives_the_same_image():
    spec = AugmentationSpec(scale_range=(0.5, 2.0), crop=(8, 8), brightness=5)
    one, same, other = (augment(*picture(9, 9), spec, FILL, generator(7, n))[0] for n in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_padding_is_zero_behind_the_subtraction_of_the_mean():
    mean = tuple(FILL.tolist())
    image, labels = augment(*picture(4, 4), AugmentationSpec(crop=(6, 6)), FILL, generator(0))
    done = normalise(image, mean, (0.5, 0.5, 0.5))
    assert float(done[:, labels == VOID].abs().max()) < 1e-6


def test_a_list_and_a_range_of_scales_exclude_each_other():
    with pytest.raises(ValueError, match="exclude"):
        AugmentationSpec(scales=(1.0,), scale_range=(0.5, 2.0))
