"""Observers of scenes: one that sees only what is where, one that also guesses without context."""

import numpy as np

from harness.training.data.scenes import _AXES


def without_variants(labels, parameters):
    """What each pixel looks like: ground 0, keys by variant, regions by texture, no more."""
    seen = labels.astype(int)
    first = 1 + parameters.variants
    region = seen >= first
    seen[region] = first + (seen[region] - first) // parameters.variants
    return seen


def components(seen):
    """Boolean masks of connected areas (4 neighbours) that look alike and are not ground."""
    left = seen > 0
    found = []
    while left.any():
        start = tuple(np.argwhere(left)[0])
        mask, edge = np.zeros_like(left), [start]
        while edge:
            y, x = edge.pop()
            inside = 0 <= y < seen.shape[0] and 0 <= x < seen.shape[1]
            if inside and left[y, x] and seen[y, x] == seen[start]:
                left[y, x], mask[y, x] = False, True
                edge += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
        found.append(mask)
    return found


def with_context(image, seen, parameters):
    """Labels by the rule, from the pixels of the image and what looks like what alone.

    Args:
        image: (H, W, 3), 8 bits.
        seen: answer of `without_variants`.
        parameters: of the data.
    """
    labels = np.where(seen <= parameters.variants, seen, 0)
    masks = components(seen)
    shown = [m for m in masks if seen[m][0] <= parameters.variants]
    for mask in masks:
        texture = seen[mask][0] - 1 - parameters.variants
        if texture >= 0:
            variant = seen[_decider(mask, shown, image)][0] - 1
            labels[mask] = 1 + parameters.variants * (1 + texture) + variant
    return labels


def _decider(mask, shown, image):
    y, x = centre(mask)
    around = [m for m in shown if not m[round(y), round(x)] and _inside(mask, m)]
    if around:
        return around[0]
    tint = _tint(image, mask)
    gaps = [abs(np.angle(_tint(image, m) / tint)) for m in shown]
    own = [m for m, gap in zip(shown, gaps, strict=True) if gap < min(gaps) + 0.5]
    return min(own, key=lambda m: np.hypot(*(np.subtract(centre(m), (y, x)))))


def centre(mask):
    rows, columns = np.nonzero(mask)
    return (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2


def _inside(mask, ring):
    rows, columns = np.nonzero(ring)
    y, x = np.nonzero(mask)
    return (
        rows.min() < y.min()
        and y.max() < rows.max()
        and (columns.min() < x.min() and x.max() < columns.max())
    )


def _tint(image, mask):
    colour = image[mask].mean(0) @ np.array(_AXES).T
    return complex(*colour)


def mean_iou(predicted, truth, classes):
    values = []
    for c in range(classes):
        both, either = (predicted == c) & (truth == c), (predicted == c) | (truth == c)
        values.append(both.sum() / either.sum())
    return float(np.mean(values))
