"""Triton's compiler and NVIDIA's assembler, as tests of kernels use them: no GPU is needed."""

import json
import os
import subprocess
import sys

CAPABILITIES = (80, 90)

# In a process of its own: in that of the tests Triton was imported for its interpreter.
_COMPILE = """
import json, sys
from importlib import import_module
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

module, name, choices, types, capabilities = json.loads(sys.argv[1])
kernel = getattr(import_module(f"context_modules.{module}"), name)
signature = {
    each: "constexpr" if each in choices else types.get(each, "*bf16")
    for each in kernel.arg_names
}
source = ASTSource(kernel, signature=signature, constexprs=choices)
for capability in capabilities:
    made = compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": 4})
    assert made.asm["cubin"]
print("compiled")
"""


def compiles(module, kernel, choices, types, cache):
    """Whether a kernel becomes code for GPUs of two generations; else why not.

    Args:
        module: its file.
        kernel: its name.
        choices: arguments that are known when it is compiled.
        types: of other arguments, by name; those that are not here are tables in bfloat16.
        cache: an empty folder.
    """
    around = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    given = json.dumps([module, kernel, choices, types, CAPABILITIES])
    ran = subprocess.run(
        [sys.executable, "-c", _COMPILE, given],
        env=around | {"TRITON_CACHE_DIR": str(cache)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ran.stdout == "compiled\n" or ran.stderr
