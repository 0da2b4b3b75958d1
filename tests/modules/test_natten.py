"""Neighbourhood attention by NATTEN against the form that gathers."""

import copy
from importlib.util import find_spec

import pytest
import torch
from plain import random_map, randomised

from context_modules import natten_use
from context_modules.neighborhood_attention import NeighborhoodAttention

# NATTEN calls FlexAttention as it is on the CPU, of which PyTorch warns.
installed = [
    pytest.mark.skipif(find_spec("natten") is None, reason="the extra `natten` is not installed"),
    pytest.mark.filterwarnings("ignore:.*flex_attention.*torch.compile"),
]


def layer(**arguments):
    return NeighborhoodAttention(16, heads=2, relative_bias=False, kernel="natten", **arguments)


class TestInstalled:
    pytestmark = installed

    @pytest.mark.parametrize(
        ("size", "window", "dilation"),
        [((5, 7), 3, 1), ((7, 9), 3, 2), ((3, 8), 5, 1), ((4, 6), 7, 1), ((9, 11), 5, 2)],
    )
    @torch.no_grad()
    def test_it_equals_the_form_that_gathers(self, size, window, dilation):
        by_natten = randomised(layer(window=window, dilation=dilation)).float()
        explicit = copy.deepcopy(by_natten).double()
        explicit.kernel = "explicit"
        x = random_map(2, 16, *size).float()
        torch.testing.assert_close(
            by_natten(x).double(), explicit(x.double()), rtol=1e-5, atol=1e-5
        )

    @torch.no_grad()
    def test_half_precision(self):
        by_natten = randomised(layer(window=3)).bfloat16()
        explicit = copy.deepcopy(by_natten).double()
        explicit.kernel = "explicit"
        x = random_map(2, 16, 5, 7).bfloat16()
        torch.testing.assert_close(
            by_natten(x).double(), explicit(x.double()), rtol=5e-2, atol=5e-2
        )

    @torch.no_grad()
    def test_what_no_kernel_takes_is_not_implemented(self):
        with pytest.raises(NotImplementedError):
            randomised(layer(window=3)).double()(random_map(1, 16, 5, 7))


def test_where_natten_is_missing_one_line_names_the_extra(monkeypatch):
    monkeypatch.setattr(natten_use, "find_spec", lambda _name: None)
    with pytest.raises(NotImplementedError) as told:
        layer(window=3)(torch.zeros(1, 16, 5, 7))
    assert str(told.value) == (
        "kernel: natten needs the optional extra `natten`: pip install --no-build-isolation "
        "'context-harness[natten]'; kernel: fused computes the same anywhere"
    )


@pytest.mark.parametrize(
    ("arguments", "named"),
    [({"kernel": "natten"}, "relative_bias"), ({"kernel": "fast"}, "kernel")],
)
def test_wrong_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        NeighborhoodAttention(8, **arguments)
