"""Printed figures: their precision, where they are found, and what is said when they are not."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rows import REPOSITORY

from harness.judge.printed import figure, load_table
from harness.messages import HarnessError

PAPER = """
paper: "A paper"
tables:
  costs:
    caption: "Costs"
    rows:
      - {row: A, gflops: 0.10, params_m: 619, miou: 1e3}
      - {row: B, gflops: , contexts: "approximately 300K"}
      - {k: 11, with_prior: 43.92}
"""


def write(folder, text=PAPER, name="made"):
    place = folder / "results" / "paper"
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.yaml").write_text(text)
    return folder


def test_decimals_are_kept(tmp_path):
    first, second, third = load_table("made", "costs", write(tmp_path)).rows
    assert (first.figures["gflops"].text, first.figures["gflops"].half_unit) == ("0.10", 0.005)
    assert first.figures["params_m"].half_unit == 0.5
    assert first.figures["miou"].half_unit == 500
    assert second.figures == {}
    assert second.texts == {"contexts": "approximately 300K"}
    assert third.name is None


@settings(deadline=None, max_examples=100)
@given(st.decimals(-10_000, 10_000, places=4), st.integers(0, 4))
def test_half_unit_is_half_of_the_last_digit(number, places):
    text = f"{number:.{places}f}"
    found = figure(text)
    assert found.value == float(Decimal(text))
    assert found.half_unit == pytest.approx(0.5 * 10.0**-places)


@pytest.mark.parametrize("text", ["", "1x", "nan", "inf", "about 3", "1_000", "0x10", "1,5"])
def test_what_is_no_number(text):
    assert figure(text) is None


def test_found_from_a_suite_upwards_before_the_packages_own(tmp_path):
    write(tmp_path, PAPER.replace("A paper", "the user's"), "ocnet")
    below = tmp_path / "suites" / "mine"
    below.mkdir(parents=True)
    assert load_table("ocnet", "costs", below).paper == "the user's"
    # A paper that the user has not is the package's.
    assert load_table("srnet", "table3", below).names[0] == "dilated FCN"


def test_all_printed_tables_are_read():
    table = load_table("srnet", "table3")
    by_name = {row.name: row for row in table.rows}
    assert by_name["+SE"].figures["gflops"].text == "0.00947"
    assert by_name["+SR (GHP)"].figures["params_m"].half_unit == 0.005
    for path in (REPOSITORY / "results" / "paper").glob("*.yaml"):
        with pytest.raises(HarnessError, match=f"{path.stem}.yaml: no table 'nothing'"):
            load_table(path.stem, "nothing")


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("arxiv: 1809.00910", "https://arxiv.org/abs/1809.00910"),
        ("doi: 10.1000/182", "https://doi.org/10.1000/182"),
        ("doi: 10.1000/182\nurl: http://a.b/c", "http://a.b/c"),
        ("url: javascript:alert(1)", ""),
        ("url: 'https://a.b\" onclick=\"x'", ""),
        ("year: 2020", ""),
    ],
)
def test_a_paper_is_where_its_file_says(tmp_path, said, address):
    assert load_table("made", "costs", write(tmp_path, f"{said}{PAPER}")).url == address


def test_mistakes_name_the_nearest(tmp_path):
    write(tmp_path)
    with pytest.raises(HarnessError, match="did you mean 'made'"):
        load_table("maed", "costs", tmp_path)
    with pytest.raises(HarnessError, match=r"made\.yaml: no table 'cost'; did you mean 'costs'"):
        load_table("made", "cost", tmp_path)
    table = load_table("made", "costs", tmp_path)
    with pytest.raises(HarnessError, match=r"made\.yaml: costs has no figure 'gflop'.*'gflops'"):
        table.require_entry("gflop")
    with pytest.raises(HarnessError, match="costs has no row 'C'"):
        table.require_row("C")


@pytest.mark.parametrize("paper", ["../made", "/etc/passwd", "a/b", ""])
def test_a_paper_is_a_name_not_a_path(tmp_path, paper):
    with pytest.raises(HarnessError, match="no printed figures"):
        load_table(paper, "costs", write(tmp_path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tables: [", "cannot be read"),
        ("- 1", "has no `tables`"),
        ("tables: {costs: 3}", "must be a list"),
        ("tables: {costs: {rows: [3]}}", "must be a list of mappings"),
    ],
)
def test_files_of_another_shape(tmp_path, text, said):
    with pytest.raises(HarnessError, match=said):
        load_table("made", "costs", write(tmp_path, text))
