"""The kernels go through Triton's compiler and NVIDIA's assembler, for which no GPU is needed."""

from interpreter import compiled, interpreted

pytestmark = interpreted

COMPILE = """
from context_modules import line_attention_kernels as kernels
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

CHOICES = {
    "WIDTH": 20, "VALUES": 35, "WIDTH_TILE": 32, "VALUE_TILE": 64, "MASKED": True,
    "NOT_SELF": True, "GOES_ON": True, "PRODUCTS": "ieee", "OWN": 16, "OTHERS": 16,
}
TYPES = {"mask": "*u8", "sums": "*fp32", "slopes": "*fp32", "scale": "fp32"}
NUMBERS = (
    "queries", "keys", "query_map", "key_map", "lines", "line_step", "step",
    "mask_line", "mask_row",
)
for kernel in (kernels.forward, kernels.query_gradient, kernels.key_value_gradient):
    types = {
        name: "constexpr" if name in CHOICES
        else TYPES.get(name, "i32" if name in NUMBERS else "*bf16")
        for name in kernel.arg_names
    }
    source = ASTSource(kernel, signature=types, constexprs=CHOICES)
    for capability in (80, 90):
        made = compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": 4})
        print(len(made.asm["cubin"]) > 0)
"""


def test_they_compile_for_two_gpus_with_every_branch(tmp_path):
    assert compiled(COMPILE, tmp_path) == ["True"] * 6
