"""LaTeX tables: what is shown of a table, numbers aligned, ranks and verdicts marked."""

import re
import string
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rows import COLUMNS, Suite, failed, make, ocnet, row, table4

from harness.judge.part import Context
from harness.present.best import ranks
from harness.present.formats import Cell, Column, Spread, Table
from harness.present.latex.source import Typesetting, TypesettingError, latex, typesetting_of
from harness.suite.presentation import PivotSpec, TableSpec

SPEC = TableSpec(columns=COLUMNS)
CONTEXT = Context(
    machine={"cpu": "x86_64", "gpus": [{"name": "Tesla X", "memory_gib": 16}]},
    versions={"python": "3.11", "torch": "2.13.0"},
)
FULL = Typesetting(full=True)


def one(label, **more):
    return make(TableSpec(columns=("label", "params")), Suite(), [row(label, 1, 1, 1, 1, **more)])


def lines_of(text):
    """The rows of the first tabular."""
    return text.partition("\\midrule\n")[2].partition("\\bottomrule")[0].strip().splitlines()


def comments_of(text):
    return [line[2:] for line in text.splitlines() if line.startswith("% ")]


def test_the_bare_form_is_the_tabular_alone():
    text = latex(make(SPEC, ocnet(title="Twelve heads"), table4(), CONTEXT), "table 4_x")
    first, packages, *_ = comments_of(text)
    assert first == "Twelve heads (input 1×2048×128×128, float32, inference)."
    assert packages == r"\usepackage{booktabs,siunitx}"
    body = [line for line in text.splitlines() if not line.startswith("%")]
    assert body[0].startswith(r"\begin{tabular}")
    assert body[-1] == r"\end{tabular}"
    for rule in ("toprule", "midrule", "bottomrule"):
        assert text.count(f"\\{rule}") == 1
    for absent in ("caption", "label", "resizebox", "adjustbox", "tiny", "scriptsize", "2.13.0"):
        assert absent not in text


def test_ours_stands_beside_the_papers_figure_without_marks():
    text = latex(make(SPEC, ocnet(), table4(), CONTEXT), "x")
    assert r"\multicolumn{3}{c}{FLOPs (GFLOPs)}" in text
    assert r"\cmidrule(lr){3-5}" in text
    assert re.search(r"\{ours\} & \{paper\} & \{\$\\Delta\$ \(\\%\)\}", text)
    body = lines_of(text)
    assert len(body) == 12
    assert {line.count(" & ") for line in body} == {9}  # no column of verdicts
    assert body[0].startswith("PPM & 23.074 & 618.580 & 619 & -0.07 & 504.0 & 792 & -36.36 &")
    assert "dagger" not in text
    assert "Verdict" not in text


def test_the_full_form_defines_its_marks():
    text = latex(make(SPEC, ocnet(), table4(), CONTEXT), "table 4_x", FULL)
    assert r"\label{tab:table-4-x}" in text
    assert r"\usepackage{amssymb,booktabs,siunitx}" in comments_of(text)
    body = lines_of(text)
    assert r"-0.07{$^{\checkmark}$} & 504.0 & 792 & -36.36{$^{\ddagger}$}" in body[0]
    assert r"-28.91{$^{\times}$}" in body[1]
    notes = text.partition(r"\begin{minipage}")[2]
    for mark in (r"$\checkmark$ agrees: within 0.1 \%", r"$\times$ differs", r"$\ddagger$ not"):
        assert mark in notes
    for environment in ("table", "minipage"):
        assert text.count(rf"\begin{{{environment}}}") == text.count(rf"\end{{{environment}}}") == 1


def test_the_caption_is_short_and_the_notes_say_what_changes_the_reading():
    text = latex(make(SPEC, ocnet(title="Twelve heads"), table4(), CONTEXT), "x", FULL)
    (caption,) = re.findall(r"^\\caption\[Twelve heads\]\{(.*)\}$", text, re.MULTILINE)
    times = r"$\times$"
    shape = times.join(("1", "2048", "128", "128"))
    assert caption == f"Twelve heads (input {shape}, float32, inference)."
    notes = text.partition(r"\begin{minipage}")[2].partition(r"\end{minipage}")[0]
    assert "FLOPs: GFLOPs = (2 conv MACs + 2 matmul MACs) / 1e9." in notes
    assert "Measured on Tesla X." in notes
    assert "Paper: OCNet" in notes
    assert "torch" not in text
    assert len(notes.splitlines()) < 10
    counted = TableSpec(columns=("label", "params"))
    assert "Measured on" not in latex(make(counted, ocnet(), table4(), CONTEXT), "x", FULL)


