"""TeX takes the tables, and they fit; where no TeX is installed, these tests are skipped."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from made_rows import COLUMNS, Suite, failed, make, ocnet, row, table4

import harness
from harness.judge.part import Context
from harness.present.latex.fit import INCHES
from harness.present.latex.source import Typesetting, latex
from harness.suite.presentation import TableSpec

ROOT = Path(__file__).parents[3]
KEPT = (ROOT / "results" / "efficiency", ROOT / "results/ablations/ablation-ranet-context")
SPEC = TableSpec(columns=COLUMNS)
HOSTILE = (
    r"\input{x} $a_b^c$ & 100% #1 {~} <|> [z] * \end{table}",
    "'' -- --- `` ,, ?` !` \" \\\\ \\",
    "àéîñöçÅőǧ ĳ ﬁ é\u0301 ﷽ ÿ ı ȷ",
    "αβγδεζηθικλμνξπρστυφχψω ΓΔΘΛΞΠΣΦΨΩ ≤≥≠≈∞∈→←↑↓⊕⊗√µ×±÷·−°²³ ✓✗†‡",
    "漢字 🎉 русский עברית \u202eabc\u0000\x1b[31m",
    "a\n\n\nb \t c\r\n % end",
    "[x] first, * second",
    "",
    "{",
    "}",
)
PACKAGES = ("amssymb", "booktabs", "siunitx")
# A page of two columns as IEEE has it; a line that is too wide by a thousandth is reported.
DOCUMENT = r"""\documentclass[10pt,twocolumn]{article}
\usepackage{%s}
\textwidth=%sin \textheight=9.3in \columnsep=0.16in \topmargin=-0.5in
\hfuzz=0.01pt \parindent=0pt \raggedbottom
\begin{document}
%s
\end{document}
"""


def lacking():
    """Why nothing can be compiled, if so."""
    if shutil.which("pdflatex") is None or shutil.which("kpsewhich") is None:
        return "no pdflatex and kpsewhich on the path"
    names = [f"{name}.sty" for name in PACKAGES]
    found = subprocess.run(["kpsewhich", *names], capture_output=True, text=True, check=False)
    missing = [name for name in names if name not in found.stdout]
    return f"pdflatex lacks {', '.join(missing)}" if missing else ""


ENGINES = [
    "pdflatex",
    pytest.param(
        "lualatex",
        marks=pytest.mark.skipif(
            shutil.which("lualatex") is None, reason="no lualatex on the path"
        ),
    ),
]
needs_tex = pytest.mark.skipif(bool(lacking()), reason=lacking() or "-")


def compiled(texts, folder: Path, engine: str):
    """The log of a document of the tables."""
    body = "\n\\clearpage\n".join(texts)
    document = DOCUMENT % (",".join(PACKAGES), INCHES[2], body)
    (folder / "tables.tex").write_text(document, encoding="utf-8")
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=240, check=False)
    log = (folder / "tables.log").read_text(encoding="utf-8", errors="replace")
    assert done.returncode == 0, re.findall(r"^!.*(?:\n.*){0,6}", log, re.MULTILINE)
    assert (folder / "tables.pdf").read_bytes().startswith(b"%PDF")
    return log


def made_tables():
    """What is hard to set: text of any characters, many rows, many notes, no rows."""
    context = Context(machine={"cpu": "x86_64"}, versions={"torch": "2.13.0"})
    hostile = [row(label, index + 1, 1, 1, 1) for index, label in enumerate(HOSTILE)]
    lost = [*table4()[:3], failed("Lost", "oom", HOSTILE[0]), failed("Gone", "timeout", HOSTILE[4])]
    many = [row(f"case {number}", 1, number + 1, 1, 1) for number in range(90)]
    noted = [failed(f"lost {number}", f"error{number}", "x" * 99) for number in range(30)]
    return {
        "lost": make(SPEC, ocnet(note=HOSTILE[1]), lost, context),
        "hostile": make(SPEC, Suite(title=HOSTILE[0]), hostile, context),
        "many": make(SPEC, Suite(title=HOSTILE[3]), many, context),
        "noted": make(SPEC, Suite(title=HOSTILE[4]), noted, context),
        "empty": make(SPEC, Suite(), [], context),
    }


def fitted(tables):
    """Each in one column, as the tabular alone, and over both, with all that stands below it."""
    for name, table in tables.items():
        yield latex(table, name, Typesetting(page=1))
        yield latex(table, name, Typesetting(full=True, page=2))


def assert_fit(log):
    for said in ("Overfull", "Float too large", "multiply defined", "Undefined control"):
        assert said not in log


@needs_tex
@pytest.mark.parametrize("engine", ENGINES)
def test_any_text_compiles_and_fits(tmp_path, engine):
    assert_fit(compiled(fitted(made_tables()), tmp_path, engine))


@needs_tex
@pytest.mark.parametrize("path", KEPT)
def test_kept_tables_compile_and_fit(tmp_path, path):
    assert_fit(compiled(fitted(harness.load(path).shown()), tmp_path, "pdflatex"))


@needs_tex
def test_tex_refuses_what_is_not_escaped_and_tells_what_is_too_wide(tmp_path):
    """The tests above can fail: the same documents with one active character, or a wide word."""
    table = make(TableSpec(columns=("label", "params")), Suite(), [row("plain", 1, 1, 1, 1)])
    text = latex(table, "x", Typesetting(page=1))
    with pytest.raises(AssertionError):
        compiled([text.replace("plain", "pl_ain")], tmp_path, "pdflatex")
    assert "Overfull" in compiled([text.replace("plain", 60 * "x")], tmp_path, "pdflatex")
