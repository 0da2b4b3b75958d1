"""The order of the rows beside the printed one: what figures of other data can be compared by."""

from pathlib import Path

import pandas as pd
import pytest

import harness
from harness.judge.order import printed_orders

KEPT = Path(harness.__file__).parents[1] / "results" / "ablations"


def orders(name):
    (found,) = harness.load(KEPT / name).orders().values()
    return found


def pairs_of(run, figure="miou"):
    """Printed and measured of each row that has both: a kept grid may be trained anew."""
    beside = [(row.get("verdicts") or {}).get(figure) for row in run.rows()]
    return pd.DataFrame(
        [(v["printed"], v["ours"]) for v in beside if v and v["ours"] is not None],
        columns=["printed", "ours"],
    )


def test_it_is_taken_over_the_rows_that_have_a_printed_and_a_measured_figure():
    run = harness.load(KEPT / "ablation-ocnet-attentions")
    pairs = pairs_of(run)
    assert len(pairs) == 5 < len(run.rows())  # FCN and dense attention have no printed one
    ranks = pairs.rank()
    assert (ranks.nunique() == 5).all()  # no ties: the short form of the coefficient holds
    squares = ((ranks["printed"] - ranks["ours"]) ** 2).sum()
    found = orders("ablation-ocnet-attentions")["miou"]
    assert found.pairs == 5
    assert found.coefficient == pytest.approx(1 - 6 * squares / (5 * (5**2 - 1)))


def test_each_printed_accuracy_has_its_own():
    assert set(orders("ablation-ocnet-partitions")) == {"miou", "pixel_acc"}


def test_two_rows_have_no_order_and_a_grid_without_printed_figures_none():
    run = harness.load(KEPT / "ablation-ocnet-attentions")
    rows = run.rows()
    printed = [row for row in rows if (row.get("verdicts") or {}).get("miou")]
    assert list(printed_orders(printed[:3], run.suite))
    assert not list(printed_orders(printed[:2], run.suite))
    assert harness.load(KEPT / "ablation-mechanisms").orders() == {}


def test_rows_that_have_failed_take_no_part():
    run = harness.load(KEPT / "ablation-ocnet-attentions")
    rows = run.rows()
    rows[2]["verdicts"]["miou"]["ours"] = None
    (found,) = printed_orders(rows, run.suite)
    assert found.found.pairs == 4


def test_it_stands_at_the_foot_of_a_table_in_every_form():
    run = harness.load(KEPT / "ablation-ocnet-attentions")
    coefficient = pairs_of(run).corr(method="spearman").loc["printed", "ours"]
    line = (
        "Order by miou: Spearman's rank correlation with the printed one "
        f"{coefficient:+.2f} over 5 rows (p = "
    )
    table = run.table()
    for foot in (table.footnotes, table.reading, table.reasons, table.brief):
        assert any(text.startswith(line) for text in foot), foot
    alone = run.table(columns=["label", "params"])
    assert not any("Order by" in text for text in alone.brief)  # of a table that shows none of it
