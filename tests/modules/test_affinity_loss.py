import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from context_modules.affinity_loss import (
    AffinityLoss,
    downsample_labels,
    ideal_affinity,
    labelled_pairs,
)

VOID = 255


def random_prior(batch, positions, *, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, positions, positions, generator=generator, dtype=dtype) * 0.9 + 0.05


def mean_or_zero(values):
    return sum(values) / len(values) if values else 0.0


def reference(prior, labels, *, diagonal=True):
    """Eq. 1 to 5, one pair at a time; returns (L_u, L_g)."""
    unary, precision, recall, specificity = [], [], [], []
    for p, image in zip(prior.tolist(), labels.flatten(1).tolist(), strict=True):
        for j, query in enumerate(image):
            columns = [
                i
                for i, key in enumerate(image)
                if query != VOID and key != VOID and (diagonal or i != j)
            ]
            a = {i: float(image[i] == query) for i in columns}
            unary += [
                a[i] * math.log(p[j][i]) + (1 - a[i]) * math.log(1 - p[j][i]) for i in columns
            ]
            hits = sum(a[i] * p[j][i] for i in columns)
            if sum(a.values()) > 0:
                precision.append(math.log(hits / sum(p[j][i] for i in columns)))
                recall.append(math.log(hits / sum(a.values())))
            if (others := sum(1 - a[i] for i in columns)) > 0:
                rejected = sum((1 - a[i]) * (1 - p[j][i]) for i in columns)
                specificity.append(math.log(rejected / others))
    global_ = mean_or_zero(precision) + mean_or_zero(recall) + mean_or_zero(specificity)
    return -mean_or_zero(unary), -global_


@st.composite
def labelled_images(draw):
    batch, height, width = draw(st.tuples(*[st.integers(1, 3)] * 3))
    size = batch * height * width
    values = draw(st.lists(st.sampled_from([0, 1, 2, VOID]), min_size=size, max_size=size))
    return torch.tensor(values).view(batch, height, width)


@settings(deadline=None, max_examples=60)
@given(labels=labelled_images(), diagonal=st.booleans(), seed=st.integers(0, 99))
def test_terms_equal_the_equations_pair_by_pair(labels, diagonal, seed):
    prior = random_prior(labels.shape[0], labels[0].numel(), seed=seed)

    terms = AffinityLoss(diagonal=diagonal).terms(prior, labels)

    assert [float(term) for term in terms] == pytest.approx(
        reference(prior, labels, diagonal=diagonal), abs=1e-12
    )


def test_loss_is_the_weighted_sum_of_its_terms():
    prior, labels = random_prior(1, 6), torch.tensor([[[0, 1, 1], [0, 2, 2]]])
    unary, global_ = AffinityLoss().terms(prior, labels)

    loss = AffinityLoss(unary_weight=0.5, global_weight=3.0)(prior, labels)

    torch.testing.assert_close(loss, 0.5 * unary + 3 * global_)


def test_unary_term_alone_is_binary_cross_entropy():
    prior, labels = random_prior(2, 12), torch.randint(0, 3, (2, 3, 4))

    loss = AffinityLoss(global_weight=0.0)(prior, labels)

    expected = F.binary_cross_entropy(prior, ideal_affinity(labels).double())
    torch.testing.assert_close(loss, expected)


def test_ideal_affinity_is_the_product_of_one_hot_labels():
    labels = torch.randint(0, 4, (2, 3, 5), generator=torch.Generator().manual_seed(1))
    one_hot = F.one_hot(labels.flatten(1), 4)

    assert torch.equal(ideal_affinity(labels).long(), one_hot @ one_hot.transpose(1, 2))


def test_ideal_prior_costs_nothing_and_its_reverse_costs_most():
    labels = torch.tensor([[[0, 0, 1], [2, 2, 1]]])
    ideal = ideal_affinity(labels).double()
    loss = AffinityLoss()

    assert float(loss(ideal, labels)) == pytest.approx(0.0, abs=1e-9)
    assert loss(1 - ideal, labels) > loss(torch.full_like(ideal, 0.5), labels) > 0.5


