"""LaTeX tables: nothing active in text, numbers aligned, ranks marked, and TeX takes them."""

import re
import shutil
import string
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rows import COLUMNS, Suite, failed, make, ocnet, row, table4

from harness.judge.part import Context
from harness.present.best import ranks
from harness.present.latex import CHARACTER, MOST_ROWS, latex, latex_text
from harness.suite.presentation import TableSpec

SPEC = TableSpec(columns=COLUMNS)
BEST = TableSpec(columns=COLUMNS, best="auto")
CONTEXT = Context(machine={"cpu": "x86_64"}, versions={"python": "3.11", "torch": "2.13.0"})
HOSTILE = (
    r"\input{x} $a_b^c$ & 100% #1 {~} <|> [z] * \end{table}",
    "'' -- --- `` ,, ?` !` \" \\\\ \\",
    "àéîñöçÅőǧ ĳ ﬁ é\u0301 ﷽ ÿ ı ȷ",
    "αβγδεζηθικλμνξπρστυφχψω ΓΔΘΛΞΠΣΦΨΩ ≤≥≠≈∞∈→←↑↓⊕⊗√µ×±÷·−°²³",
    "漢字 🎉 русский עברית \u202eabc\u0000\x1b[31m",
    "a\n\n\nb \t c\r\n % end",
    "[x] first, * second",
    "",
    "{",
    "}",
)


def one(label, **more):
    return make(TableSpec(columns=("label", "params")), Suite(), [row(label, 1, 1, 1, 1, **more)])


def parsed(text):
    """Text without the commands that `latex_text` makes; what is active then is its mistake."""
    text = re.sub(re.escape(CHARACTER) + r"\{[^\x00-\x7f]\}\{[0-9A-F]+\}", "", text)
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
    assert latex_text("漢") == r"\harnesschar{漢}{6F22}"
    text = latex(one("漢"), "x")
    assert text.index(r"\providecommand{\harnesschar}") < text.index(r"\begin{table}")
    assert r"\providecommand" not in latex(one("plain"), "x")


def test_a_table_is_complete():
    text = latex(make(SPEC, ocnet(), table4(), CONTEXT), "table 4_x")
    for rule in ("toprule", "midrule", "bottomrule"):
        assert text.count(f"\\{rule}") == 1
    assert r"\label{tab:table-4-x}" in text
    assert r"\multicolumn{4}{c}{FLOPs (GFLOPs)}" in text
    body = lines_of(text)
    assert len(body) == 12
    assert {line.count(" & ") for line in body} == {12}
    assert body[0].startswith(
        r"PPM & 23.074 & 618.580 & 619 & -0.07 & $\checkmark$ & 504.0 & 792 & -36.36 & $\ddagger$ &"
    )
    assert r"& -28.91 & $\times$ &" in body[1]
    assert text.count(r"S[table-format=+1.2]@{\,}l") == 1  # numbers stay bare, marks beside them
    assert text.index(r"\providecommand{\checkmark}") < text.index(r"\begin{table}")
    for environment in ("table", "adjustbox", "minipage"):
        assert text.count(rf"\begin{{{environment}}}") == text.count(rf"\end{{{environment}}}") == 1


def lines_of(text):
    return text.partition("\\midrule\n")[2].partition("\\bottomrule")[0].strip().splitlines()


def test_the_caption_says_what_is_counted_where_and_by_what():
    text = latex(make(SPEC, ocnet(title="Twelve heads"), table4(), CONTEXT), "x")
    (caption,) = re.findall(r"^\\caption\[Twelve heads\]\{(.*)\}$", text, re.MULTILINE)
    assert "FLOPs, convention flops: GFLOPs = (2 conv MACs + 2 matmul MACs) / 1e9." in caption
    assert "device cuda; dtype float32; pass inference; input 1x2048x128x128" in caption
    assert "Versions: python 3.11, torch 2.13.0." in caption
    notes = text.partition(r"\begin{minipage}")[2]
    assert "Machine: cpu" in notes
    assert "torch 2.13.0" not in notes  # said once


def test_numbers_have_the_room_that_they_need():
    rows = [row("a", 1, 1234.5, 8, 0.5), row("b", 1, 2.25, 8, 20.0)]
    text = latex(make(SPEC, Suite(), rows), "x")
    (columns,) = re.findall(r"\\begin\{tabular\}\{@\{\}(.*)@\{\}\}", text)
    formats = re.findall(r"table-format=([+\d.]+)", columns)
    assert formats == ["1.3", "4.3", "1.1", "2.3"]
    assert columns[0] == columns[-1] == "l"  # label and verdict are words
    judged = latex(make(SPEC, ocnet(), table4()), "x")
    assert "table-format=+1.2" in judged  # differences carry their sign


def test_a_failed_row_has_its_status_in_place_and_its_cause_in_the_notes():
    rows = [row("A", 1, 1, 1, 1), failed("B", "oom", "CUDA out of memory: 3 GiB & 1 %")]
    text = latex(make(SPEC, Suite(), rows), "x")
    assert lines_of(text)[1] == r"B & {oom} & {--} & {--} & {--} & oom \\"
    assert r"B: oom: CUDA out of memory: 3 GiB \& 1 \%" in text


