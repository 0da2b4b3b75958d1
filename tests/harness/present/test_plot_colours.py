"""Colours of plots: told apart by the colour blind, and text in them can be read."""

from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest

from harness.present.plots import canvas

# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision
# Deficiency", IEEE TVCG 15(6), 2009: severity 1.0, for linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
# IEC 61966-2-1: linear sRGB to CIE XYZ, and its white.
XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = XYZ @ np.ones(3)
# A difference of 2.3 is just noticeable (Mahy et al., 1994); marks in a plot stand apart.
LEAST = 15.0


def seen(colour, vision):
    """CIE 1976 L*a*b* of a colour as that vision sees it."""
    rgb = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    share = XYZ @ np.clip(VISION[vision] @ linear, 0, 1) / WHITE
    cube = np.where(share > (6 / 29) ** 3, np.cbrt(share), share / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * cube[1] - 16, 500 * (cube[0] - cube[1]), 200 * (cube[1] - cube[2])])


def distance(one, other, vision):
    return float(np.linalg.norm(seen(one, vision) - seen(other, vision)))


@pytest.mark.parametrize("vision", VISION)
def test_series_are_told_apart(vision):
    pairs = {pair: distance(*pair, vision) for pair in combinations(canvas.PALETTE, 2)}
    assert min(pairs.values()) > LEAST, min(pairs, key=pairs.get)


def test_the_distance_can_fail():
    """Red and green of equal luminance: what the palette has to avoid."""
    assert distance("#C05000", "#7A7A00", "normal") > LEAST
    assert distance("#C05000", "#7A7A00", "deuteranopia") < LEAST
    assert distance("#FFFFFF", "#000000", "protanopia") == pytest.approx(100, abs=0.1)


def test_text_can_be_read_on_white():
    assert canvas.contrast("#000000") == pytest.approx(21)
    assert canvas.contrast("#767676") == pytest.approx(4.54, abs=0.01)
    for number in range(len(canvas.PALETTE)):
        assert canvas.contrast(canvas.text_colour(number)) >= canvas.TEXT_CONTRAST
    assert min(canvas.contrast(each) for each in (canvas.INK, canvas.FAINT)) >= canvas.TEXT_CONTRAST
    assert canvas.text_colour(0) == canvas.PALETTE[0].lower()  # dark enough as it is


def test_marks_of_one_colour_differ():
    forms = [(canvas.colour(number), canvas.marker(number)) for number in range(14)]
    assert len(set(forms)) == 14
