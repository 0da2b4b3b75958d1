import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.training.evaluate import BoundaryScore, dilate

VOID = 255


def boundary(segmentation, labels, kind):
    """Boundary pixels of a class by the definition, pixel by pixel."""
    height, width = labels.shape
    found = set()
    for y in range(height):
        for x in range(width):
            if segmentation[y, x] != kind or labels[y, x] == VOID:
                continue
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                inside = 0 <= v < height and 0 <= u < width
                if inside and labels[v, u] != VOID and segmentation[v, u] != kind:
                    found.add((y, x))
    return found


def near(pixel, others, tolerance):
    return any(math.dist(pixel, other) <= tolerance for other in others)


def f_score(predicted, labels, kind, tolerance):
    guessed, truth = boundary(predicted, labels, kind), boundary(labels, labels, kind)
    if not guessed and not truth:
        return 1.0
    if not guessed or not truth:
        return 0.0
    precision = sum(near(p, truth, tolerance) for p in guessed) / len(guessed)
    recall = sum(near(p, guessed, tolerance) for p in truth) / len(truth)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**31), st.sampled_from([1, 2, 3]), st.floats(0, 0.4))
def test_the_score_agrees_with_brute_force(seed, tolerance, void):
    chance = torch.Generator().manual_seed(seed)
    score = BoundaryScore(4, [tolerance])
    expected = {k: [] for k in range(4)}
    for _ in range(2):
        coarse = torch.randint(3, (3, 4), generator=chance)
        labels = coarse.repeat_interleave(3, 0).repeat_interleave(3, 1)
        predicted = labels.roll(1, 1).clone()
        predicted[torch.rand(labels.shape, generator=chance) < 0.1] = 3
        labels[torch.rand(labels.shape, generator=chance) < void] = VOID
        score.add(predicted, labels)
        for kind, scores in expected.items():
            if (labels == kind).any():
                scores.append(f_score(predicted, labels, kind, tolerance))
    means = [sum(v) / len(v) if v else math.nan for v in expected.values()]
    assert score.by_class()[tolerance] == pytest.approx(means, nan_ok=True)
    defined = [value for value in means if not math.isnan(value)]
    assert score.mean() == pytest.approx(sum(defined) / len(defined))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.integers(1, 12))
def test_a_dilation_is_the_euclidean_disc(seed, radius):
    mask = torch.rand(9, 11, generator=torch.Generator().manual_seed(seed)) < 0.03
    ys, xs = torch.nonzero(mask, as_tuple=True)
    expected = torch.zeros_like(mask)
    for y, x in zip(ys.tolist(), xs.tolist(), strict=True):
        rows, columns = torch.arange(9)[:, None], torch.arange(11)[None]
        expected |= (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    assert torch.equal(dilate(mask[None], radius)[0], expected)


def square(top):
    labels = torch.zeros(24, 24, dtype=torch.int64)
    labels[top : top + 10, 6:16] = 1
    return labels


def test_a_shift_is_forgiven_within_the_tolerance_alone():
    score = BoundaryScore(2, [1, 2, 3])
    score.add(square(8), square(5))
    by_class = score.by_class()
    assert by_class[3] == [1.0, 1.0]
    assert by_class[1][1] < by_class[2][1] < 1.0
    assert score.mean() == pytest.approx(sum(by_class[1]) / 2)


def test_void_makes_no_boundary():
    labels = square(5)
    labels[labels == 0] = VOID
    score = BoundaryScore(2, [1])
    score.add(torch.ones_like(labels), labels)
    assert score.by_class()[1][1] == 1.0
    assert math.isnan(score.by_class()[1][0])


def test_without_tolerances_there_is_no_score():
    score = BoundaryScore(2, [])
    score.add(square(5), square(5))
    assert score.mean() is None
