"""Boundary labels and the four losses of RANet."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from context_modules.boundary import boundary_labels
from context_modules.region_attention import RegionScores
from context_modules.region_losses import RegionLosses, boundary_cross_entropy, cross_entropy


def boundary_by_loop(labels: Tensor, radius: int, void: int) -> Tensor:
    height, width = labels.shape
    out = torch.zeros_like(labels)
    for y in range(height):
        for x in range(width):
            if labels[y, x] == void:
                out[y, x] = void
                continue
            for v in range(height):
                for u in range(width):
                    near = (v - y) ** 2 + (u - x) ** 2 <= radius**2
                    if near and labels[v, u] != void and labels[v, u] != labels[y, x]:
                        out[y, x] = 1
    return out


@settings(deadline=None, max_examples=25)
@given(
    height=st.integers(1, 8),
    width=st.integers(1, 8),
    radius=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_boundary_labels_are_the_definition(
    height: int, width: int, radius: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (height, width), generator=generator)
    labels[torch.rand(height, width, generator=generator) < 0.2] = 255
    expected = boundary_by_loop(labels, radius, 255)
    assert torch.equal(boundary_labels(labels, radius=radius), expected)
    batch = boundary_labels(torch.stack([labels, labels]), radius=radius)
    assert torch.equal(batch[1], expected)


def test_void_makes_no_boundary() -> None:
    labels = torch.tensor([[1, 1, 255, 255, 255, 2, 2]])
    assert boundary_labels(labels).tolist() == [[0, 0, 255, 255, 255, 0, 0]]
    assert boundary_labels(torch.tensor([[1, 1, 1, 255, 2, 2]])).tolist() == [[0, 0, 1, 255, 1, 0]]


def case(dtype: torch.dtype = torch.double) -> tuple[Tensor, RegionScores, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def logits(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.double).to(dtype)

    labels = torch.zeros(2, 9, 11, dtype=torch.long)
    labels[:, 3:7, 2:6] = 1
    labels[:, 5:, 8:] = 2
    labels[0, 0, :3] = 255
    scores = RegionScores(logits(2, 5, 6), logits(2, 3, 5, 6))
    return logits(2, 3, 5, 6), scores, labels, logits(2, 3, 3, 4)


def test_the_total_is_the_weighted_sum_of_four_terms() -> None:
    final, scores, labels, auxiliary = case()
    terms = RegionLosses(auxiliary_weight=0.5, semantic_weight=0.25, boundary_weight=2.0)(
        final, scores, labels, auxiliary
    )
    assert float(terms.total) == pytest.approx(
        float(terms.final + 0.5 * terms.auxiliary + 0.25 * terms.semantic + 2 * terms.boundary)
    )
    assert len({round(float(term), 6) for term in terms}) == 5
    without = RegionLosses()(final, scores, labels)
    assert float(without.auxiliary) == 0
    assert float(without.total) == pytest.approx(
        float(terms.final + terms.semantic + terms.boundary)
    )


def test_cross_entropy_is_the_mean_over_known_pixels() -> None:
    logits = torch.tensor([0.5, -1.0, 2.0], dtype=torch.double).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    labels = torch.tensor([[[0, 2], [255, 1]]])
    weights = [math.exp(x) for x in (0.5, -1.0, 2.0)]
    expected = -sum(math.log(w / sum(weights)) for w in weights) / 3
    assert float(cross_entropy(logits, labels)) == pytest.approx(expected)


def test_balanced_boundary_loss_weighs_by_the_share_of_the_other() -> None:
    edges = torch.tensor([[[1, 0, 0, 0, 255]]])
    logits = torch.tensor([[[0.3, -0.7, 1.1, 0.0, 5.0]]], dtype=torch.double)
    probability = logits.sigmoid().flatten().tolist()
    penalty = [-math.log(probability[0]), *(-math.log(1 - p) for p in probability[1:4])]
    plain = sum(penalty) / 4
    balanced = (0.75 * penalty[0] + 0.25 * sum(penalty[1:])) / 4
    assert float(boundary_cross_entropy(logits, edges)) == pytest.approx(plain)
    assert float(boundary_cross_entropy(logits, edges, balanced=True)) == pytest.approx(balanced)


def test_void_alone_costs_nothing() -> None:
    final, scores, labels, auxiliary = case()
    final.requires_grad_()
    terms = RegionLosses(balanced=True)(final, scores, torch.full_like(labels, 255), auxiliary)
    terms.total.backward()
    assert terms.total.item() == 0
    assert final.grad is not None
    assert (final.grad == 0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_every_input_gets_a_finite_gradient(dtype: torch.dtype) -> None:
    final, scores, labels, auxiliary = case(dtype)
    leaves = [final, *scores, auxiliary]
    for leaf in leaves:
        leaf.requires_grad_()
    RegionLosses()(final, scores, labels, auxiliary).total.backward()
    for leaf in leaves:
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
        assert leaf.grad.abs().sum() > 0


def test_gradients_of_the_losses() -> None:
    final, scores, labels, auxiliary = case()
    inputs = [x.requires_grad_() for x in (final, *scores, auxiliary)]
    losses = RegionLosses(balanced=True)
    assert torch.autograd.gradcheck(
        lambda f, b, c, a: losses(f, RegionScores(b, c), labels, a).total, inputs, fast_mode=True
    )


@pytest.mark.parametrize("name", ["auxiliary_weight", "semantic_weight", "boundary_weight"])
def test_negative_weights_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        RegionLosses(**{name: -1.0})  # type: ignore[arg-type]


def test_wrong_boundary_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="radius is 0"):
        boundary_labels(torch.zeros(2, 2, dtype=torch.long), radius=0)
    with pytest.raises(ValueError, match="integers"):
        boundary_labels(torch.zeros(2, 2))
