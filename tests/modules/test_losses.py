import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from context_modules.losses import CrossEntropy, OHEMCrossEntropy


def scene(seed=0, classes=5, size=(2, 6, 7), void=0.3):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(size[0], classes, *size[1:], generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, size, generator=generator)
    labels[torch.rand(size, generator=generator) < void] = 255
    return logits, labels


def mined(logits, labels, threshold, min_kept, weights=None):
    """The definition, pixel by pixel: below the threshold, or among the hardest."""
    pixels = []
    for b, y, x in torch.nonzero(labels != 255).tolist():
        label = int(labels[b, y, x])
        scores = logits[b, :, y, x].tolist()
        p = math.exp(scores[label]) / sum(math.exp(s) for s in scores)
        pixels.append((p, 1.0 if weights is None else weights[label]))
    pixels.sort()
    kept = [pixel for i, pixel in enumerate(pixels) if i < min_kept or pixel[0] < threshold]
    return sum(-math.log(p) * w for p, w in kept) / sum(w for _, w in kept)


@pytest.mark.parametrize("weights", [None, (0.5, 1.0, 2.0, 0.1, 3.0)])
def test_cross_entropy_is_pytorchs_where_pixels_are_labelled(weights):
    logits, labels = scene()
    tensor = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    expected = F.cross_entropy(logits, labels, weight=tensor, ignore_index=255)
    loss = CrossEntropy(class_weights=weights).double()
    torch.testing.assert_close(loss(logits, labels), expected)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**16),
    threshold=st.floats(0.05, 1.0),
    min_kept=st.integers(1, 120),
    weighted=st.booleans(),
)
def test_mining_keeps_the_pixels_of_the_definition(seed, threshold, min_kept, weighted):
    logits, labels = scene(seed)
    weights = (0.5, 1.0, 2.0, 0.1, 3.0) if weighted else None
    loss = OHEMCrossEntropy(threshold=threshold, min_kept=min_kept, class_weights=weights).double()
    expected = mined(logits, labels, threshold, min_kept, weights)
    assert float(loss(logits, labels)) == pytest.approx(expected, rel=1e-6)


def test_mining_everything_is_cross_entropy():
    logits, labels = scene()
    everything = OHEMCrossEntropy(threshold=0.0, min_kept=10_000)
    torch.testing.assert_close(everything(logits, labels), CrossEntropy()(logits, labels))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**16), st.integers(1, 60))
def test_fewer_pixels_are_harder_pixels(seed, min_kept):
    logits, labels = scene(seed)
    few = OHEMCrossEntropy(threshold=0.0, min_kept=min_kept)(logits, labels)
    more = OHEMCrossEntropy(threshold=0.0, min_kept=min_kept + 1)(logits, labels)
    assert few >= more - 1e-12
    assert more >= CrossEntropy()(logits, labels) - 1e-12


def test_only_kept_pixels_have_gradients():
    logits, labels = scene()
    logits.requires_grad_()
    OHEMCrossEntropy(threshold=0.0, min_kept=7)(logits, labels).backward()
    touched = logits.grad.abs().sum(1) > 0
    assert int(touched.sum()) == 7
    losses = F.cross_entropy(logits, labels, ignore_index=255, reduction="none").detach()
    assert losses[touched].min() > losses[~touched & (labels != 255)].max()
    assert not touched[labels == 255].any()


def test_ties_at_the_border_are_all_kept():
    logits = torch.zeros(1, 2, 1, 4)
    logits[0, 1, 0, 0] = 3.0  # one harder pixel, three equal ones
    loss = OHEMCrossEntropy(threshold=0.0, min_kept=2)(logits, torch.zeros(1, 1, 4))
    expected = (math.log(1 + math.exp(3)) + 3 * math.log(2)) / 4
    assert float(loss) == pytest.approx(expected)


@pytest.mark.parametrize("loss", [CrossEntropy(), OHEMCrossEntropy(), OHEMCrossEntropy(min_kept=0)])
def test_a_batch_of_void_costs_nothing(loss):
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    value = loss(logits, torch.full((1, 4, 4), 255))
    value.backward()
    assert value.item() == 0.0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@pytest.mark.parametrize("loss", [CrossEntropy(), OHEMCrossEntropy(), OHEMCrossEntropy(min_kept=0)])
def test_a_diverged_network_shows(loss):
    logits, labels = scene(void=0.0)
    logits[0, 0, 0, 0] = math.nan
    assert loss(logits, labels).isnan()


@pytest.mark.parametrize("ignore_index", [255, -1, 3])
def test_void_may_be_any_label(ignore_index):
    logits, labels = scene()
    labels[labels == 3] = 2
    relabelled = torch.where(labels == 255, ignore_index, labels)
    for build in (CrossEntropy, OHEMCrossEntropy):
        torch.testing.assert_close(
            build(ignore_index=ignore_index)(logits, relabelled), build()(logits, labels)
        )


def test_a_label_outside_the_classes_is_an_error():
    logits, labels = scene()
    labels[0, 0, 0] = 9
    with pytest.raises((IndexError, RuntimeError)):
        OHEMCrossEntropy()(logits, labels)


@pytest.mark.parametrize("build", [CrossEntropy, OHEMCrossEntropy])
def test_gradients(build):
    logits, labels = scene(size=(1, 3, 2))
    assert torch.autograd.gradcheck(lambda x: build()(x, labels), logits.clone().requires_grad_())


@pytest.mark.parametrize("build", [CrossEntropy, OHEMCrossEntropy])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_raised(build, dtype):
    logits, labels = scene()
    half = logits.to(dtype).requires_grad_()
    loss = build()(half, labels)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.detach(), build()(half.detach().float(), labels))
    loss.backward()
    assert half.grad.isfinite().all()


@pytest.mark.parametrize("build", [CrossEntropy, OHEMCrossEntropy])
def test_shapes_do_not_depend_on_values(build):
    with FakeTensorMode():
        loss = build(class_weights=(1.0, 2.0, 3.0))
        value = loss(torch.empty(2, 3, 8, 8), torch.empty(2, 8, 8, dtype=torch.long))
    assert value.shape == ()


def test_names_what_does_not_fit():
    logits = torch.zeros(2, 3, 4, 4)
    with pytest.raises(ValueError, match="labels must be"):
        CrossEntropy()(logits, torch.zeros(2, 8, 8))
    with pytest.raises(ValueError, match="2 entries for 3 classes"):
        CrossEntropy(class_weights=(1.0, 2.0))(logits, torch.zeros(2, 4, 4))


@pytest.mark.parametrize(
    "arguments", [{"threshold": 1.5}, {"min_kept": -1}, {"threshold": 0.0, "min_kept": 0}]
)
def test_names_a_wrong_argument(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        OHEMCrossEntropy(**arguments)
