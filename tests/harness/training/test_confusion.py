import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.training.evaluate import Confusion, LabelError

VOID = 255


def by_loop(predicted, labels, classes):
    """mIoU, class IoU and pixel accuracy, pixel by pixel."""
    both, either, right, total = [0] * classes, [0] * classes, 0, 0
    for guess, truth in zip(predicted.flatten().tolist(), labels.flatten().tolist(), strict=True):
        if truth == VOID:
            continue
        total += 1
        right += guess == truth
        for k in range(classes):
            both[k] += guess == k and truth == k
            either[k] += guess == k or truth == k
    iou = [b / e if e else math.nan for b, e in zip(both, either, strict=True)]
    defined = [value for value in iou if not math.isnan(value)]
    mean = sum(defined) / len(defined) if defined else math.nan
    return mean, iou, right / total if total else math.nan


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**31), st.integers(2, 6), st.floats(0, 1))
def test_scores_agree_with_a_loop(seed, classes, void):
    chance = torch.Generator().manual_seed(seed)
    confusion = Confusion(classes)
    images = []
    for _ in range(3):
        predicted = torch.randint(classes, (5, 7), generator=chance)
        labels = torch.randint(max(1, classes - 1), (5, 7), generator=chance)
        labels[torch.rand(5, 7, generator=chance) < void] = VOID
        confusion.add(predicted, labels)
        images.append((predicted, labels))
    predicted, labels = (torch.stack(part) for part in zip(*images, strict=True))
    miou, iou, accuracy = by_loop(predicted, labels, classes)
    assert confusion.miou() == pytest.approx(miou, nan_ok=True)
    assert confusion.class_iou() == pytest.approx(iou, nan_ok=True)
    assert confusion.pixel_accuracy() == pytest.approx(accuracy, nan_ok=True)


def test_rows_are_annotated_and_columns_predicted():
    confusion = Confusion(2)
    confusion.add(torch.tensor([[1, 1, 0]]), torch.tensor([[0, 1, VOID]]))
    assert confusion.counts.tolist() == [[0, 1], [0, 1]]


@pytest.mark.parametrize(("predicted", "label"), [(0, 3), (3, 0), (0, -1)])
def test_what_is_no_class_is_refused(predicted, label):
    with pytest.raises(LabelError, match="data has 3"):
        Confusion(3).add(torch.tensor([[predicted]]), torch.tensor([[label]]))


def test_sizes_must_agree():
    with pytest.raises(LabelError, match="one size"):
        Confusion(3).add(torch.zeros(2, 2).long(), torch.zeros(2, 3).long())