def test_best_is_bold_and_second_underlined_on_request():
    rows = [row("A", 1, 30, 4, 1), row("B", 2, 20, 4, 1), row("C", 3, 100, 5, 1)]
    spec = TableSpec(columns=("label", "params", "flops", "memory"))
    table = make(spec, Suite(), rows)
    assert "bfseries" not in latex(table, "x") + latex(table, "x", best=False)
    text = latex(table, "x", best=True)
    first, second, third = lines_of(text)
    assert first.startswith(r"A & \bfseries 1.000 & {$\phantom{0}\underline{30.000}$} &")
    assert second.startswith(r"B & {$\underline{2.000}$} & \bfseries 20.000 &")
    assert third.startswith("C & 3.000 & 100.000 &")
    assert "Bold: best of a column; underlined: second." in text
    assert "Bold" not in latex(make(spec, Suite(), rows[:1]), "x", best=True)  # nothing to mark


def test_the_suite_says_which_columns_and_which_way():
    rows = [row("A", 1, 30, 4, 1, miou=0.5), row("B", 2, 20, 4, 1, miou=0.6)]
    columns = ("label", "params", "flops", "miou")
    asked = TableSpec(columns=columns, best={"params": "max"})
    assert lines_of(latex(make(asked, Suite(), rows), "x")) == [
        r"A & {$\underline{1.000}$} & 30.000 & 50.00 \\",
        r"B & \bfseries 2.000 & 20.000 & 60.00 \\",
    ]
    auto = TableSpec(columns=columns, best="auto")
    assert lines_of(latex(make(auto, Suite(), rows), "x"))[1].endswith(
        r"\bfseries 20.000 & \bfseries 60.00 \\"
    )


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


def test_many_rows_break_over_pages():
    rows = [row(f"case {number}", 1, number + 1, 1, 1) for number in range(MOST_ROWS + 1)]
    text = latex(make(SPEC, Suite(), rows), "x")
    assert text.count(r"\begin{longtable}") == text.count(r"\end{longtable}") == 1
    assert r"\begin{table}" not in text
    assert text.count(r"\toprule") == 2  # the first head and the one of later pages


DOCUMENT = r"""\documentclass{article}
\usepackage{booktabs,siunitx,adjustbox,longtable}
\hfuzz=1pt
\begin{document}
%s
\end{document}
"""
PACKAGES = ("booktabs.sty", "siunitx.sty", "adjustbox.sty", "longtable.sty")


def lacking_tex():
    if shutil.which("pdflatex") is None or shutil.which("kpsewhich") is None:
        return True
    found = subprocess.run(["kpsewhich", *PACKAGES], capture_output=True, check=False)
    return len(found.stdout.split()) < len(PACKAGES)


def compiled(tables, folder: Path):
    """The log of a document of the tables."""
    document = DOCUMENT % "\n\\clearpage\n".join(tables)
    (folder / "tables.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=240, check=False)
    log = (folder / "tables.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, re.findall(r"^!.*(?:\n.*){0,6}", log, re.MULTILINE)
    assert (folder / "tables.pdf").read_bytes().startswith(b"%PDF")
    return log


@pytest.mark.skipif(lacking_tex(), reason="pdflatex with booktabs, siunitx, adjustbox, longtable")
def test_tex_compiles_the_tables_within_the_page(tmp_path):
    many = [row(f"case {number}", 1, number + 1, 1, 1) for number in range(2 * MOST_ROWS)]
    hostile = [row(label, index + 1, 1, 1, 1) for index, label in enumerate(HOSTILE)]
    lost = [*table4()[:3], failed("Lost", "oom", HOSTILE[0]), failed("Gone", "timeout", HOSTILE[4])]
    noted = [failed(f"lost {number}", "error", "x" * 99) for number in range(MOST_ROWS)]
    tables = [
        latex(make(BEST, ocnet(), table4(), CONTEXT), "ocnet"),
        latex(make(BEST, ocnet(note=HOSTILE[1]), lost, CONTEXT), "lost"),
        latex(make(BEST, Suite(title=HOSTILE[0]), hostile, CONTEXT), "hostile"),
        latex(make(SPEC, Suite(title=HOSTILE[3]), many, CONTEXT), "many"),
        latex(make(SPEC, Suite(title=HOSTILE[4]), noted, CONTEXT), "noted"),
        latex(make(SPEC, Suite(), [], CONTEXT), "empty"),
    ]
    log = compiled(tables, tmp_path)
    assert "Overfull" not in log
    assert "Float too large" not in log


@pytest.mark.skipif(lacking_tex(), reason="pdflatex with booktabs, siunitx, adjustbox, longtable")
def test_tex_refuses_what_is_not_escaped(tmp_path):
    """The test above can fail: the same document with one active character does."""
    with pytest.raises(AssertionError):
        compiled([latex(one("plain"), "x").replace("plain", "pl_ain")], tmp_path)