def test_a_column_of_verdicts_stays_where_nothing_else_tells_them():
    spec = TableSpec(columns=("label", "params", "flops", "verdict"), reported=False)
    table = make(spec, ocnet(), table4())
    assert "Verdict" not in latex(table, "x")
    assert "Verdict" in latex(table, "x", FULL)
    alone = make(TableSpec(columns=("label", "verdict")), ocnet(), table4())
    assert "Verdict" in latex(alone, "x")


def test_numbers_have_the_room_that_they_need():
    rows = [row("a", 1, 1234.5, 8, 0.5), row("b", 1, 2.25, 8, 20.0)]
    text = latex(make(SPEC, Suite(), rows), "x")
    (columns,) = re.findall(r"\\begin\{tabular\}\{@\{\}(l.*)@\{\}\}", text)
    assert re.findall(r"table-format=([+\d.]+)", columns) == ["1.3", "4.3", "1.1", "2.3"]
    judged = latex(make(SPEC, ocnet(), table4()), "x")
    assert "S[table-format=+1.2, retain-explicit-plus]" in judged  # differences carry their sign
    large = latex(make(SPEC, Suite(), [row("a", 12345, 1, 1, 1)]), "x")
    assert "S[table-format=5.3, group-digits=false]" in large


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.from_regex(r"[-+]?[0-9]{1,7}(\.[0-9]{1,5})?", fullmatch=True), min_size=2),
    st.sampled_from(["min", "max", None]),
)
def test_every_number_fits_the_format_of_its_column(texts, aim):
    """Bare and bold ones are parsed by siunitx; what is underlined is padded to the same room."""
    cells = tuple(Cell(text, text) for text in texts)
    labels = tuple(Cell(f"r{n}", n) for n in range(len(texts)))
    table = Table(
        "t", (Column("L", labels, "left", "l"), Column("N", cells, "right", "n", aim=aim)), ()
    )
    text = latex(table, "x")
    (found,) = re.findall(r"table-format=(\+?)(\d+)\.?(\d*)", text)
    signed, room = bool(found[0]), (int(found[1]), int(found[2] or 0))
    for line, shown in zip(lines_of(text), texts, strict=True):
        cell = line.partition(" & ")[2].removesuffix(r" \\")
        bare = re.sub(r"\\phantom\{[-\d.]*\}|\\underline|\\bfseries |[{}$]", "", cell)
        assert bare == shown
        filled = re.sub(r"\\phantom|\\underline|\\bfseries |[{}$]", "", cell)
        if r"\underline" in cell:
            assert ("-" in filled or "+" in filled, *_digits(filled)) == (signed, *room)
        else:
            assert all(own <= most for own, most in zip(_digits(filled), room, strict=True))
            assert signed or filled[0] not in "+-"
    assert ("retain-explicit-plus" in text) is any(each[0] == "+" for each in texts)


def _digits(text):
    whole, _, decimals = re.sub(r"[-+]", "", text).partition(".")
    return len(whole), len(decimals)


LABELS = st.lists(
    st.text(alphabet=string.punctuation + "aé漢✓ \n\t", min_size=1, max_size=20),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=40)
@given(LABELS, st.sampled_from([None, Typesetting(page=1), FULL, Typesetting(full=True, page=2)]))
def test_labels_of_any_characters_keep_the_structure(labels, typesetting):
    rows = [row(label, index + 1, 1, 1, 1) for index, label in enumerate(labels)]
    text = latex(
        make(TableSpec(columns=("label", "params", "flops")), Suite(), rows), "x", typesetting
    )
    plain = re.sub(r"\\[{}$&#%_]", "", text)
    code = "\n".join(line for line in plain.splitlines() if not line.startswith("% "))
    assert code.count("{") == code.count("}")
    assert code.count("$") % 2 == 0
    body = lines_of(plain)
    assert len(body) == len(rows)
    assert len({line.count("&") for line in body}) == 1
    assert all(line.endswith(r"\\") for line in body)
    assert ("amssymb" in text) is (r"\checkmark" in text)


