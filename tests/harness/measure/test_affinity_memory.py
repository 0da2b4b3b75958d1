"""Affinity memory: stored where a module declares it, for any pass."""

import pytest
from made_jobs import made_job
from torch import nn

from harness.measure.operations import affinity_elements, measure_operations


class Declares(nn.Module):
    def affinity_elements(self, shape):
        return shape[-1] * 10


class Attribute(nn.Module):
    affinity_elements = 7


def test_closed_form_is_asked_for_the_shape():
    assert affinity_elements(Declares(), (1, 3, 4, 5)) == 50


@pytest.mark.parametrize("module", [nn.ReLU(), Attribute()])
def test_nothing_declared(module):
    assert affinity_elements(module, (1, 3, 4, 5)) is None


@pytest.mark.parametrize("pass_", ["inference", "training"])
def test_stored_with_the_counters(pass_):
    figures = measure_operations(made_job("criss_cross", (2, 16, 8, 12), pass_=pass_))
    assert figures["affinity_elements"] == 8 * 12 * 20


def test_not_stored_without():
    assert "affinity_elements" not in measure_operations(made_job("ppm", (1, 16, 12, 12)))
