"""The context prior's kernels go through Triton's compiler, as those of attention do."""

import pytest
from compiler import compiles
from interpreter import interpreted

pytestmark = interpreted

CHOICES = {"WIDTH": 20, "WIDTH_TILE": 32, "PRODUCTS": "ieee", "OWN": 16, "OTHERS": 16}
TYPES = {"labels": "*i32"} | dict.fromkeys(("pixels", "ignored", "images"), "i32")
TYPES |= dict.fromkeys(("scale", "bias", "of_scale", "of_bias"), "*fp32")
CONTEXT = {"OF_SUMS": False, "DIAGONAL": True, "RELEASED": False}
SUMS = ({"DIAGONAL": False, "RELEASED": False}, {"DIAGONAL": True, "RELEASED": True})


@pytest.mark.parametrize(
    ("kernel", "choices", "types"),
    [
        ("context", {}, {}),
        ("value_gradient", {}, {}),
        ("query_gradient", CONTEXT, {}),
        ("key_gradient", CONTEXT, {}),
        *(("sums", form, {"out": "*fp32"}) for form in SUMS),
        *(("query_gradient", form | {"OF_SUMS": True}, {"grad": "*fp32"}) for form in SUMS),
        *(("key_gradient", form | {"OF_SUMS": True}, {"grad": "*fp32"}) for form in SUMS),
    ],
    ids=str,
)
def test_they_compile_for_two_gpus(kernel, choices, types, tmp_path):
    given = CHOICES | choices, TYPES | types
    assert compiles("prior_kernels", kernel, *given, tmp_path) is True
