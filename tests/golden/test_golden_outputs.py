"""What is printed of kept runs and of suites stays the same in every byte."""

import re
from difflib import unified_diff

import pytest
from golden_outputs import EFFICIENCY, EXPECTED, OUTPUTS, WIDTHS, made

from harness import load
from harness.present.console_table import pieces


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_is_as_it_was(name, tmp_path):
    expected = (EXPECTED / name).read_bytes().decode()
    now = made(name, tmp_path)
    texts = expected.splitlines(keepends=True), now.splitlines(keepends=True)
    difference = "".join(unified_diff(*texts, f"expected/{name}", "now", n=1))
    if now != expected:
        pytest.fail(f"meant? python tests/golden/golden_outputs.py\n{difference}", pytrace=False)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_main_job_fits_terminals(width):
    """Nothing is longer than a line, no head higher than three; no versions, no machine."""
    text = (EXPECTED / "show" / f"efficiency-{width}.txt").read_text(encoding="utf-8")
    lines = text.splitlines()
    end = next(n for n, line in enumerate(lines) if line.startswith("run: "))
    assert max(map(len, lines[:end])) <= width
    assert not re.search(r"Versions:|Machine:|torch \d", text)
    run = load(EFFICIENCY)
    found = {name: pieces(table, width) for name, table in run.tables().items()}
    blocks = [block for each in found.values() for piece in each for block in piece]
    assert max(len(block.lines) + block.has_subheads for block in blocks) <= 3
    if width >= 100:
        assert [name for name, each in found.items() if len(each) > 1] == []
        heading = 2  # what runs, and what a single process cannot tell
        assert len(lines) + heading + len(run.suite.parts()) <= 150


def test_nothing_else_is_kept():
    kept = {str(path.relative_to(EXPECTED)) for path in EXPECTED.rglob("*") if path.is_file()}
    assert kept == set(OUTPUTS)
