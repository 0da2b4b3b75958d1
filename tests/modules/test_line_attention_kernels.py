"""The kernels go through Triton's compiler and NVIDIA's assembler, for which no GPU is needed."""

import pytest
from compiler import compiles
from interpreter import interpreted

pytestmark = interpreted

CHOICES = {
    "WIDTH": 20, "VALUES": 35, "WIDTH_TILE": 32, "VALUE_TILE": 64, "MASKED": True,
    "NOT_SELF": True, "GOES_ON": True, "PRODUCTS": "ieee", "OWN": 16, "OTHERS": 16,
}  # fmt: skip
NUMBERS = (
    "queries", "keys", "query_map", "key_map", "lines", "line_step", "step",
    "mask_line", "mask_row",
)  # fmt: skip
TYPES = dict.fromkeys(NUMBERS, "i32") | dict.fromkeys(("sums", "slopes"), "*fp32")
TYPES |= {"mask": "*u8", "scale": "fp32"}


@pytest.mark.parametrize("kernel", ["forward", "query_gradient", "key_value_gradient"])
def test_they_compile_for_two_gpus_with_every_branch(kernel, tmp_path):
    assert compiles("line_attention_kernels", kernel, CHOICES, TYPES, tmp_path) is True
