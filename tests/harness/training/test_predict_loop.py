"""Sliding crops, scales and mirrors, pixel by pixel in float64 as the papers say them."""

import math

import pytest
import torch

from harness.suite.recipe import EvaluationSpec
from harness.training.evaluate import predict_probabilities, sliding

CLASSES = 3
SIDES = ((1, 2),)


def network(images):
    """Sees its whole crop and where in it a pixel lies: no crop gives what another one gives."""
    height, width = images.shape[-2:]
    rows = torch.linspace(-1, 1, height, dtype=images.dtype)[:, None].expand(height, width)
    columns = torch.linspace(0, 2, width, dtype=images.dtype).expand(height, width)
    mean = images.mean((2, 3), keepdim=True)
    maps = [images[:, 0] * mean[:, 1], images[:, 1] + rows, images[:, 2] - columns * mean[:, 0]]
    return torch.stack(maps, 1)


def picture(height, width, batch=2):
    generator = torch.Generator().manual_seed(height * width)
    return torch.randn(batch, 3, height, width, generator=generator, dtype=torch.float64)


def crop_starts(size, crop, overlap):
    """From the first on by a stride, the last one moved back to end with the side."""
    stride, places, at = max(1, round(crop * (1 - overlap))), [], 0
    while at + crop < size:
        places.append(at)
        at += stride
    return [*places, max(0, size - crop)]


def loop_sliding(image, crop, overlap):
    """(3, H, W) -> (K, H, W) as nested lists: the mean of all crops that hold a pixel."""
    _, height, width = image.shape
    padded = torch.zeros(3, max(height, crop[0]), max(width, crop[1]), dtype=image.dtype)
    padded[:, :height, :width] = image
    found = {}
    for top in crop_starts(padded.shape[1], crop[0], overlap):
        for left in crop_starts(padded.shape[2], crop[1], overlap):
            logits = network(padded[None, :, top : top + crop[0], left : left + crop[1]])[0]
            for y in range(crop[0]):
                for x in range(crop[1]):
                    found.setdefault((top + y, left + x), []).append(logits[:, y, x].tolist())
    return [
        [[math.fsum(v[k] for v in found[y, x]) / len(found[y, x]) for x in range(width)]
         for y in range(height)]
        for k in range(CLASSES)
    ]  # fmt: skip


def resized(maps, height, width):
    """Bilinear, pixels as squares (align_corners false): nested lists (C, h, w) -> (C, H, W)."""

    def along(size, old):
        places = []
        for i in range(size):
            at = min(max((i + 0.5) * old / size - 0.5, 0.0), old - 1.0)
            low = int(at)
            places.append((low, min(low + 1, old - 1), at - low))
        return places

    ys, xs = along(height, len(maps[0])), along(width, len(maps[0][0]))
    return [
        [[(1 - v) * ((1 - u) * m[a][c] + u * m[a][d]) + v * ((1 - u) * m[b][c] + u * m[b][d])
          for c, d, u in xs] for a, b, v in ys]
        for m in maps
    ]  # fmt: skip


def softmax(values):
    powers = [math.exp(value - max(values)) for value in values]
    return [power / math.fsum(powers) for power in powers]


def loop_probabilities(image, scales, flip, crop, overlap, sides):
    """(3, H, W) -> (K, H, W)."""
    _, height, width = image.shape
    sums = torch.zeros(CLASSES, height, width, dtype=torch.float64)
    views = [
        (scale, mirror) for scale in scales for mirror in ((False, True) if flip else (False,))
    ]
    partner = {a: b for left, right in sides for a, b in ((left, right), (right, left))}
    for scale, mirror in views:
        size = max(1, round(height * scale)), max(1, round(width * scale))
        view = torch.tensor(resized(image.tolist(), *size), dtype=torch.float64)
        if mirror:
            view = torch.tensor([[row[::-1] for row in m] for m in view.tolist()]).double()
        logits = loop_sliding(view, crop, overlap) if crop else network(view[None])[0].tolist()
        logits = resized(logits, height, width)
        for y in range(height):
            for x in range(width):
                given = softmax([logits[k][y][x] for k in range(CLASSES)])
                for k, probability in enumerate(given):
                    if mirror:
                        sums[partner.get(k, k), y, width - 1 - x] += probability
                    else:
                        sums[k, y, x] += probability
    return sums / len(views)


SIZES = [(13, 9), (5, 20), (7, 7), (3, 4)]


@pytest.mark.parametrize("overlap", [0.0, 1 / 3, 0.7])
@pytest.mark.parametrize("size", SIZES)
def test_sliding_is_the_mean_of_all_crops_that_hold_a_pixel(size, overlap):
    images = picture(*size)
    expected = torch.tensor([loop_sliding(image, (6, 5), overlap) for image in images])
    for batch in (1, 3, 8):
        found = sliding(network, images, (6, 5), overlap=overlap, batch=batch)
        torch.testing.assert_close(found, expected.float(), rtol=1e-5, atol=1e-6)


SCALES = (0.5, 0.75, 1.0, 1.25, 1.5)


@pytest.mark.parametrize(
    ("scales", "flip", "crop", "sides"),
    [
        ((1.0,), True, None, SIDES),
        (SCALES, True, None, ()),
        (SCALES, True, (6, 5), SIDES),
        ((0.6, 1.7), False, (6, 5), ()),
    ],
)
@pytest.mark.parametrize("size", SIZES[:2])
def test_probabilities_are_the_mean_over_views_of_softmaxes(size, scales, flip, crop, sides):
    images = picture(*size, batch=1)
    views = EvaluationSpec(scales=scales, flip=flip, crop=crop)
    found = predict_probabilities(network, images, views, sides)
    expected = torch.stack(
        [loop_probabilities(image, scales, flip, crop, views.overlap, sides) for image in images]
    )
    torch.testing.assert_close(found, expected.float(), rtol=1e-5, atol=1e-6)
