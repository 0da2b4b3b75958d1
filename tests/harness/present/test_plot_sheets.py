"""Sheets: a figure for a column, a page or a slide, in the font of the document."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from drawn_texts import drawn, outside, overlaps
from made_rows import Suite, draw, failed, ocnet, row, table4
from matplotlib.text import Text

from harness.messages import HarnessError
from harness.present.plots.canvas import render
from harness.present.plots.sheet import COLUMN, FIGURES, PAGE, SLIDE, sheet_of
from harness.suite.presentation import PlotSpec

LEAST = {"column": 6.0, "page": 6.0, "slide": 18.0}  # points
LOST = failed("DANet", "oom", "CUDA out of memory: needs 12.3 GiB, 4.0 GiB are free", factors={})
WIDE = [row(f"module {n}", 1, 10.0**n, 8, 1.5**n) for n in range(-2, 4)]
SWEPT = [
    row(f"{heads} {rate}", 1, heads * rate, 8, heads + rate, factors={"heads": heads, "rate": rate})
    for heads in (1, 2, 4, 8)
    for rate in (0.1, 0.3, 0.5, 0.7)
]
PLOTS = {
    "bar": (PlotSpec(kind="bar", y="flops"), ocnet(), [*table4(), LOST]),
    "dots": (PlotSpec(kind="bar", y="flops"), Suite(), [*WIDE, LOST]),
    "grouped": (PlotSpec(kind="bar", y=("flops_2x", "macs")), Suite(), [*table4()[:4], LOST]),
    "grouped dots": (PlotSpec(kind="bar", y=("flops_2x", "macs")), Suite(), WIDE),
    "scatter": (PlotSpec(kind="scatter", x="latency", y="memory"), ocnet(), table4()),
    "line": (PlotSpec(kind="line", x="rate", y="flops", series="heads"), Suite(), SWEPT),
    "heatmap": (PlotSpec(kind="heatmap", x="rate", y="heads", value="latency"), Suite(), SWEPT),
}


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("figure", FIGURES)
def test_texts_are_large_enough_cover_none_and_stay_inside(figure, plot):
    made = draw(*PLOTS[plot], None, FIGURES[figure])
    assert made.get_size_inches()[0] == FIGURES[figure].width
    assert (overlaps(made), outside(made)) == ([], [])
    shown = {text for text, _ in drawn(made)}
    sizes = [
        each.get_fontsize()
        for each in made.findobj(Text)
        if each.get_text() in shown and each.get_visible()
    ]
    assert sizes
    assert min(sizes) >= LEAST[figure]


def test_a_slide_is_16_to_9_and_a_column_half_a_page():
    spec, part, rows = PLOTS["scatter"]
    assert draw(spec, part, rows, None, SLIDE).get_size_inches() == pytest.approx(
        [13.333, 7.5], 1e-4
    )
    titled = draw(spec, part, rows, None, replace(SLIDE, titled=True))
    assert titled.get_size_inches()[1] == pytest.approx(7.5)
    column, page = (draw(spec, part, rows, None, each) for each in (COLUMN, PAGE))
    assert column.get_size_inches()[0] < page.get_size_inches()[0] / 2
    assert column.get_size_inches()[1] < page.get_size_inches()[1]


def test_no_title_and_no_note_stands_in_a_figure_unless_asked():
    spec, part, rows = PLOTS["bar"]
    figure = draw(spec, part, rows, None, PAGE)
    assert figure.texts == []
    title, *notes = figure.caption
    assert title == "ocnet-table4: FLOPs"
    assert "not shown: DANet (oom: CUDA out of memory: needs 12.3 GiB, 4.0 GiB are free)" in notes
    titled = draw(spec, part, rows, None, replace(PAGE, titled=True))
    said = " ".join(text.get_text() for text in titled.texts)
    assert title in said
    assert "not shown: DANet" in said


def svg_texts(figure):
    root = ET.fromstring(render(figure, "svg", text=True))
    return ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]


def test_text_of_an_svg_is_text_in_the_font_that_is_named():
    spec, part, rows = PLOTS["line"]
    figure = draw(spec, part, rows, None, sheet_of("column", "dejavu serif"))
    assert {"heads = 8", "FLOPs (GFLOPs)", "rate", "0.5"} <= set(svg_texts(figure))
    content = render(figure, "svg", text=True).decode()
    fonts = set(re.findall(r"font-family: ([^;\"]*)|font: ([^;\"]*)", content))
    assert fonts
    # Letters that it lacks, and readers without it, have others.
    assert all(re.search("'DejaVu Serif', 'DejaVu Sans', .*sans-serif", "".join(f)) for f in fonts)
    assert b"<text" not in render(figure, "svg")  # on a page without the font: shapes


def test_a_pdf_has_the_font_embedded_as_truetype():
    spec, part, rows = PLOTS["line"]
    file = render(draw(spec, part, rows, None, sheet_of(font="DejaVu Serif")), "pdf")
    assert b"DejaVuSerif" in file
    assert b"/FontFile2" in file
    assert b"/Type3" not in file


def test_savefig_writes_the_file_that_is_rendered(tmp_path):
    spec, part, rows = PLOTS["line"]
    figure = draw(spec, part, rows, None, sheet_of("column", "DejaVu Serif"))
    for kind in ("png", "svg", "pdf"):
        figure.savefig(tmp_path / f"plot.{kind}")
        assert (tmp_path / f"plot.{kind}").read_bytes() == render(figure, kind, text=True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"figure": "colum"}, "figure colum: no such size; did you mean column?"),
        (
            {"font": "DejaVu Serf"},
            "font DejaVu Serf: not installed here; did you mean DejaVu Serif",
        ),
        ({"font": "Qqqqq"}, "font Qqqqq: not installed here; there are "),
    ],
)
def test_mistakes_name_what_is_near(given, said):
    with pytest.raises(HarnessError) as found:
        sheet_of(**given)
    assert str(found.value).startswith(said)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("figure", FIGURES)
def test_long_labels_leave_room_for_bars(figure):
    label = "a label of many words that goes on for longer than any table of a paper would bear"
    rows = [row(f"{label} {n}", 1, n, 8, n) for n in (1, 2, 3)]
    (axes,) = draw(PlotSpec(kind="bar", y="flops"), Suite(), rows, None, FIGURES[figure]).axes
    assert axes.get_position().width > 0.4
    names = [each.get_text() for each in axes.get_yticklabels()]
    assert len(set(names)) == 3  # the end, which tells them apart, is there
    assert names[0].startswith("a label")


def test_a_bitmap_for_print_has_300_dots_per_inch():
    spec, part, rows = PLOTS["line"]
    png = render(draw(spec, part, rows, None, COLUMN), "png")
    assert int.from_bytes(png[16:20], "big") == 3.5 * 300
