"""Printed orders: their exponent, against the expression evaluated at two large sizes."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.printed import degree, load_table
from harness.messages import HarnessError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("O(C (HW)^2)", 2),
        ("O((HW)^2)", 2),
        ("O(C^2 HW)", 1),
        ("O(C H W P)", 1),
        ("O(C H W (H + W))", Fraction(3, 2)),
        ("O(C (HW)^2 + HW C^2)", 2),
        ("O(HW C^2 + C (HW)^2)", 2),
        ("O(C H W + C)", 1),
        ("O(K^2 + M^2)", 0),
        ("O(1)", 0),
        ("O(2 C·H×W²)", Fraction(3, 2)),
        ("O(N^1.5)", Fraction(3, 2)),
        ("O(N^(3/2))", Fraction(3, 2)),
        ("O(h w)", 0),  # case matters: these are other symbols
        (" O ( N ) ", 1),
    ],
)
def test_orders_of_the_papers(text, expected):
    assert degree(text) == expected


def test_other_symbols_may_grow():
    assert degree("O(C^2 HW)", {"C": Fraction(1)}) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("C^2", "expected O"),
        ("O(CHWP))", "ends before '\\)' at character 8"),
        ("O(CHW(H+W)", "expected \\), not the end"),
        ("O()", "symbol"),
        ("O(C +)", "symbol"),
        ("O(+ C)", "symbol"),
        ("O(C^)", "number"),
        ("O(C^W)", "number"),
        ("O(N^(1/0))", "division by zero"),
        ("O(0 N)", "nothing grows as zero"),
        ("O(N log N)", "no power"),
        ("O(N!)", "unknown sign '!'"),
        ("", "expected O"),
        ("O(" + "(" * 300, "longer than"),
    ],
)
def test_what_is_no_order_is_refused(text, message):
    with pytest.raises(HarnessError, match=message):
        degree(text)


SYMBOLS = {"H": 0.5, "W": 0.5, "N": 1.0, "C": 0.0, "K": 0.0, "P": 0.0}
ATOMS = st.one_of(
    st.sampled_from(sorted(SYMBOLS)).map(lambda name: ("symbol", name)),
    st.integers(1, 9).map(lambda number: ("number", number)),
)
TREES = st.recursive(
    ATOMS,
    lambda below: st.one_of(
        st.tuples(st.just("sum"), st.lists(below, min_size=1, max_size=3)),
        st.tuples(st.just("product"), st.lists(below, min_size=1, max_size=3)),
        st.tuples(st.just("power"), below, st.integers(0, 3)),
    ),
    max_leaves=6,
)


def written(tree, space):
    kind, body, *rest = tree
    if kind in ("symbol", "number"):
        return str(body)
    if kind == "power":
        return f"({written(body, space)}){space}^{space}{rest[0]}"
    parts = [f"({written(each, space)})" for each in body]
    return f"{space}+{space}".join(parts) if kind == "sum" else space.join(parts)


def log_value(tree, log_size):
    """Logarithm of the expression at N = exp(log_size), constants 3."""
    kind, body, *rest = tree
    if kind == "symbol":
        return SYMBOLS[body] * log_size or math.log(3)
    if kind == "number":
        return math.log(body)
    if kind == "power":
        return rest[0] * log_value(body, log_size)
    logs = [log_value(each, log_size) for each in body]
    if kind == "product":
        return sum(logs)
    top = max(logs)
    return top + math.log(sum(math.exp(each - top) for each in logs))


@settings(deadline=None, max_examples=300)
@given(TREES, st.sampled_from(["", " ", "  "]))
def test_degree_is_the_slope_at_large_sizes(tree, space):
    slope = (log_value(tree, 2e4) - log_value(tree, 1e4)) / 1e4
    text = f"O({written(tree, space)})"
    if len(text) <= 200:
        assert float(degree(text)) == pytest.approx(slope, abs=1e-2)


@settings(deadline=None, max_examples=300)
@given(st.text("OHWCN()+*^/12. ²", max_size=30))
def test_any_text_is_an_order_or_refused(text):
    try:
        found = degree(text)
    except HarnessError:  # nothing else is raised
        return
    assert text.lstrip().startswith("O")
    assert found >= 0


def test_every_order_of_srnet_table_1_is_read():
    table = load_table("srnet", "table1")
    assert len(table.rows) == 6
    exponents = {
        row.name: [float(degree(row.texts[key])) for key in ("computation", "affinity_memory")]
        for row in table.rows
    }
    assert exponents == {
        "Non-local": [2, 2],
        "A2Net": [1, 0],
        "CGNL": [1, 0],
        "CCNet": [1.5, 1.5],
        "DANet": [2, 2],
        "SRNet": [1, 0],
    }