def test_void_pixels_take_no_part_as_row_or_as_column():
    labels = torch.tensor([[[0, 1, VOID], [0, 1, 1]]])
    prior = random_prior(1, 6).requires_grad_()

    AffinityLoss()(prior, labels).backward()

    used = prior.grad != 0
    assert torch.equal(used, labelled_pairs(labels))
    assert not used[0, 2].any()
    assert not used[0, :, 2].any()


def test_diagonal_can_be_removed():
    labels = torch.tensor([[[0, 1], [0, 1]]])
    prior = random_prior(1, 4).requires_grad_()

    AffinityLoss(diagonal=False)(prior, labels).backward()

    assert torch.equal(prior.grad[0].diagonal(), torch.zeros(4, dtype=torch.float64))
    assert (prior.grad[0] != 0).sum() == 12


def test_batch_of_void_labels_costs_nothing_and_moves_nothing():
    prior = random_prior(1, 4).requires_grad_()

    loss = AffinityLoss()(prior, torch.full((1, 2, 2), VOID))
    loss.backward()

    assert loss == 0
    assert torch.equal(prior.grad, torch.zeros_like(prior))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_saturated_priors_stay_finite(dtype, value):
    labels = torch.tensor([[[0, 1, 2], [0, 1, VOID]]])
    prior = torch.full((1, 6, 6), value, dtype=dtype, requires_grad=True)

    loss = AffinityLoss()(prior, labels)
    loss.backward()

    assert torch.isfinite(loss)
    assert torch.isfinite(prior.grad).all()


def test_half_precision_is_computed_in_float32():
    labels = torch.tensor([[[0, 1], [0, 1]]])
    prior = random_prior(1, 4).bfloat16()

    loss = AffinityLoss()(prior, labels)

    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, AffinityLoss()(prior.float(), labels))


def test_loss_does_not_depend_on_the_batch_size():
    prior, labels = random_prior(1, 6), torch.tensor([[[0, 1, 1], [0, 2, 2]]])

    repeated = AffinityLoss()(prior.expand(3, -1, -1), labels.expand(3, -1, -1))

    torch.testing.assert_close(repeated, AffinityLoss()(prior, labels))


@pytest.mark.parametrize("diagonal", [True, False])
def test_gradients_agree_with_finite_differences(diagonal):
    labels = torch.tensor([[[0, 1, 1], [0, 2, VOID]]])
    prior = random_prior(1, 6).requires_grad_()

    assert torch.autograd.gradcheck(lambda p: AffinityLoss(diagonal=diagonal)(p, labels), prior)


@settings(deadline=None, max_examples=30)
@given(labels=labelled_images(), factor=st.integers(1, 5))
def test_downsampling_undoes_repetition(labels, factor):
    large = labels.repeat_interleave(factor, 1).repeat_interleave(factor, 2)

    assert torch.equal(downsample_labels(large, tuple(labels.shape[1:])), labels)


def test_downsampling_invents_no_class():
    labels = torch.tensor([0, 7, VOID]).repeat(1, 11, 5)

    small = downsample_labels(labels, (4, 4))

    assert small.shape == (1, 4, 4)
    assert small.dtype == labels.dtype
    assert set(small.unique().tolist()) <= {0, 7, VOID}


def test_labels_of_another_size_are_named_with_the_cure():
    with pytest.raises(ValueError, match="downsample_labels"):
        AffinityLoss()(random_prior(1, 4), torch.zeros(1, 3, 3, dtype=torch.long))


def test_labels_without_a_batch_are_refused():
    with pytest.raises(ValueError, match=r"labels must be \(B, H, W\)"):
        AffinityLoss()(random_prior(1, 4), torch.zeros(2, 2, dtype=torch.long))


def test_the_released_form_lets_an_undefined_row_cost_100():
    """One class alone: no row has an inter-class pixel; of two pixels each has one of its class."""
    labels = torch.zeros(1, 1, 2, dtype=torch.long)
    prior = torch.full((1, 2, 2), 0.5, dtype=torch.double)
    unary, global_ = AffinityLoss(form="released").terms(prior, labels)
    log2 = math.log(2)
    assert float(unary) == pytest.approx(log2)
    # Precision 0.5 of a predicted 1, recall 0.5 of one pair, specificity of no pair at all.
    assert float(global_) == pytest.approx(2 * log2 + 100)
    with pytest.raises(ValueError, match="leave diagonal at True"):
        AffinityLoss(form="released", diagonal=False)
