"""The maps over pairs of pixels (RANet, Eq. 1 to 4) against loops over all pairs."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from context_modules import line_maximum as lines_file
from context_modules import region_maps as maps_file
from context_modules.line_maximum import boundary_line_samples, line_maximum, sweep
from context_modules.region_maps import (
    decision_maps,
    jensen_shannon_divergence,
    region_attention_maps,
)

SIZES = [(12, 12), (5, 9), (9, 4), (1, 7), (7, 1), (2, 2), (1, 1)]


def scores(height: int, width: int, classes: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    boundary = torch.rand(height, width, generator=generator, dtype=torch.double)
    logits = 2 * torch.randn(classes, height, width, generator=generator, dtype=torch.double)
    return boundary, logits.softmax(dim=0)


def line_by_loop(
    boundary: Tensor, i: tuple[int, int], j: tuple[int, int], end_points: bool
) -> float:
    """The definition: one step along the longer axis, linear between the nearest pixels."""
    (y0, x0), (y1, x1) = i, j
    steps = max(abs(y1 - y0), abs(x1 - x0))
    largest = 0.0
    if not steps:
        return largest
    for t in range(0 if end_points else 1, steps + 1 if end_points else steps):
        y, x = y0 + (y1 - y0) * t / steps, x0 + (x1 - x0) * t / steps
        y, x = round(y, 9), round(x, 9)
        top, left = math.floor(y), math.floor(x)
        value = 0.0
        for row, weight_y in ((top, 1 - (y - top)), (top + 1, y - top)):
            for column, weight_x in ((left, 1 - (x - left)), (left + 1, x - left)):
                if weight_y * weight_x > 0:
                    value += weight_y * weight_x * float(boundary[row, column])
        largest = max(largest, value)
    return largest


def divergence_by_loop(p: Tensor, q: Tensor) -> float:
    def relative_entropy(a: Tensor, b: Tensor) -> float:
        return sum(
            float(x) * math.log2(float(x) / float(y)) for x, y in zip(a, b, strict=True) if x > 0
        )

    middle = (p + q) / 2
    return (relative_entropy(p, middle) + relative_entropy(q, middle)) / 2


def pixels(height: int, width: int) -> list[tuple[int, int]]:
    return [(y, x) for y in range(height) for x in range(width)]


@pytest.mark.parametrize("end_points", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_line_maximum_is_the_definition(size: tuple[int, int], end_points: bool) -> None:
    boundary, _ = scores(*size)
    expected = torch.tensor(
        [[line_by_loop(boundary, i, j, end_points) for j in pixels(*size)] for i in pixels(*size)],
        dtype=torch.double,
    )
    torch.testing.assert_close(line_maximum(boundary, end_points=end_points), expected)


@pytest.mark.parametrize("size", [(12, 12), (3, 5)])
def test_divergence_and_attention_are_the_definition(size: tuple[int, int]) -> None:
    boundary, categories = scores(*size)
    columns = categories.flatten(1).t()
    divergence = torch.tensor(
        [[divergence_by_loop(p, q) for q in columns] for p in columns], dtype=torch.double
    )
    torch.testing.assert_close(jensen_shannon_divergence(categories), divergence)
    lines = torch.tensor(
        [[line_by_loop(boundary, i, j, False) for j in pixels(*size)] for i in pixels(*size)],
        dtype=torch.double,
    )
    expected = {
        "both": (1 - lines) * (1 - divergence),
        "boundary": 1 - lines,
        "semantic": 1 - divergence,
    }
    for context, maps in expected.items():
        torch.testing.assert_close(
            region_attention_maps(boundary, categories, context=context), maps
        )


def test_divergence_of_certain_categories_is_zero_or_one() -> None:
    categories = torch.tensor([[[1.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]])
    expected = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    assert torch.equal(jensen_shannon_divergence(categories), expected)


def test_decision_is_the_threshold_on_the_affine() -> None:
    maps = torch.tensor([[0.5, 0.79], [0.8, 0.81]])
    assert decision_maps(maps, threshold=0.8).tolist() == [[False, False], [True, True]]
    assert decision_maps(maps, threshold=0.8, weight=-1.0, bias=1.4).tolist() == [
        [True, False],
        [False, False],
    ]


@settings(deadline=None, max_examples=30)
@given(
    data=st.data(),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    end_points=st.booleans(),
)
def test_line_maximum_is_symmetric_bounded_and_monotone(
    data: st.DataObject, height: int, width: int, end_points: bool
) -> None:
    maps = arrays("float64", (height, width), elements=st.floats(0, 1))
    low = torch.from_numpy(data.draw(maps))
    high = torch.maximum(low, torch.from_numpy(data.draw(maps)))
    less, more = (line_maximum(b, end_points=end_points) for b in (low, high))
    assert torch.equal(less, less.t())
    assert (less >= 0).all()
    assert (less <= low.max() + 1e-12).all()
    assert (less <= more + 1e-12).all()


@settings(deadline=None, max_examples=30)
@given(
    logits=arrays("float64", (5, 2, 3), elements=st.floats(-30, 30)),
)
def test_divergence_is_symmetric_and_within_one(logits: object) -> None:
    divergence = jensen_shannon_divergence(torch.as_tensor(logits).softmax(dim=0))
    assert torch.equal(divergence, divergence.t())
    assert ((divergence >= 0) & (divergence <= 1)).all()
    assert (divergence.diagonal() < 1e-12).all()


@pytest.mark.parametrize("context", ["both", "boundary", "semantic"])
@pytest.mark.parametrize("end_points", [False, True])
def test_gradients_of_the_maps(context: str, end_points: bool) -> None:
    boundary, categories = scores(4, 3)
    inputs = (boundary.requires_grad_(), categories.log().requires_grad_())
    assert torch.autograd.gradcheck(
        lambda b, c: region_attention_maps(
            b, c.softmax(dim=0), context=context, end_points=end_points
        ),
        inputs,
    )


@pytest.mark.parametrize("needed", ["boundary", "categories"])
def test_gradient_of_one_score_alone_is_that_of_both(needed: str) -> None:
    def gradient(*names: str) -> Tensor:
        values = dict(zip(("boundary", "categories"), scores(4, 5), strict=True))
        for name in names:
            values[name].requires_grad_()
        weight = torch.arange(400, dtype=torch.double).view(20, 20)
        (region_attention_maps(**values) * weight).sum().backward()
        grad = values[needed].grad
        assert grad is not None
        return grad

    torch.testing.assert_close(gradient(needed), gradient("boundary", "categories"))


def test_samples_are_counted_as_a_loop_counts_them() -> None:
    counted = sum(
        max(max(abs(a - c), abs(b - d)) - 1, 0) for a, b in pixels(5, 8) for c, d in pixels(5, 8)
    )
    assert boundary_line_samples(5, 8) == counted


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_scores_are_lifted(dtype: torch.dtype) -> None:
    boundary, categories = scores(4, 4)
    maps = region_attention_maps(boundary.to(dtype), categories.to(dtype))
    assert maps.dtype == torch.float32
    exact = region_attention_maps(boundary, categories)
    torch.testing.assert_close(maps.double(), exact, rtol=0, atol=0.02)


def test_a_side_of_more_than_a_byte_of_steps() -> None:
    boundary = torch.zeros(1, 300, dtype=torch.double)
    boundary[0, 280] = 0.5
    boundary.requires_grad_()
    maximum = line_maximum(boundary)
    maximum[0, 299].backward()
    assert maximum[0, 299] == 0.5
    assert boundary.grad is not None
    assert boundary.grad.nonzero().tolist() == [[0, 280]]


def test_shapes_without_data() -> None:
    with FakeTensorMode():
        boundary = torch.rand(6, 5, requires_grad=True)
        categories = torch.rand(3, 6, 5, requires_grad=True)
        maps = region_attention_maps(boundary, categories)
        maps.sum().backward()
        assert maps.shape == (30, 30)
        assert boundary.grad is not None
        assert categories.grad is not None
        assert (boundary.grad.shape, categories.grad.shape) == ((6, 5), (3, 6, 5))


def test_a_batch_of_boundary_maps_is_refused() -> None:
    with pytest.raises(ValueError, match="one by one"):
        line_maximum(torch.rand(2, 3, 4))


@pytest.mark.parametrize("context", ["both", "boundary", "semantic"])
def test_images_of_a_batch_give_what_each_gives_alone(context: str) -> None:
    made = [scores(6, 9, seed=seed) for seed in range(3)]
    batch = [torch.stack(each).requires_grad_() for each in zip(*made, strict=True)]
    weight = torch.rand(3, 54, 54, generator=torch.Generator().manual_seed(3), dtype=torch.double)
    maps = region_attention_maps(*batch, context=context, end_points=True)
    (maps * weight).sum().backward()
    for number, alone in enumerate(made):
        inputs = [one.requires_grad_() for one in alone]
        own = region_attention_maps(*inputs, context=context, end_points=True)
        assert torch.equal(maps[number], own)
        (own * weight[number]).sum().backward()
        for together, single in zip(batch, inputs, strict=True):
            if single.grad is not None:
                torch.testing.assert_close(together.grad[number], single.grad)


def test_small_blocks_give_the_same_maps_and_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    def maps_and_gradients() -> list[Tensor]:
        boundary, categories = (x.requires_grad_() for x in scores(7, 6))
        maps = region_attention_maps(boundary, categories)
        (maps * torch.arange(42, dtype=torch.double)).sum().backward()
        assert torch.equal(maps, maps.t())
        return [maps, boundary.grad, categories.grad]  # type: ignore[list-item]

    whole = maps_and_gradients()
    monkeypatch.setattr(maps_file, "CPU_BLOCK", 5 * 42 * 4)  # five rows, the last block has two
    monkeypatch.setattr(lines_file, "CPU_TILE", 20)
    for small, large in zip(maps_and_gradients(), whole, strict=True):
        torch.testing.assert_close(small, large)


@pytest.mark.parametrize("end_points", [False, True])
@pytest.mark.parametrize("keep_steps", [False, True])
def test_operators_promise_the_shapes_they_give(end_points: bool, keep_steps: bool) -> None:
    boundary, categories = (
        torch.stack(each) for each in zip(scores(5, 4), scores(5, 4, seed=1), strict=True)
    )
    operators = torch.ops.context_modules
    maximum, steps = operators.line_maximum(boundary, end_points, True)
    checks = ("test_schema", "test_faketensor")
    for operator, arguments in (
        (operators.line_maximum, (boundary, end_points, keep_steps)),
        (operators.line_values, (boundary, steps, end_points)),
        (operators.line_gradient, (maximum, steps, 5, 4, end_points)),
        (operators.join_maps_, (maximum, categories.flatten(2), True)),
        (operators.split_gradient_, (maximum, maximum.clone(), categories.flatten(2), True)),
    ):
        torch.library.opcheck(operator.default, arguments, test_utils=checks)


@pytest.mark.parametrize("end_points", [False, True])
@pytest.mark.parametrize("size", [(1, 1, 1), (1, 1, 6), (2, 6, 1), (3, 5, 7), (1, 13, 9)])
def test_without_gradients_the_largest_are_the_same_bits(
    size: tuple[int, ...], end_points: bool
) -> None:
    """Walked as views of a table, not looked up."""
    boundary = torch.rand(size, generator=torch.Generator().manual_seed(5))
    kept, _ = sweep(boundary, end_points, keep_steps=True)
    assert torch.equal(sweep(boundary, end_points, keep_steps=False)[0], kept)
