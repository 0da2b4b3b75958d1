"""RANet's regions by kernels in Triton against the explicit form in float64, in the interpreter."""

import pytest
import torch
from interpreter import interpreted
from test_region_attention import WAITING
from torch.profiler import ProfilerActivity, profile

from context_modules.region_attention import RegionAttention
from context_modules.region_construction import RegionConstruction, connected_components
from context_modules.region_maps import region_attention_maps

OPERATORS = torch.ops.context_modules


def scores(images, height, width, classes=4, seed=0):
    """B and C in float64, of numbers that float32 has."""
    generator = torch.Generator().manual_seed(seed)
    boundary = torch.rand(images, height, width, generator=generator) * 0.5
    logits = 3 * torch.randn(images, classes, height, width, generator=generator)
    return boundary.double(), logits.softmax(dim=1).double()


def packed(joined):
    """(B, N, N) booleans as the words of 32 bits that a GPU reads."""
    images, pixels, _ = joined.shape
    words = -(-pixels // 32)
    bits = torch.zeros(images, pixels, 32 * words, dtype=torch.long)
    bits[..., :pixels] = joined
    values = bits.view(images, pixels, words, 32) << torch.arange(32)
    return values.sum(dim=-1).to(torch.int32)  # the last bit is the sign


def unpacked(bits):
    pixels = bits.shape[1]
    values = bits.unsqueeze(-1) >> torch.arange(32, dtype=torch.int32) & 1
    return values.flatten(2)[..., :pixels].bool()


def regions_and_gradients(kernel, dtype, boundary, categories, **arguments):
    block = RegionConstruction(kernel=kernel, **arguments).to(dtype)
    with torch.no_grad():
        block.weight.fill_(0.9)
        block.bias.fill_(0.05)
    leaves = [x.to(dtype, copy=True).requires_grad_() for x in (boundary, categories)]
    regions = block(*leaves)
    incoming = torch.randn(regions.scores.shape, generator=torch.Generator().manual_seed(5))
    (regions.scores * incoming).sum().backward()
    return regions.labels, regions.scores, *(x.grad for x in leaves), block.weight.grad


def near_the_explicit_form(boundary, categories, *, some=True, **arguments):
    found = regions_and_gradients("triton", torch.float32, boundary, categories, **arguments)
    wanted = regions_and_gradients("explicit", torch.float64, boundary, categories, **arguments)
    assert torch.equal(found[0], wanted[0])
    if some:
        assert 1 < len(wanted[0].unique()) < wanted[0].numel()
    for one, other in zip(found[1:], wanted[1:], strict=True):
        if other is None:
            assert one is None
        else:
            assert one.dtype == torch.float32
            torch.testing.assert_close(one.double(), other, rtol=2e-5, atol=2e-6)


class TestRegions:
    pytestmark = interpreted

    @pytest.mark.parametrize(
        ("size", "context", "end_points", "threshold"),
        [
            ((2, 5, 7), "both", True, 0.6),
            ((1, 7, 11), "both", False, 0.73),
            ((1, 9, 6), "boundary", True, 0.65),
            ((1, 11, 9), "semantic", False, 0.93),
            ((1, 1, 6), "both", True, 0.6),
            ((1, 6, 1), "both", True, 0.6),
        ],
        ids=str,
    )
    def test_labels_scores_and_gradients_are_those_of_the_explicit_form(
        self, size, context, end_points, threshold
    ):
        near_the_explicit_form(
            *scores(*size), context=context, end_points=end_points, threshold=threshold
        )

    def test_one_pixel_and_lines_without_a_sample(self):
        near_the_explicit_form(*scores(2, 1, 1), some=False)
        near_the_explicit_form(*scores(1, 2, 2), some=False, context="boundary")

    @pytest.mark.parametrize("end_points", [False, True])
    def test_at_a_tie_the_first_sample_takes_the_gradient(self, end_points):
        """Of a map of equal columns, and of equal rows, ties of samples are so in every bit."""
        column = torch.tensor([0.0, 0.25, 0.5, 0.25, 0.5, 0.5, 0.25], dtype=torch.double)
        columns, categories = column.expand(1, 3, 7), scores(1, 3, 7)[1]
        for boundary, given in (
            (columns, categories),
            (columns.mT, categories.mT),
            (torch.full((1, 5, 6), 0.125, dtype=torch.double), scores(1, 5, 6)[1]),
        ):
            near_the_explicit_form(
                boundary, given, some=False, threshold=0.1, end_points=end_points
            )

    def test_half_precision_is_lifted(self):
        boundary, categories = (x.bfloat16() for x in scores(1, 5, 7))
        lifted, leaves = [], [x.clone().requires_grad_() for x in (boundary, categories)]
        block = RegionConstruction(kernel="triton", threshold=0.6, end_points=True)
        for given in (leaves, [x.float() for x in (boundary, categories)]):
            lifted.append(block(*given))
            assert lifted[-1].scores.dtype == torch.float32
        for one, other in zip(*lifted, strict=True):
            assert torch.equal(one, other)
        lifted[0].scores.square().sum().backward()
        for leaf in leaves:
            assert leaf.grad.dtype == torch.bfloat16
            assert leaf.grad.abs().sum() > 0


class TestBits:
    pytestmark = interpreted

    def test_adjacency_is_symmetric_and_that_of_the_explicit_form(self):
        boundary, categories = scores(2, 5, 7, seed=3)
        maps = region_attention_maps(boundary, categories)
        # Thresholds that a map has, whose bits differ by which of a pair is the first.
        for threshold in (float(maps.median()), 0.5):
            bits = OPERATORS.region_adjacency(
                boundary.float(), categories.float().flatten(2), "both", False, threshold
            )
            joined = unpacked(bits)
            assert torch.equal(joined, joined.transpose(1, 2))
            clear = (maps - threshold).abs() > 1e-6
            assert torch.equal(joined[clear], (maps >= threshold)[clear])

    @pytest.mark.parametrize("pixels", [1, 33, 150])
    def test_components_are_those_of_the_explicit_form(self, pixels):
        generator = torch.Generator().manual_seed(pixels)
        joined = torch.rand(2, pixels, pixels, generator=generator) < 0.8 / pixels
        order = torch.randperm(pixels, generator=generator)
        joined[1, order[:-1], order[1:]] = True  # a chain
        joined |= joined.transpose(1, 2).clone()
        labels = OPERATORS.components_of_bits(packed(joined))
        for one, other in zip(labels, joined, strict=True):
            assert torch.equal(one, connected_components(other.float(), 0.5))
        assert (labels[1] == 0).all()


class TestOperators:
    pytestmark = interpreted

    def test_they_are_as_compilers_and_counters_ask(self):
        boundary, categories = (x.float() for x in scores(1, 3, 4))
        given = (boundary, categories.flatten(2), "both", True)
        checks = ("test_schema", "test_faketensor")
        bits = OPERATORS.region_adjacency(*given, 0.6)
        labels = OPERATORS.components_of_bits(bits)
        grad = torch.rand(1, 12)
        for operator, arguments in (
            (OPERATORS.region_adjacency, (*given, 0.6)),
            (OPERATORS.components_of_bits, (bits,)),
            (OPERATORS.region_sums_gradient, (*given, labels, grad)),
        ):
            torch.library.opcheck(operator.default, arguments, test_utils=checks)
        leaves = [x.requires_grad_() for x in given[:2]]
        torch.library.opcheck(OPERATORS.region_sums.default, (*leaves, *given[2:], labels))


def head(kernel, **arguments):
    torch.manual_seed(0)
    made = RegionAttention(
        8, channels=16, out_channels=4, categories=5, kernel=kernel, max_regions=3,
        representatives=3, **arguments,
    )  # fmt: skip
    with torch.no_grad():  # Untrained categories hardly differ: the image would be one region.
        made.scores.categories.weight.mul_(40)
    return made.eval()


class TestHead:
    pytestmark = interpreted

    @pytest.mark.usefixtures("small_tiles")
    @pytest.mark.parametrize("joint", [False, True])
    def test_the_head_equals_its_explicit_form(self, joint):
        x = torch.randn(2, 8, 5, 6, generator=torch.Generator().manual_seed(1))
        results = []
        for kernel in ("triton", "explicit"):
            module, leaf = head(kernel, joint_softmax=joint), x.clone().requires_grad_()
            out, given = module.forward_with_scores(leaf)
            out.square().sum().backward()
            labels = module.regions(given).labels
            results.append((labels, out, leaf.grad, *(p.grad for p in module.parameters())))
        assert 1 < len(results[0][0].unique()) < 30
        assert torch.equal(results[0][0], results[1][0])
        for one, other in zip(*results, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)

    def test_no_device_is_waited_for(self):
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            head("triton")(torch.randn(1, 8, 3, 4)).sum().backward()
        found = {event.key for event in profiled.key_averages()}
        assert "context_modules::components_of_bits" in found
        assert not found & WAITING


CURE = "kernel: explicit computes the same anywhere"


def message(module, *given):
    with pytest.raises(NotImplementedError) as told:
        module(*given)
    return str(told.value)


def test_off_cuda_the_error_is_one_line_with_its_cure(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET")
    said = f"kernel: triton needs a CUDA device; {CURE}"
    assert message(head("triton"), torch.randn(1, 8, 3, 4)) == said


def test_other_types_are_refused():
    said = message(RegionConstruction(kernel="triton"), *scores(1, 3, 4))
    assert said == (
        "kernel: triton takes float32, float16 or bfloat16, all of one, not float64; " + CURE
    )


def test_a_form_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="kernel must be one of explicit, triton, not 'fused'"):
        RegionAttention(8, kernel="fused")
