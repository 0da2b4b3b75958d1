"""Text in LaTeX: nothing active is left, and its width is known before TeX has set it."""

import re
import string
from pathlib import Path

import matplotlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.present.latex.text import CHARACTER, comment, cut, formula, latex_text
from harness.present.latex.width import SIZES, number_width, text_width


def parsed(text):
    """Text without the commands that `latex_text` makes; what is active then is its mistake."""
    text = re.sub(re.escape(CHARACTER) + r"\{([^\x00-\x7f]|\?)\}\{[0-9A-F]+\}", "", text)
    text = re.sub(r"\$(\\[A-Za-z]+|-|\^\{(2|3|\\circ)\})\$", "", text)
    text = re.sub(r"\\[`'^~=u.\"rHvc]\{(\\[ij]|[A-Za-z])\}", "", text)
    text = re.sub(r"\\(text[a-z]+|ldots|ss|ae|AE|oe|OE|[oOlLiS]|`)\{\}", "", text)
    text = re.sub(r"\{[\[\]*]\}", "", text).replace("{}", "").replace("~", "")
    return re.sub(r"\\[{}$&#%_]", "", text)


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=30))
def test_escaped_text_leaves_nothing_active(text):
    assert re.search(r"[\\{}$&#%_^~\x00-\x1f\x7f]|[^\x00-\x7f]", parsed(latex_text(text))) is None


@settings(deadline=None, max_examples=50)
@given(st.text(alphabet=string.ascii_letters + string.digits + " .,;:/()=+@", max_size=30))
def test_plain_text_stays_as_it_is(text):
    assert latex_text(text).replace("{}", "") == " ".join(text.split())


def test_characters_have_their_commands():
    assert latex_text("é ï ß") == r"\'{e} \"{\i} \ss{}"
    assert latex_text('"a" -- x') == "``a'' -{}- x"
    assert latex_text("2 × 3 ± µ") == r"2 $\times$ 3 $\pm$ $\mu$"
    assert latex_text("\ufffd") == r"\harnesschar{?}{FFFD}"  # LuaTeX refuses it as it is
    assert latex_text("漢") == r"\harnesschar{漢}{6F22}"


def test_powers_of_a_printed_order_are_raised():
    assert formula("O(C (HW)^2 + x^10)") == "O(C (HW)$^{2}$ + x$^{10}$)"
    assert formula("a ^ b") == r"a \textasciicircum{} b"


def test_long_words_may_break():
    assert cut("a /tmp/long_x", 4) == r"a /tmp\allowbreak{}/lon\allowbreak{}g\_x"
    assert latex_text("short words") == cut("short words", 5)


def test_a_comment_is_one_line():
    assert comment("a \n b % \ufffd") == "% a b % ?"


def test_widths_are_those_of_the_font():
    """Computer Modern, as matplotlib ships its metrics."""
    metrics = Path(matplotlib.get_data_path(), "fonts", "afm", "cmr10.afm").read_text("ascii")
    found = re.findall(r"^C (\d+) ; WX ([\d.]+) ; N (\S+)", metrics, re.MULTILINE)
    letters = {name: float(width) for _, width, name in found if len(name) == 1}
    assert set(letters) == set(string.ascii_letters)
    for letter, width in letters.items():
        assert text_width(letter) == pytest.approx(width / 100, abs=0.01)
    names = {name: float(width) for _, width, name in found}
    assert text_width("0.,(+-/") == pytest.approx(
        sum(names[name] for name in ("zero", "period", "comma", "parenleft", "plus", "hyphen"))
        / 100
        + names["slash"] / 100,
        abs=0.05,
    )


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=20), st.text(max_size=20))
def test_longer_text_is_not_narrower(text, more):
    assert 0 <= text_width(text) <= text_width(text + more) + 1e-9


def test_bold_is_wider_and_small_sizes_narrower():
    assert number_width("-1.5") > text_width("-1.5")  # its sign is that of mathematics
    assert number_width("1.5", bold=True) > number_width("1.5")
    assert [size.scale for size in SIZES] == sorted((size.scale for size in SIZES), reverse=True)
