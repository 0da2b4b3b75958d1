"""Tables: columns, failed rows, footnotes, and the four formats they are written in."""

import csv
import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rows import COLUMNS, Suite, failed, make, ocnet, reference, row, table4
from rich.console import Console

from harness.judge.part import Context
from harness.messages import HarnessError, printable
from harness.present.console_table import ConsoleTable, pieces
from harness.present.formats import csv_text, html, markdown, safe
from harness.present.latex.source import latex
from harness.suite.presentation import FigureSpec, ReferenceSpec, TableSpec

SPEC = TableSpec(columns=COLUMNS)


def heads(table):
    return [column.head for column in table.shown]


def foot(table):
    return "\n".join(table.footnotes)


def one(part=None, spec=SPEC, **more):
    return make(spec, part or Suite(), [row("A", 10, 200, 100, 5.0) | more])


def test_columns_with_a_printed_counterpart_show_ours_reported_and_difference():
    table = make(SPEC, ocnet(), table4())
    assert heads(table) == [
        "Label",
        "Parameters (M)",
        "FLOPs (GFLOPs), ours",
        "FLOPs reported (GFLOPs)",
        "FLOPs difference (%)",
        "Live peak + parameters (MiB), ours",
        "Live peak + parameters reported (MiB)",
        "Live peak + parameters difference (%)",
        "Latency (ms), ours",
        "Latency reported (ms)",
        "Verdict",
    ]
    assert table.lines[0] == [
        *("PPM", "23.074", "618.580", "619", "-0.07 ✓", "504.0", "792", "-36.36 ‡", "3.21", "78"),
        "1 of 2 agree",
    ]


def test_without_a_reference_columns_stay_single():
    table = one()
    assert heads(table) == [
        *("Label", "Parameters (M)", "FLOPs (GFLOPs)", "Live peak (MiB)", "Latency (ms)", "Verdict")
    ]
    assert table.lines == [["A", "10.000", "200.000", "61.9", "5.00", "–"]]


def test_memory_of_unknown_meaning_is_shown_as_the_paper_calls_it():
    part = ocnet(reference=reference(figures={}))
    table = make(SPEC, part, table4())
    assert "Live peak reported (MB as printed)" in heads(table)
    assert "Live peak difference (%)" not in heads(table)
    assert "memory_mb: not judged: the suite does not say which" in foot(table)


def test_overheads_and_ratios_say_over_what():
    over = FigureSpec(value="operations", minus_of={"+NL": "+2*3x3"})
    part = Suite(
        reference=ReferenceSpec(paper="srnet", table="table3", figures={"gflops": over}),
    )
    rows = [row("+2*3x3", 11.8, 108.745, 36, 1), row("+NL", 12.3, 157.104, 700, 1)]
    table = make(TableSpec(columns=("label", "flops")), part, rows)
    assert heads(table)[1] == "FLOPs over +2*3x3 (GFLOPs), ours"
    assert [line[1] for line in table.lines] == ["108.745", "48.359"]
    assert "gflops_ours" in csv_text(table).splitlines()[0].split(",")
    ratio = FigureSpec(value="memory", relative_to="SA")
    part = Suite(
        reference=ReferenceSpec(
            paper="ocnet",
            table="figure4",
            figures={"memory_ratio": ratio},
            rows={"ISA": "ISA relative to SA"},
        )
    )
    rows = [row("SA", 1, 1, 1003.8, 1), row("ISA", 1, 1, 105.8, 1)]
    table = make(TableSpec(columns=("label", "memory_ratio", "memory")), part, rows)
    assert heads(table)[1] == "Live peak / SA, ours"
    assert heads(table)[-1] == "Live peak (MiB)"
    assert table.lines[1][1] == "0.1020"


