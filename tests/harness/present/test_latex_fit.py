"""Tables in a page's column: what is left out, shortened, set smaller, and cut in pieces."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rows import COLUMNS, Suite, make, ocnet, row, table4

from harness.present.formats import Cell, Column, Table
from harness.present.latex.columns import ranked
from harness.present.latex.fit import INCHES, MOST_LINES, fitted, piece_width
from harness.present.latex.heads import lines_of, shortened
from harness.present.latex.source import Typesetting, latex
from harness.suite.presentation import TableSpec

ONE, TWO = Typesetting(page=1), Typesetting(page=2)
WIDE = make(TableSpec(columns=COLUMNS), ocnet(), table4())


def table_of(heads, labels=("A", "B"), cell="12.345"):
    """A table of as many columns of numbers, told apart by their last digit."""
    columns = [Column("Label", tuple(Cell(each, each) for each in labels), "left", "label")]
    for number, head in enumerate(heads):
        cells = tuple(Cell(f"{cell}{row}", row) for row in range(len(labels)))
        columns.append(Column(head, cells, "right", f"c{number}"))
    return Table("t", tuple(columns), ())


def fits(text):
    (said,) = re.findall(r"^% Fits .*$", text, re.MULTILINE)
    return said


def test_what_fits_is_set_in_the_size_of_the_text():
    text = latex(table_of(["N"] * 3), "x", ONE)
    assert fits(text) == "% Fits one column of a page (3.5 in)."
    assert "tabcolsep" not in text
    assert "\n{" not in text  # no group is needed


def test_wide_heads_are_wrapped_before_anything_shrinks():
    text = latex(table_of(["Operations of all layers"] * 2), "x", ONE)
    assert r"\begin{tabular}[b]{@{}c@{}}Operations \\ of all layers\end{tabular}" in text
    assert "small" not in text
    wide = latex(table_of(["Operations of all layers"] * 3), "x", TWO)
    assert "[b]" not in wide  # there is room


def test_then_heads_are_shortened():
    heads = ["Parameters (M)", "Pixel accuracy (%)", "Algorithmic matmul MACs (G)", "N"]
    assert [shortened(head) for head in heads] == [
        "Params (M)", "Pixel acc. (%)", "Alg. matmul MACs (G)", "N",
    ]  # fmt: skip
    assert "Parameters" in latex(table_of(["Parameters (M)"] * 3), "x", ONE)
    text = latex(table_of(["Parameters (M)"] * 5), "x", ONE)
    assert "Params" in text
    assert "Parameters" not in text


def test_then_a_size_of_the_class_says_so():
    text = latex(table_of(["N"] * 6), "x", ONE)
    assert fits(text).endswith(r"(3.5 in) in \footnotesize.")
    assert r"{\footnotesize\setlength{\tabcolsep}{3pt}%" in text
    assert text.endswith("\\end{tabular}}\n")
    assert re.search(r"resizebox|scalebox|tiny|scriptsize", text) is None


def test_then_pieces_repeat_the_labels_and_keep_a_papers_figures_beside_ours():
    text = latex(WIDE, "x", ONE)
    assert fits(text).endswith("pieces.")
    pieces = text.split(r"\begin{tabular}{@{}l")[1:]
    assert len(pieces) > 1
    for piece in pieces:
        assert piece.count("Efficient Attention & ") == 1
        assert piece.count("{ours}") == piece.count("{paper}")
    one = latex(WIDE, "x", TWO)
    assert one.count(r"\toprule") == 1


def test_what_is_the_same_in_all_rows_is_said_instead():
    same = Column("Seeds", (Cell("3", 3), Cell("3", 3)), "right", "seeds")
    table = table_of(["N"])
    table = replace(table, columns=(*table.columns, same))
    text = latex(table, "x", ONE)
    assert "% In all rows: Seeds 3." in text.splitlines()
    assert "{Seeds}" not in text
    assert "{Seeds}" in latex(table, "x")  # of any width, all columns stay
    full = latex(table, "x", Typesetting(full=True, page=1))
    assert r"In all rows: Seeds 3. \par" in full.splitlines()


def test_long_labels_are_set_in_lines():
    labels = ("Pyramid of attentions over regions of one image", "/data/" + 50 * "x")
    text = latex(table_of(["N", "N"], labels), "x", ONE)
    assert r">{\raggedright\arraybackslash\hangindent1em}p{" in text
    assert r"\allowbreak{}" in text


def test_many_rows_are_cut_below_one_another():
    rows = [row(f"case {n}", n + 1, 1, 1, 1) for n in range(2 * MOST_LINES + 1)]
    table = make(TableSpec(columns=("label", "params")), Suite(), rows)
    bare, full = latex(table, "x"), latex(table, "x", Typesetting(full=True))
    assert bare.count(r"\toprule") == full.count(r"\toprule") == 3
    assert full.count(r"\begin{table}") == 2  # the last row has room beside the second piece
    assert full.count("(continued)") == full.count(r"\addtocounter{table}{-1}") == 1
    assert full.count(r"\label{") == 1
    assert full.count("case 80 &") == 1


def test_both_columns_are_a_float_over_both():
    assert r"\begin{table*}" in latex(WIDE, "x", Typesetting(full=True, page=2))
    assert r"\begin{table}" in latex(WIDE, "x", Typesetting(full=True, page=1))


def test_notes_that_would_be_higher_than_a_page_stand_behind_the_float():
    table = replace(table_of(["N"]), reading=tuple(f"note {n}" for n in range(60)))
    text = latex(table, "x", Typesetting(full=True))
    assert (
        text.index(r"\end{table}")
        < text.index(r"Notes on Table~\ref{tab:x}")
        < text.index("note 59")
    )


def test_a_table_without_rows_is_a_table():
    empty = make(TableSpec(columns=COLUMNS), Suite(), [])
    for typesetting in (None, ONE, Typesetting(full=True)):
        assert latex(empty, "x", typesetting).count(r"\toprule") == 1


HEADS = st.text(alphabet="abcWM ()/%", min_size=1, max_size=30).filter(str.strip)


@settings(deadline=None, max_examples=50)
@given(st.lists(HEADS, min_size=1, max_size=12), st.sampled_from(list(INCHES)))
def test_no_piece_is_estimated_wider_than_the_page(heads, page):
    table = table_of([" ".join(head.split()) for head in heads])
    columns = ranked(table, best=True, marks=True)
    layout = fitted(columns, page)
    longest = max(len(word) for head in heads for word in head.split())
    if longest < 12:  # no piece can be narrower than the longest word of a head
        assert all(
            piece_width(piece, layout.style) <= INCHES[page] * 72.27 for piece in layout.pieces
        )
    shown = [column.head for piece in layout.pieces for column in piece[1:]]
    assert shown == [column.head for column in columns[1:]]


@pytest.mark.parametrize(
    ("head", "room", "most", "lines"),
    [
        ("Live peak (MiB)", 100, 2, ["Live peak (MiB)"]),
        ("Live peak (MiB)", 45, 2, ["Live peak", "(MiB)"]),
        ("Live peak (MiB)", 10, 3, ["Live", "peak", "(MiB)"]),
        ("", 10, 2, [""]),
    ],
)
def test_heads_take_the_fewest_lines(head, room, most, lines):
    assert lines_of(head, room, most) == lines
