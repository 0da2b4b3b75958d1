"""What no rule counts is named, and lowers the coverage."""

import pytest
import torch
from counted import count
from made_jobs import made_job

from harness.measure.operations import measure_operations


def test_unknown_operator_is_named_and_lowers_coverage():
    figures = measure_operations(made_job("Uncounted"))
    assert figures["uncounted_ops"] == {"made_subjects::doubled": 1}
    assert figures["coverage"] == 0.5
    assert figures["elementwise_ops"] == {"add": 2 * 3 * 16 * 16}


def test_unknown_operator_that_only_changes_its_argument_lowers_coverage_too():
    figures = measure_operations(made_job("UncountedInPlace"))
    assert figures["uncounted_ops"] == {"made_subjects::double_in_place": 1}
    assert figures["coverage"] == 0.5


def test_calls_of_unknown_operators_are_counted():
    x = torch.eye(4)
    tally = count(lambda: torch.linalg.cholesky_ex(torch.linalg.cholesky_ex(x)[0]))
    assert tally.uncounted == {"aten::linalg_cholesky_ex": 2}
    assert tally.coverage == 0.0


@pytest.mark.parametrize("name", ["ppm", "danet", "cgnl", "efficient_attention", "rcca"])
def test_coverage_of_the_catalog_is_full(name):
    arguments = {"output_groups": 512} if name == "cgnl" else {}
    figures = measure_operations(made_job(name, (1, 64, 24, 24), **arguments))
    assert figures["uncounted_ops"] == {}
    assert figures["coverage"] == 1.0