def test_failed_rows_stay_with_status_and_cause():
    rows = table4()
    rows[0] = failed("PPM", "oom", "CUDA out of memory.\nTried to allocate 4 GiB on a small device")
    rows[1] = failed("ASPP", "timeout", "no answer after 60 s", params=15_535_000)
    table = make(SPEC, ocnet(), rows)
    assert table.lines[0][:4] == ["PPM", "oom", "–", "619"]
    assert table.lines[1][:3] == ["ASPP", "15.535", "timeout"]
    assert table.lines[0][-1] == "oom"
    assert "PPM: oom: CUDA out of memory. Tried to allocate 4 GiB on a small device" in foot(table)
    lines = list(csv.DictReader(io.StringIO(csv_text(table))))
    assert (lines[0]["status"], lines[0]["params"]) == ("oom", "")


def test_footnotes_say_what_needs_saying():
    rows = table4()
    rows[4] |= {"coverage": 0.99999, "uncounted_ops": {"aten.sort": 2}}
    rows[5] |= {"warnings": ["interquartile range is 12 % of the median"]}
    rows[6] |= {
        "witness": {
            "input": [[1, 2048, 16, 16]],
            "conv": {"ours": 5, "fvcore": 5, "agree": True},
            "matmul": {"ours": 7, "fvcore": 6, "agree": False},
        }
    }
    part = ocnet(note="Made latencies.")
    part.notes = {"RCCA": "two passes of one module"}
    context = Context(
        machine={"cpu": "x86", "memory_gib": 8, "gpus": [{"name": "G1", "memory_gib": 80}]},
        versions={"torch": "2.6"},
    )
    table = make(TableSpec(columns=COLUMNS, note="First."), part, rows, context)
    assert table.footnotes[:2] == ("First.", "Made latencies.")
    for said in (
        "convention flops: GFLOPs = (2 conv MACs + 2 matmul MACs) / 1e9",
        "device cuda; dtype float32; pass inference; input 1x2048x128x128",
        "Versions: torch 2.6.",
        "Machine: cpu x86, memory 8 GiB, gpus G1 (memory 80 GiB).",
        "36 printed figures: 16 agree, 7 differ, 0 explained, 1 not reproducible",
        "‡ PPM, memory_mb: not reproducible: the paper's convolution",
        "✗ ASPP, memory_mb: differs: ours 235.3, printed 331, -28.91 %.",
        "CGNL: counters cover 99.9 %; no counting rule for aten.sort (2x).",
        "Base-OC (SA): witnesses disagree about matmul MACs at 1x2048x16x16: ours 7, fvcore 6.",
        "Warning, Efficient Attention: interquartile range",
        "RCCA: two passes of one module",
    ):
        assert said in foot(table), said
    assert "conv MACs at" not in foot(table)


def test_passes_and_devices_that_differ_are_named():
    rows = [row("A", 1, 1, 1, 1), row("B", 1, 1, 1, 1, device="cpu")]
    assert "device by row (cuda, cpu)" in foot(make(SPEC, Suite(), rows))


def test_unknown_columns_name_the_nearest():
    with pytest.raises(HarnessError, match="unknown quantity 'parms'; did you mean 'params'"):
        make(TableSpec(columns=("parms",)), Suite(), table4())


def test_csv_holds_stored_values():
    lines = list(csv.DictReader(io.StringIO(csv_text(make(SPEC, ocnet(), table4())))))
    first = lines[0]
    assert first["label"] == "PPM"
    assert int(first["params"]) == 23_074_000
    assert float(first["operations"]) == 618.58e9
    assert float(first["latency_seconds"]) == 3.21e-3
    assert float(first["latency_low_seconds"]) == 3.21e-3 * 0.995
    assert (first["gflops_reported"], first["gflops_verdict"]) == ("619", "agrees")
    assert int(first["live_peak_with_params_bytes"]) == (504 * 2**20)


@pytest.mark.parametrize("text", ["=1+1", "+SE", "-x", "@SUM(A1)", "\tx", "\rx"])
def test_csv_texts_are_never_formulas(text):
    table = one(spec=TableSpec(columns=("label",)), label=text)
    _, line = csv.reader(io.StringIO(csv_text(table), newline=""))
    assert line[0] == "'" + text.replace("\r", "\n")


