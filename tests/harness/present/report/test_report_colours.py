import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.present.plots.canvas import FAINT, INK, PALETTE, contrast
from harness.present.report.plots import dark

GROUND = "#181b20"  # --surface of a dark page


def test_contrast_is_that_of_the_standard():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)  # WCAG's own example


def test_the_style_sheet_has_the_ground_that_contrasts_are_tested_on():
    from harness.present.report.document import asset

    assert f"--surface: {GROUND};" in asset("page.css")


@pytest.mark.parametrize("colour", PALETTE)
def test_series_stand_out_from_a_dark_page(colour):
    assert contrast(dark(colour), GROUND) >= 3  # WCAG 2.2, 1.4.11


@pytest.mark.parametrize("colour", [INK, FAINT, "#000000", "#555555"])
def test_texts_can_be_read_on_a_dark_page(colour):
    assert contrast(dark(colour), GROUND) >= 4.5


@given(st.integers(0, 255), st.integers(0, 255))
def test_greys_change_their_order(first, second):
    low, high = sorted((first, second))
    light = [contrast(dark(f"#{grey:02x}{grey:02x}{grey:02x}"), "#000000") for grey in (low, high)]
    assert light[0] >= light[1]


@given(st.integers(0, 0xFFFFFF))
def test_every_colour_has_a_counterpart(number):
    found = dark(f"#{number:06x}")
    assert len(found) == 7
    assert 0 <= int(found[1:], 16) <= 0xFFFFFF


def test_different_series_stay_different():
    assert len({dark(colour) for colour in PALETTE}) == len(PALETTE)
