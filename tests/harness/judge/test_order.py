"""The order of the rows beside the printed one: what figures of other data can be compared by."""

from pathlib import Path

import pytest

import harness
from harness.judge.order import printed_orders

KEPT = Path(harness.__file__).parents[1] / "results" / "ablations"


def orders(name):
    (found,) = harness.load(KEPT / name).orders().values()
    return found


def test_it_is_taken_over_the_rows_that_have_a_printed_and_a_measured_figure():
    found = orders("ablation-ocnet-attentions")["miou"]
    # Printed: SA-2x 76.49, CGNL 77.06, Efficient 78.25, RCCA 78.64, ISA 79.49.
    # Ours:    80.09,        74.67,      74.30,           80.35,      71.01. FCN has no printed one.
    assert found.pairs == 5
    squares = (1 - 4) ** 2 + (2 - 3) ** 2 + (3 - 2) ** 2 + (4 - 5) ** 2 + (5 - 1) ** 2
    assert found.coefficient == pytest.approx(1 - 6 * squares / 120)


def test_each_printed_accuracy_has_its_own():
    assert set(orders("ablation-ocnet-partitions")) == {"miou", "pixel_acc"}


def test_two_rows_have_no_order_and_a_grid_without_printed_figures_none():
    assert harness.load(KEPT / "ablation-ranet-k").orders() == {}
    assert harness.load(KEPT / "ablation-mechanisms").orders() == {}


def test_rows_that_have_failed_take_no_part():
    run = harness.load(KEPT / "ablation-ocnet-attentions")
    rows = run.rows()
    rows[2]["verdicts"]["miou"]["ours"] = None
    (found,) = printed_orders(rows, run.suite)
    assert found.found.pairs == 4


def test_it_stands_at_the_foot_of_a_table_in_every_form():
    run = harness.load(KEPT / "ablation-ocnet-attentions")
    line = (
        "Order by miou: Spearman's rank correlation with the printed one -0.40 over 5 rows "
        "(p = 0.52)."
    )
    table = run.table()
    for foot in (table.footnotes, table.reading, table.reasons, table.brief):
        assert line in foot
    alone = run.table(columns=["label", "params"])
    assert line not in alone.brief  # of a table that shows none of it
