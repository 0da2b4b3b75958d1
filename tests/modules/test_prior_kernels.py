"""The kernels go through Triton's compiler and NVIDIA's assembler, for which no GPU is needed."""

from interpreter import compiled, interpreted

pytestmark = interpreted

COMPILE = """
from context_modules import prior_kernels as kernels
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

TILE = {"WIDTH": 20, "WIDTH_TILE": 32, "PRODUCTS": "ieee", "OWN": 16, "OTHERS": 16}
NUMBERS = {name: "i32" for name in ("pixels", "ignored", "images")}
FLOATS = {name: "*fp32" for name in ("scale", "bias", "of_scale", "of_bias")}
CONTEXT = {"OF_SUMS": False, "DIAGONAL": True, "RELEASED": False}
TEXT = {"OF_SUMS": True, "DIAGONAL": False, "RELEASED": False}
RELEASED = {"OF_SUMS": True, "DIAGONAL": True, "RELEASED": True}
SUMS = {"grad": "*fp32"}
for kernel, form, types in (
    (kernels.context, {}, {}), (kernels.value_gradient, {}, {}),
    (kernels.query_gradient, CONTEXT, {}), (kernels.key_gradient, CONTEXT, {}),
    (kernels.query_gradient, TEXT, SUMS), (kernels.key_gradient, TEXT, SUMS),
    (kernels.query_gradient, RELEASED, SUMS), (kernels.key_gradient, RELEASED, SUMS),
    (kernels.sums, TEXT, {"out": "*fp32"}), (kernels.sums, RELEASED, {"out": "*fp32"}),
):
    known = {name: x for name, x in (TILE | form).items() if name in kernel.arg_names}
    types = NUMBERS | FLOATS | {"labels": "*i32"} | types | {name: "constexpr" for name in known}
    types = {name: types.get(name, "*bf16") for name in kernel.arg_names}
    source = ASTSource(kernel, signature=types, constexprs=known)
    for capability in (80, 90):
        made = compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": 4})
        print(len(made.asm["cubin"]) > 0)
"""


def test_they_compile_for_two_gpus_with_every_branch(tmp_path):
    assert compiled(COMPILE, tmp_path) == ["True"] * 20