def test_a_failed_row_has_its_status_in_place_and_its_cause_in_the_notes():
    rows = [row("A", 1, 1, 1, 1), failed("B", "oom", "CUDA out of memory: 3 GiB & 1 %")]
    table = make(SPEC, Suite(), rows)
    assert lines_of(latex(table, "x"))[1] == r"B & {oom} & {--} & {--} & {--} \\"
    assert "CUDA" not in latex(table, "x")
    assert r"B: oom: CUDA out of memory: 3 GiB \& 1 \%" in latex(table, "x", FULL)


def test_best_is_bold_and_second_underlined():
    rows = [row("A", 1, 30, 4, 1), row("B", 2, 20, 4, 1), row("C", 3, 100, 5, 1)]
    spec = TableSpec(columns=("label", "params", "flops", "memory"))
    table = make(spec, Suite(), rows)
    assert "bfseries" not in latex(table, "x", Typesetting(best=False))
    text = latex(table, "x")
    first, second, third = lines_of(text)
    assert first.startswith(r"A & \bfseries 1.000 & {$\phantom{0}\underline{30.000}$} &")
    assert second.startswith(r"B & {$\underline{2.000}$} & \bfseries 20.000 &")
    assert third.startswith("C & 3.000 & 100.000 &")
    assert "Bold: best of a column; underlined: second." in comments_of(text)
    assert "Bold" not in latex(make(spec, Suite(), rows[:1]), "x")  # nothing to mark


def test_the_suite_says_which_columns_and_which_way():
    rows = [row("A", 1, 30, 4, 1, miou=0.5), row("B", 2, 20, 4, 1, miou=0.6)]
    columns = ("label", "params", "flops", "miou")
    asked = TableSpec(columns=columns, best={"params": "max"})
    assert lines_of(latex(make(asked, Suite(), rows), "x")) == [
        r"A & {$\underline{1.000}$} & 30.000 & 50.00 \\",
        r"B & \bfseries 2.000 & 20.000 & 60.00 \\",
    ]
    usual = TableSpec(columns=columns)
    assert lines_of(latex(make(usual, Suite(), rows), "x"))[1].endswith(
        r"\bfseries 20.000 & \bfseries 60.00 \\"
    )


def test_rows_that_did_other_work_are_not_compared():
    small, large = [[1, 8, 4, 4]], [[1, 8, 9, 9]]
    rows = [
        row("A", 1, 30, 4, 1, input=small),
        row("B", 2, 20, 4, 1, input=small),
        row("C", 3, 90, 5, 1, input=large),
        row("D", 4, 80, 5, 1, input=large),
        failed("E", "error", "no", params=1, input=large),
    ]
    text = latex(make(TableSpec(columns=("label", "params")), Suite(), rows), "x")
    assert [r"\bfseries" in line for line in lines_of(text)] == [True, False, True, False, False]
    assert any("among the rows of the same input" in line for line in comments_of(text))
    assert "underline" not in lines_of(text)[4]


def test_a_conclusion_is_said_in_both_forms():
    table = replace(one("A"), conclusions=("A is twice as fast.",))
    assert "A is twice as fast." in comments_of(latex(table, "x"))
    full = latex(table, "x", FULL)
    assert r"A is twice as fast. \par" in full.splitlines()


def test_ends_of_intervals_are_not_ranked():
    columns = ("label", "latency", "latency_low_seconds", "latency_high_seconds")
    rows = [row("A", 1, 1, 1, 2), row("B", 1, 1, 1, 3)]
    text = latex(make(TableSpec(columns=columns), Suite(), rows), "x")
    assert text.count(r"\bfseries") == text.count(r"\underline") == 1


def test_best_names_columns():
    with pytest.raises(ValueError, match="best names latency, which is no column"):
        TableSpec(columns=("label", "params"), best={"latency": "min"})
    with pytest.raises(ValueError, match="'min' or 'max'"):
        TableSpec(columns=("label", "params"), best={"params": "low"})


