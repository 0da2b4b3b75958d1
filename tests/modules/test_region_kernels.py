"""The kernels go through Triton's compiler and NVIDIA's assembler, for which no GPU is needed."""

from interpreter import compiled, interpreted

pytestmark = interpreted

COMPILE = """
from context_modules import region_kernels as kernels
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

CHOICES = {"LINES": True, "DIVERGENCE": True, "END_POINTS": True}
PAIRS, ROWS, PIXELS = ({"OWN": own, "OTHERS": n} for own, n in ((32, 32), (16, 128), (128, 1)))
INTEGERS = {name: "*i32" for name in ("bits", "roots", "following", "changed")}
NUMBERS = {name: "i32" for name in ("pixels", "width", "classes", "words", "turn")}
for kernel, tile, labels in (
    (kernels.adjacency, PAIRS, ""), (kernels.region_sums, PAIRS, "*i64"),
    (kernels.sum_gradients, PAIRS, "*i64"), (kernels.hook, ROWS, "*i32"),
    (kernels.climb, PIXELS, "*i32"),
):
    known = {name: x for name, x in (CHOICES | tile).items() if name in kernel.arg_names}
    types = INTEGERS | NUMBERS | {"labels": labels, "threshold": "fp32"}
    types |= {name: "constexpr" for name in known}
    types = {name: types.get(name, "*fp32") for name in kernel.arg_names}
    source = ASTSource(kernel, signature=types, constexprs=known)
    for capability in (80, 90):
        made = compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": 4})
        print(len(made.asm["cubin"]) > 0)
"""


def test_they_compile_for_two_gpus_with_every_branch(tmp_path):
    assert compiled(COMPILE, tmp_path) == ["True"] * 10
