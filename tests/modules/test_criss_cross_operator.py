"""Criss-cross attention by kernels in Triton against the explicit form, in the interpreter."""

import pytest
import torch
from interpreter import interpreted, near_in_float64

from context_modules.criss_cross import criss_cross

pytestmark = interpreted


def maps(height, width, dtype=torch.float32, batch=2, channels=(5, 5, 7)):
    return [
        torch.randn(batch, each, height, width, generator=torch.Generator().manual_seed(seed))
        .to(dtype)
        .requires_grad_()
        for seed, each in enumerate(channels)
    ]


def near_the_explicit_form(tables):
    def form(kernel):
        return lambda *given: criss_cross(*given, kernel=kernel)

    near_in_float64(form("triton"), form("explicit"), tables)


@pytest.mark.parametrize(
    ("size", "dtype"),
    [
        ((1, 1), torch.float32),
        ((1, 5), torch.float32),
        ((3, 1), torch.float32),
        ((3, 5), torch.float32),
        ((3, 2), torch.float16),
        ((2, 3), torch.bfloat16),
    ],
    ids=str,
)
def test_values_and_gradients_are_those_of_the_explicit_form(size, dtype):
    near_the_explicit_form(maps(*size, dtype=dtype))


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("size", [(17, 2), (2, 17)], ids=str)
def test_columns_and_rows_of_several_tiles(size):
    near_the_explicit_form(maps(*size, batch=1, channels=(3, 3, 4)))


def test_its_operators_are_as_compilers_and_counters_ask():
    tables = [x.detach().permute(0, 2, 3, 1).contiguous() for x in maps(2, 3)]
    operators, checks = torch.ops.context_modules, ("test_schema", "test_faketensor")
    out, sums = operators.criss_cross(*tables)
    grad = torch.randn_like(out)
    _, slopes = operators.criss_cross_query_gradient(*tables, out, sums, grad)
    for operator, given in (
        (operators.criss_cross, ()),
        (operators.criss_cross_query_gradient, (out, sums, grad)),
        (operators.criss_cross_key_value_gradient, (sums, slopes, grad)),
    ):
        torch.library.opcheck(operator.default, (*tables, *given), test_utils=checks)