@pytest.mark.parametrize(
    ("texts", "aim", "expected"),
    [
        (["3", "1", "2"], "min", [None, 1, 2]),
        (["3", "1", "2"], "max", [1, None, 2]),
        (["3", "1", "2"], None, [None, None, None]),
        (["1.0", "1.0", "2"], "min", [1, 1, None]),  # two firsts, no second
        (["1", "2", "2"], "min", [1, 2, 2]),
        (["5", "5"], "min", [None, None]),
        (["-0.5", "+0.5", "oom", "–"], "min", [1, 2, None, None]),
        (["oom", "7"], "min", [None, None]),
        ([], "min", []),
    ],
)
def test_ranks_go_by_what_is_shown(texts, aim, expected):
    assert ranks(texts, aim) == expected


def test_what_has_no_value_is_left_out_and_named():
    rows = [row("A", 1, 1, 1, 1), row("B", 2, 1, 1, 1)]
    for each in rows:
        del each["latency_seconds"]
    table = make(TableSpec(columns=("label", "params", "latency")), ocnet(), rows)
    text = latex(table, "x")
    assert "Left out, without a value: Latency (ms)." in comments_of(text)
    assert text.count("S[") == 1
    assert "Latency: median" not in latex(table, "x", FULL)  # nor explained


def test_rows_without_a_value_are_left_out_and_counted():
    cells = (Cell("1", 1), Cell("–", None), Cell("3", 3))
    labels = tuple(Cell(each, each) for each in "ABC")
    columns = (Column("L", labels, "left", "l"), Column("N", cells, "right", "n"))
    text = latex(Table("t", columns, ()), "x")
    assert "Left out, without a value in any column: 1 rows." in comments_of(text)
    assert [line[0] for line in lines_of(text)] == ["A", "C"]


def test_too_few_samples_are_neither_best_nor_second():
    spread = (Spread("0.1", "", 9, 6), Spread("", "", 1, 6), Spread("0.1", "", 9, 6))
    cells = tuple(Cell(str(n + 1), n, spread=each) for n, each in enumerate(spread))
    labels = tuple(Cell(each, each) for each in "ABC")
    columns = (Column("L", labels, "left", "l"), Column("N", cells, "right", "n", aim="min"))
    assert lines_of(latex(Table("t", columns, ()), "x")) == [
        r"A & \bfseries 1 \\",
        r"B & 2 \\",
        r"C & {$\underline{3}$} \\",
    ]


def test_labels_lose_the_axis_that_they_share():
    rows = [row(f"{name} (input=1x8x4x4)", n + 1, 1, 1, 1) for n, name in enumerate("AB")]
    text = latex(make(TableSpec(columns=("label", "params")), Suite(), rows), "x")
    assert lines_of(text)[0].startswith("A & ")
    assert "In all rows: input=1x8x4x4." in comments_of(text)
    assert r"A (input=1x8x4x4)" in latex(one("A (input=1x8x4x4)"), "x")


def test_a_pivot_has_one_head_over_its_columns():
    rows = [
        row(f"{k} {n}", k, 1, 1, 1, factors={"k": k, "n": n}, arguments={"k": k, "n": n})
        for k in (1, 2)
        for n in (3, 4)
    ]
    spec = TableSpec(pivot=PivotSpec(rows="k", columns="n", value="params"))
    text = latex(make(spec, Suite(), rows), "x")
    assert r"\multicolumn{2}{c@{}}{" in text
    assert "bfseries" not in text  # its cells are of no one column


def test_characters_that_tex_lacks_bring_their_definition():
    text = latex(one("漢"), "x")
    assert text.index(r"\providecommand{\harnesschar}") < text.index(r"\begin{tabular}")
    assert r"\providecommand" not in latex(one("plain"), "x")


def test_typesetting_is_asked_for_in_words():
    assert typesetting_of() is None
    assert typesetting_of(best=False) == Typesetting(best=False)
    assert typesetting_of(page=2, full=True) == Typesetting(full=True, page=2)
    with pytest.raises(TypesettingError, match="3 columns: a page has 1 or 2"):
        typesetting_of(page=3)
