"""Receptive fields of networks whose field is known."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness.present.pictures.receptive_field import (
    demonstrate,
    draw_receptive_field,
    receptive_field,
)
from harness.present.plots.canvas import render


def image(height: int = 20, width: int = 30) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(3, height, width)


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_field_of_a_convolution_is_its_kernel(batch):
    """With windows of one pixel the field is |x - mean| times the weight of the tap, no more."""
    torch.manual_seed(0)
    picture = image()[:1]
    convolution = nn.Conv2d(1, 4, 5, padding=2)
    field = receptive_field(convolution, picture, (9, 13), window=1, stride=1, batch=batch)
    expected = torch.zeros(20, 30)
    taps = convolution.weight[:, 0].norm(dim=0)
    change = (picture[0, 7:12, 11:16] - picture.mean()).abs()
    expected[7:12, 11:16] = taps * change
    torch.testing.assert_close(field, expected.detach(), atol=1e-5, rtol=1e-4)


def test_field_of_a_global_mean_reaches_the_borders():
    """The last windows end at the border, so no pixel is left without a value."""
    picture = torch.arange(23 * 31, dtype=torch.float32).view(1, 23, 31)
    field = receptive_field(
        lambda x: F.adaptive_avg_pool2d(x, 1), picture, (3, 4), window=8, stride=5
    )
    assert field.shape == (23, 31)
    assert torch.isfinite(field).all()
    # Hiding a corner changes the mean most: this image grows from corner to corner.
    assert field.argmax() in (0, field.numel() - 1)
    assert (field[[0, 0, -1, -1], [0, -1, 0, -1]] > 0).all()


def test_a_pixel_gets_the_mean_over_the_windows_that_hide_it():
    picture = torch.tensor([[[4.0, 0.0, 0.0, 0.0]]])  # mean 1; the response is pixel (0, 0)
    field = receptive_field(lambda x: x, picture, (0, 0), window=2, stride=1)
    # Windows at columns 0, 1, 2 change the response by 3, 0, 0.
    torch.testing.assert_close(field, torch.tensor([[3.0, 1.5, 0.0, 0.0]]))


def test_position_is_scaled_to_the_output():
    picture = image(16, 16)
    field = receptive_field(lambda x: F.avg_pool2d(x, 4), picture, (9, 14), window=4, stride=4)
    inside = torch.zeros(16, 16, dtype=torch.bool)
    inside[8:12, 12:16] = True
    assert torch.equal(field > 1e-6, inside)


def test_window_larger_than_the_image_hides_all_of_it():
    picture = image(6, 7)
    field = receptive_field(lambda x: x, picture, (2, 3), window=64)
    change = (picture[:, 2, 3] - picture.mean(dim=(1, 2))).norm()
    torch.testing.assert_close(field, change.expand(6, 7))


def test_drawing_names_the_networks_and_measures_the_fields():
    fields = {"narrow": torch.zeros(20, 30), "wide": torch.ones(20, 30)}
    fields["narrow"][:10, :15] = 2.0
    figure = draw_receptive_field(image(), fields, (5, 6))
    panels = figure.axes[:3]
    assert [axes.get_title("left") or axes.get_title() for axes in panels] == [
        "image", "narrow", "wide",
    ]  # fmt: skip
    assert panels[1].get_xlabel().startswith("25%")
    assert panels[2].get_xlabel().startswith("100%")
    assert all(axes.lines[-1].get_xydata().tolist() == [[6, 5]] for axes in panels)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: receptive_field(nn.Identity(), image(), (20, 0)), "position"),
        (lambda: receptive_field(nn.Identity(), image(), (0, 0), window=0), "window"),
        (lambda: receptive_field(nn.Identity(), image(), (0, 0), stride=0), "stride"),
        (lambda: draw_receptive_field(image(), {}, (0, 0)), "empty"),
        (lambda: draw_receptive_field(image(), {"a": torch.zeros(3, 3)}, (0, 0)), "field of a"),
        (lambda: draw_receptive_field(image()[:2], {"a": torch.zeros(20, 30)}, (0, 0)), "image"),
    ],
)
def test_wrong_arguments_are_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()


@pytest.mark.slow
def test_demonstration_is_deterministic():
    assert render(demonstrate(), "png") == render(demonstrate(), "png")
