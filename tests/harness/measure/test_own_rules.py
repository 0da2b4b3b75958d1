"""Users' rules for their own operators: used for the time of a count, and checked."""

import pytest
import torch
from counted import count
from torch import Tensor

import harness
from harness.measure.cost import Cost
from harness.measure.own_rules import OwnRuleError, own_rules


@torch.library.custom_op("mine_counted::gram", mutates_args=())
def gram(x: Tensor) -> Tensor:
    return x @ x.mT


NAME = "mine_counted::gram"


def macs_of_gram(args, kwargs, out):
    return {"matmul_macs": out.numel() * args[0].shape[-1], "elementwise": {"multiply": 3}}


def of_gram():
    return count(lambda: gram(torch.ones(4, 8)))


def test_a_rule_counts_its_operator_while_the_context_lasts():
    assert of_gram().uncounted == {NAME: 1}
    with own_rules({NAME: macs_of_gram}):
        tally = of_gram()
    assert (tally.matmul_macs, tally.elementwise["multiply"]) == (4 * 4 * 8, 3)
    assert (tally.uncounted, tally.coverage) == ({}, 1.0)
    assert of_gram().uncounted == {NAME: 1}


def test_a_rule_may_return_a_cost_and_goes_before_the_rules_of_this_project():
    with own_rules({"aten::mm": lambda args, kwargs, out: Cost(matmul_macs=7)}):
        assert count(lambda: torch.ones(2, 2) @ torch.ones(2, 2)).matmul_macs == 7


def test_an_operator_without_work():
    with own_rules({NAME: lambda args, kwargs, out: {}}):
        tally = of_gram()
    assert (tally.matmul_macs, tally.uncounted, tally.coverage) == (0, {}, 1.0)


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        (5, "returned int"),
        (None, "returned NoneType"),
        ({"macs": 3}, "returned 'macs'"),
        ({"matmul_macs": 2.5}, "matmul_macs is 2.5, not a whole number from 0 on"),
        ({"conv_macs": -1}, "conv_macs is -1, not a whole number from 0 on"),
        ({"matmul_macs": True}, "matmul_macs is True, not a whole number from 0 on"),
        ({"elementwise": 3}, "elementwise is int"),
        ({"elementwise": {"add": "3"}}, "add is '3', not a whole number from 0 on"),
    ],
)
def test_what_is_no_cost_is_refused_with_the_name_and_what_to_return(returned, sentence):
    expected = f"counting rule {NAME}: {sentence}; return a dictionary such as "
    with (
        own_rules({NAME: lambda args, kwargs, out: returned}),
        pytest.raises(OwnRuleError) as caught,
    ):
        of_gram()
    assert str(caught.value).startswith(expected)
    assert '"matmul_macs": 0' in str(caught.value)


def test_a_rule_that_fails_is_named():
    with (
        own_rules({NAME: lambda args, kwargs, out: args[5]}),
        pytest.raises(OwnRuleError, match=f"{NAME}: IndexError: tuple index out of range"),
    ):
        of_gram()


@pytest.mark.parametrize("name", ["gram", "::gram", "mine::", ""])
def test_a_name_without_its_namespace_is_refused(name):
    with pytest.raises(OwnRuleError, match="namespace::operator"), own_rules({name: macs_of_gram}):
        pass


def test_a_rule_that_is_no_function_is_refused():
    with pytest.raises(OwnRuleError, match="int is no function"), own_rules({NAME: 3}):
        pass


FILE = """
import torch
from torch import nn

@torch.library.custom_op("suite_counted::gram", mutates_args=())
def gram(x: torch.Tensor) -> torch.Tensor:
    return x @ x.mT

@gram.register_fake
def _(x):
    return x.new_empty(x.shape[0], x.shape[0])

class Gram(nn.Module):
    def forward(self, x):
        return gram(x)

def rule(args, kwargs, out):
    return {"matmul_macs": out.numel() * args[0].shape[-1]}

def wrong(args, kwargs, out):
    return 3
"""
CASE = {"module": "grams:Gram", "input": [4, 8], "measure": ["flops"]}
OPERATOR = "suite_counted::gram"


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """Rows by label of cases that count by `grams.py`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grams.py").write_text(FILE)

    def run(cases, **keys):
        suite = {"suite": "s", "cases": [{**CASE, **case} for case in cases], **keys}
        return {row["label"]: row for row in harness.run(suite, progress=False).rows()}

    return run


def test_a_suite_names_rules_for_all_cases_or_one(rows):
    found = rows(
        [{"label": "all"}, {"label": "own", "counting": {OPERATOR: "grams:wrong"}}],
        counting={OPERATOR: "grams:rule"},
    )
    assert (found["all"]["matmul_macs"], found["all"]["uncounted_ops"]) == (128, {})
    assert found["own"]["status"] == "error"
    assert f"counting rule {OPERATOR}: returned int; return a dictionary" in found["own"]["cause"]


def test_without_a_rule_the_operator_is_named(rows):
    (row,) = rows([{"label": "bare"}]).values()
    assert (row["matmul_macs"], row["uncounted_ops"]) == (0, {OPERATOR: 1})


@pytest.mark.parametrize(
    ("counting", "message"),
    [
        ({OPERATOR: "grams:rul"}, f"suite: counting.{OPERATOR}: grams has no rul; "),
        ({OPERATOR: "rule"}, f"suite: counting.{OPERATOR}: "),
        ({"gram": "grams:rule"}, "suite: counting.gram: "),
    ],
)
def test_a_rule_that_cannot_be_is_a_mistake_of_the_suite(rows, counting, message):
    with pytest.raises(harness.SuiteError) as raised:
        rows([{}], counting=counting)
    assert message in str(raised.value)
