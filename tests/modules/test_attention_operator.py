"""Attention by kernels in Triton against the explicit form in float64, in the interpreter."""

import subprocess
import sys

import pytest
import torch
from interpreter import interpreted, near_in_float64

from context_modules import triton_use
from context_modules.attention import attend
from context_modules.interlaced import SparseRelation


def rows(*shape, seed, dtype=torch.float32):
    made = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return made.to(dtype).requires_grad_()


def kept(*shape):
    """A mask under which each query sees its first key."""
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(4)) > 0.4
    mask[..., 0] = True
    return mask


def near_the_explicit_form(tables, mask=None, scale=None):
    def form(kernel):
        return lambda *given: attend(*given, scale=scale, mask=mask, kernel=kernel)

    near_in_float64(form("triton"), form("explicit"), tables)


@pytest.mark.parametrize(
    ("queries", "keys", "width", "values", "dtype"),
    [
        (19, 35, 20, 35, torch.float32),
        (35, 19, 16, 64, torch.float32),
        (19, 17, 20, 35, torch.float16),
        (17, 19, 3, 5, torch.bfloat16),
    ],
    ids=str,
)
@pytest.mark.usefixtures("small_tiles")
class TestFunction:
    pytestmark = interpreted

    def test_values_and_gradients_are_those_of_the_explicit_form(
        self, queries, keys, width, values, dtype
    ):
        shapes = (queries, width), (keys, width), (keys, values)
        near_the_explicit_form(
            [rows(2, *each, seed=i, dtype=dtype) for i, each in enumerate(shapes)]
        )


@pytest.mark.parametrize("widths", [(64, 512), (256, 256)], ids=str)
class TestWidthsOfPapers:
    pytestmark = interpreted

    def test_values_and_gradients_with_the_tiles_of_a_gpu(self, widths):
        width, values = widths
        near_the_explicit_form([
            rows(2, 35, width, seed=1), rows(2, 35, width, seed=2), rows(2, 35, values, seed=3)
        ])  # fmt: skip


@pytest.mark.usefixtures("small_tiles")
class TestMasks:
    pytestmark = interpreted

    @pytest.mark.parametrize(
        ("batch", "shape"),
        [
            ((2,), (19, 17)),
            ((2,), (2, 1, 17)),
            ((2,), (2, 19, 17)),
            ((1, 2), (17,)),
            ((2, 2), (1, 2, 1, 17)),
        ],
        ids=str,
    )
    def test_a_mask_of_every_shape(self, batch, shape):
        tables = [rows(*batch, *each, seed=i) for i, each in enumerate([(19, 5), (17, 5), (17, 4)])]
        near_the_explicit_form(tables, kept(*shape), scale=1.0)

    def test_keys_whose_first_tile_is_hidden(self):
        mask = torch.ones(1, 19, dtype=torch.bool)
        mask[:, :17] = False
        near_the_explicit_form([rows(2, 19, 5, seed=seed) for seed in range(3)], mask)

    def test_one_set_of_keys_for_all_groups(self):
        near_the_explicit_form([rows(1, 2, 17, 5, seed=1), rows(9, 5, seed=2), rows(9, 5, seed=3)])


class TestOperators:
    pytestmark = interpreted

    def test_they_are_as_compilers_and_counters_ask(self):
        query, key, value = rows(2, 17, 5, seed=1), rows(2, 9, 5, seed=2), rows(2, 9, 6, seed=3)
        mask, operators = kept(1, 1, 9), torch.ops.context_modules
        given = (query, key, value, mask, 0.5)
        torch.library.opcheck(operators.attention.default, given)
        fixed = (query.detach(), key.detach(), value.detach(), mask, 0.5)
        out, sums = operators.attention(*fixed)
        grad = torch.randn_like(out)
        backward = operators.attention_query_gradient.default
        _, slopes = backward(*fixed, out, sums, grad)
        checks = ("test_schema", "test_faketensor")
        torch.library.opcheck(backward, (*fixed, out, sums, grad), test_utils=checks)
        backward = operators.attention_key_value_gradient.default
        torch.library.opcheck(backward, (*fixed, sums, slopes, grad), test_utils=checks)

    def test_tables_that_do_not_lie_in_rows(self):
        tables = [rows(2, 5, 17, seed=seed).transpose(1, 2) for seed in range(3)]
        near_the_explicit_form([x.detach().requires_grad_() for x in tables])

    def test_autocast_takes_half_precision(self):
        tables = [rows(2, 17, 5, seed=seed) for seed in range(3)]
        with torch.autocast("cpu", torch.bfloat16):
            assert attend(*tables, kernel="triton").dtype == torch.bfloat16


def message(*tables, **changed):
    with pytest.raises(NotImplementedError) as told:
        attend(*tables, kernel="triton", **changed)
    return str(told.value)


CURE = "kernel: fused computes the same anywhere"


def test_off_cuda_the_error_is_one_line_with_its_cure(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET")
    said = message(*[rows(2, 3, 4, seed=seed) for seed in range(3)])
    assert said == f"kernel: triton needs a CUDA device; {CURE}"


def test_other_types_are_refused():
    tables = [rows(2, 3, 4, seed=seed) for seed in range(3)]
    wants = "kernel: triton takes float32, float16 or bfloat16, all of one, not"
    assert message(*[x.double() for x in tables]) == f"{wants} float64; {CURE}"
    assert message(tables[0], tables[1].half(), tables[2]) == f"{wants} float16; {CURE}"


def test_without_triton_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(triton_use, "find_spec", lambda _name: None)
    said = message(*[rows(2, 3, 4, seed=seed) for seed in range(3)])
    assert said == (
        "kernel: triton needs the optional extra `triton`: "
        f"pip install 'context-harness[triton]'; {CURE}"
    )


def test_nothing_imports_triton_until_a_kernel_runs():
    code = (
        "import sys; from context_modules.catalog import CATALOG\n"
        "for entry in CATALOG: entry.load()\n"
        "sys.exit('triton' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class TestCompiled:
    """Under `torch.compile` the whole graph is traced: the operators are known by their shapes."""

    pytestmark = interpreted

    def test_a_graph_gives_the_values_and_gradients_of_the_module(self):
        # In groups of one position the strides of a compiler are others than those of a tensor.
        torch._dynamo.reset()
        module = SparseRelation(4, scope="local", groups=(8, 8), kernel="triton")
        image = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(6))
        found = []
        for form in (module, torch.compile(module, backend="aot_eager", fullgraph=True)):
            x = image.clone().requires_grad_()
            out = form(x)
            (grad,) = torch.autograd.grad(out.square().sum(), x)
            found.append((out, grad))
        torch.testing.assert_close(*found, rtol=1e-6, atol=1e-6)