@settings(deadline=None, max_examples=100)
@given(st.one_of(st.floats(allow_nan=False), st.integers(), st.text()))
def test_csv_numbers_survive_and_texts_are_safe(value):
    text = safe(value)
    if isinstance(value, str):
        number = re.fullmatch(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?", text)
        assert number or not text.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
        kept = value.replace("\r\n", "\n").replace("\r", "\n")
        kept = "\t".join(map(printable, kept.split("\t")))
        assert text in (kept, f"'{kept}")
        assert next(csv.reader(io.StringIO(_line(text), newline=""))) == [text, "x"]
    else:
        assert type(value)(text) == value


def _line(text):
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerow([text, "x"])
    return out.getvalue()


def test_markdown_shows_labels_as_they_are():
    label = "+2*3x3 | <b>_x_</b>\nnext"
    text = markdown(one(spec=TableSpec(columns=("label", "params")), label=label))
    lines = text.splitlines()
    assert lines[0] == "## ocnet-table4"
    cells = re.split(r"(?<!\\)\|", lines[4])
    assert cells[1].strip() == r"+2\*3x3 \| \<b\>\_x\_\</b\> next"
    assert len(cells) == 4


def printed(table, width=220, **options):
    """What a terminal of a width shows, line by line."""
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(ConsoleTable(table, **options))
    return console.export_text().splitlines()


def test_console_shows_every_row_and_reads_no_markup():
    rows = [*table4(), row("[red]x[/red]", 1, 1, 1, 1), failed("Z", "oom", "out of memory")]
    table = make(SPEC, ocnet(), rows)
    text = "\n".join(printed(table))
    assert "[red]x[/red]" in text
    assert "Z: oom: out of memory" in text
    assert all(label in text for label in ("PPM", "ASP-OC (ISA)"))
    assert "Reported: OCNet" not in text
    assert "Reported: OCNet" in "\n".join(printed(table, notes=table.footnotes))


def test_every_difference_and_every_row_has_the_colour_of_its_verdict():
    table = make(SPEC, ocnet(), table4())
    console = Console(width=220, file=io.StringIO(), force_terminal=True, color_system="standard")
    with console.capture() as captured:
        console.print(ConsoleTable(table))
    words = [(32, "-0.07 ✓"), (31, "-28.91 ✗"), (33, "-36.36 ‡"), (32, "reproduced")]
    for code, text in [*words, (33, "1 of 2 agree")]:
        assert re.search(rf"\x1b\[{code}m *{re.escape(text)}", captured.get()), text
    shown = html(table)
    painted = {"#1a8a5a": "-0.07 ✓", "#d0473d": "-28.91 ✗", "#a87400": "1 of 2 agree"}
    for colour, text in painted.items():
        assert f"color:{colour}'>{text}</td>" in shown


def test_what_is_not_judged_has_no_mark():
    plain = make(SPEC, ocnet(reference=ReferenceSpec(paper="ocnet", table="table4")), table4())
    marked = {column.stored for column in plain.columns for cell in column.cells if cell.verdict}
    assert marked == {"gflops_difference"}
    times = ReferenceSpec(
        paper="ocnet",
        table="table4",
        figures={key: FigureSpec(value="latency", judged=False) for key in ("gflops", "memory_mb")},
    )
    said = foot(make(SPEC, ocnet(reference=times), table4()))
    assert "agrees" not in said
    assert "36 printed figures: 0 agree, 0 differ, 0 explained, 0 not reproducible, 36" in said


def test_a_table_without_rows_has_its_heads():
    table = make(SPEC, Suite(), [])
    assert table.lines == []
    assert "Label" in markdown(table)
    assert csv_text(table).startswith("label,params,operations")
    assert "\\bottomrule" in latex(table, "x")


@pytest.mark.parametrize("width", [60, 80, 100, 250])
def test_a_narrow_terminal_never_breaks_a_number(width):
    table = make(SPEC, ocnet(), [*table4(), failed("Z", "oom", "CUDA out of memory")])
    lines = printed(table, width)
    assert max(len(line) for line in lines) <= width
    text = "\n".join(lines)
    texts = {c.text for column in table.shown if column.stored != "verdict" for c in column.cells}
    for cell in texts:
        assert re.search(rf"(?<!\S){re.escape(cell)}(?!\S)", text), cell
    rules = [n for n, line in enumerate(lines) if set(line) == {"─", " "}]
    assert (len(rules) == 1) == (width >= 100)
    # Heads of three lines at most, each below the title or the rows of the piece above.
    assert rules[0] <= 4


def test_a_figure_stands_with_what_is_printed_and_their_difference_under_one_head():
    lines = printed(make(SPEC, ocnet(), table4()), 100)
    rule = next(n for n, line in enumerate(lines) if line.startswith("─"))
    assert "Live peak" in "".join(lines[1:rule])
    assert lines[rule - 1].split()[-5:] == ["paper", "Δ", "%", "ours", "paper"]
    first = lines[rule + 1]
    assert re.search(r"PPM +23\.074 +618\.580 +619 -0\.07 ✓ ", first)
    # Of the row all of whose figures agree no more is said where there is no room for it.
    assert "reproduced" not in "".join(lines)
    assert "reproduced" in "".join(printed(make(SPEC, ocnet(), table4()), 140))


@pytest.mark.parametrize(
    ("samples", "low", "high", "shown"),
    [
        ([1.4] * 8, 1.38, 1.44, "1400 ± 40  8"),
        ([1.4], 1.4, 1.4, "1400       1~"),
        ([1.4, 1.5], 1.38, 1.44, "1400 ± 40  2~"),
    ],
)
def test_a_measured_figure_says_how_sure_it_is(samples, low, high, shown):
    timed = {"latency_seconds": 1.4, "latency_low_seconds": low, "latency_high_seconds": high}
    sure = timed | {
        "latency_samples_seconds": [1.4] * 20, "latency_low_seconds": 1.38,
        "latency_high_seconds": 1.44,
    }  # fmt: skip
    rows = [
        row("A", 1, 1, 1, 1) | timed | {"latency_samples_seconds": samples},
        row("B", 1, 1, 1, 1) | sure,
    ]
    table = make(TableSpec(columns=("label", "latency", "latency_low_seconds")), Suite(), rows)
    lines = printed(table, 80)
    assert "Latency, low" not in "".join(lines)  # it is what ± says
    assert "± 95 %" in "".join(lines)
    assert any(" ".join(line.split()) == f"A {' '.join(shown.split())}" for line in lines)
    few = shown.endswith("~")
    assert ("~ too few samples to compare rows: --repeats 5" in "\n".join(lines)) == few
    rows_of_file, _, _ = markdown(table).partition("\n- ")
    assert "1400 ± 40" in rows_of_file
    assert ("~" in rows_of_file) == few


def test_a_lopsided_interval_is_said_by_its_ends():
    noisy = {
        "latency_seconds": 0.0238, "latency_low_seconds": 0.00052, "latency_high_seconds": 0.02388,
        "latency_processes_seconds": [0.00052, 0.0238, 0.02388],
    }  # fmt: skip
    rows = [row("A", 1, 1, 1, 1) | noisy]
    table = make(TableSpec(columns=("label", "latency")), Suite(), rows)
    assert table.lines == [["A", "20 (0–30)"]]
    assert any(line.split() == ["A", "20", "0–30", "3"] for line in printed(table, 80))


def test_of_a_slight_interval_the_longer_half_says_enough():
    steady = {
        "latency_seconds": 1.3871, "latency_low_seconds": 1.387, "latency_high_seconds": 1.3896,
        "latency_processes_seconds": [1.387, 1.3871, 1.3896],
    }  # fmt: skip
    rows = [row("A", 1, 1, 1, 1) | steady]
    table = make(TableSpec(columns=("label", "latency")), Suite(), rows)
    assert table.lines == [["A", "1387 ± 3"]]


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_label_as_wide_as_the_terminal_goes_on_below(width):
    rows = [row("word " * 30, 1, 1, 1, 1), row("x" * 109, 1, 1, 1, 1)]
    table = make(TableSpec(columns=("label", "params", "flops")), Suite(), rows)
    lines = printed(table, width)
    assert max(map(len, lines)) <= width
    assert "".join(line.split("  ")[0] for line in lines if line[:1] == "x").count("x") % 109 == 0


def test_several_processes_are_what_an_interval_is_of():
    several = {
        "latency_seconds": 1.4, "latency_low_seconds": 1.38, "latency_high_seconds": 1.44,
        "latency_processes_seconds": [1.38, 1.4, 1.44], "latency_samples_seconds": [1.4] * 60,
    }  # fmt: skip
    table = make(TableSpec(columns=("label", "latency")), Suite(), [row("A", 1, 1, 1, 1) | several])
    (cell,) = table.shown[1].cells
    assert (cell.spread.count, cell.spread.few) == (3, False)
    two = several | {"latency_processes_seconds": [1.38, 1.44]}
    table = make(TableSpec(columns=("label", "latency")), Suite(), [row("A", 1, 1, 1, 1) | two])
    assert table.shown[1].cells[0].spread.few


def test_a_terminal_leaves_out_what_tells_nothing():
    unmeasured = dict.fromkeys(("latency_seconds", "latency_low_seconds", "latency_high_seconds"))
    rows = [row("A", 1, 1, 1, 1) | unmeasured, row("B", 1, 1, 1, 1) | unmeasured]
    table = make(TableSpec(columns=("label", "params", "latency")), Suite(), rows)
    assert "Latency" not in "".join(printed(table, 80))
    assert "Latency" in markdown(table)  # files have all


def test_in_a_piece_of_a_table_stand_rows_that_have_a_value_there():
    rows = [row("A", 1, 1, 1, 1), row("B", 1, 1, 1, 1) | {"params": None}]
    table = make(TableSpec(columns=("label", "params", "flops")), Suite(), rows)
    lines = printed(table, 16)
    assert [line.split()[0] for line in lines if line[:2] in ("A ", "B ")] == ["A", "A", "B"]
    assert "rows without a value in the columns beside them" in "".join(lines)


def test_a_terminal_shows_the_notes_without_which_a_table_is_misread():
    rows = [row("A", 10, 200, 100, 5.0, warnings=["noisy"]), failed("Z", "oom", "too large")]
    table = make(TableSpec(columns=("label", "params")), Suite(), rows)
    assert table.brief == ("Z: oom: too large", "1 of 2 rows carry a warning")
    (marks,) = make(SPEC, ocnet(), table4()).brief
    assert re.fullmatch(
        r"\d+ of \d+ judged figures agree ✓, \d+ differ ✗, \d+ not reproducible ‡", marks
    )
    told = make(SPEC, ocnet(), table4()).reasons
    assert any(line.startswith("✓ agrees: within 0.1 %") for line in told)
    assert any(line.startswith("‡ ") for line in told)


def test_what_does_not_fit_side_by_side_goes_on_below_with_the_first_column():
    table = make(SPEC, ocnet(), table4())
    found = pieces(table, 60)
    assert len(found) > 1
    assert {piece[0].head for piece in found} == {"Label"}
    assert all(sum(block.width + 2 for block in piece) - 2 <= 60 for piece in found)
    heads = [block.head for piece in found for block in piece[1:]]
    assert heads == [block.head for (piece,) in [pieces(table, 250)] for block in piece[1:]]


LABELS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=60)


@given(st.lists(LABELS, min_size=1, max_size=4, unique=True), st.integers(24, 200))
@settings(max_examples=60, deadline=None)
def test_any_label_keeps_the_columns_below_their_heads(labels, width):
    rows = [row(label, 10**6, 200, 100, 5.0) for label in labels]
    table = make(TableSpec(columns=("label", "params", "flops")), Suite(), rows)
    (*_, last) = pieces(table, width)
    block = last[-1]
    assert [cell.plain for cell in block.parts[0].cells] == [c.text for c in table.shown[2].cells]
    assert block.width >= max(cell.cell_len for cell in block.parts[0].cells)
