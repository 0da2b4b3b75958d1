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


def test_console_shows_every_row_and_reads_no_markup():
    console = Console(width=220, record=True, file=io.StringIO())
    rows = [*table4(), row("[red]x[/red]", 1, 1, 1, 1), failed("Z", "oom", "out of memory")]
    console.print(ConsoleTable(make(SPEC, ocnet(), rows)))
    text = console.export_text()
    assert "[red]x[/red]" in text
    assert "oom: out of memory" in text
    assert all(label in text for label in ("PPM", "ASP-OC (ISA)", "- Reported: OCNet"))
    console.print(ConsoleTable(make(SPEC, ocnet(), rows), footnotes=False))
    assert "Reported: OCNet" not in console.export_text()


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
    console = Console(width=width, record=True, file=io.StringIO())
    table = make(SPEC, ocnet(), [*table4(), failed("Z", "oom", "CUDA out of memory")])
    console.print(ConsoleTable(table, footnotes=False))
    lines = console.export_text().splitlines()
    assert max(len(line) for line in lines) <= width
    text = "\n".join(lines)
    for cell in {cell for line in table.lines[:-1] for cell in line}:
        assert re.search(rf"(?<!\S){re.escape(cell)}(?!\S)", text), cell
    # Lines between the columns only where all stand side by side.
    assert (sum(line.startswith("┡") for line in lines) == 1) == (width == 250)
    assert (sum(set(line) == {"─"} for line in lines) > 0) == (width < 250)


def test_a_terminal_leaves_out_what_tells_nothing():
    unmeasured = dict.fromkeys(("latency_seconds", "latency_low_seconds", "latency_high_seconds"))
    rows = [row("A", 1, 1, 1, 1) | unmeasured, row("B", 1, 1, 1, 1) | unmeasured]
    rows[1] |= {"params": None}
    table = make(TableSpec(columns=("label", "params", "latency")), Suite(), rows)
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(ConsoleTable(table, footnotes=False))
    text = console.export_text()
    assert "Latency" not in text
    assert not re.search(r"│ B ", text)
    assert "- rows without a value in the columns beside them are left out" in text
    # Files have all.
    assert "B" in markdown(table)
    assert "Latency" in markdown(table)


def test_a_terminal_shows_the_notes_without_which_a_table_is_misread():
    rows = [row("A", 10, 200, 100, 5.0, warnings=["noisy"]), failed("Z", "oom", "too large")]
    table = make(TableSpec(columns=("label", "params")), Suite(), rows)
    assert table.needed == ("Z: oom: too large", "1 of 2 rows carry a warning")
    (marks,) = make(SPEC, ocnet(), table4()).needed
    assert marks.startswith("✓ agrees: within 0.1 %")


def test_columns_of_one_head_stay_together_where_they_fit():
    table = make(SPEC, ocnet(), table4())
    for piece in pieces(table.shown, 80):
        assert piece[0].head == "Label"
        groups = [column.group for column in piece if column.group]
        assert all(groups.count(group) in (2, 3) for group in groups)
    everything = [column for piece in pieces(table.shown, 80) for column in piece[1:]]
    assert everything == list(table.shown[1:])
