"""The context prior of CPNet in Triton, forward and backward, without a map of pairs.

P[i, j] = sigmoid(scale[j] * (x[i] . w[j]) + bias[j]), of a query pixel i and a key j, is attention
with a sigmoid for the softmax: no row needs its sum, and the backward makes P again from nothing
but what it is made of. A program holds a tile of queries (or keys) and goes through the keys (or
queries). Tables are rows, contiguous: features (images, pixels, WIDTH), weight (pixels, WIDTH).

Helpers take numbers of queries and of keys along either axis: (queries, keys), or (keys, queries)
where a program holds keys. Gradients are divided by the number of pixels at the end alone, so that
half precision, in which they enter products, does not lose them below its range.
"""

import triton
import triton.language as tl

from context_modules.line_attention_kernels import read, write

_FLOOR = tl.constexpr(1e-12)  # under probabilities, as in `context_modules.affinity_loss`
_LOWEST = tl.constexpr(-27.631021115928547)  # its logarithm
_LOWEST_RELEASED = tl.constexpr(-100.0)  # PyTorch's bound to logarithms in a cross entropy


@triton.jit
def read_keys(scale, bias, column, pixels):
    """Factors and biases of keys."""
    factor = tl.load(scale + column, mask=column < pixels, other=0.0)
    return factor, tl.load(bias + column, mask=column < pixels, other=0.0)


@triton.jit
def chances(logits):
    """P and 1 - P, each to its last digit."""
    fade = tl.exp(-tl.abs(logits))
    larger = 1.0 / (1.0 + fade)
    smaller = fade * larger
    return tl.where(logits > 0.0, larger, smaller), tl.where(logits > 0.0, smaller, larger)


@triton.jit
def kinds(
    own, label, row, column, pixels, ignored, DIAGONAL: tl.constexpr, RELEASED: tl.constexpr
):  # fmt: skip
    """Which pairs are of one class, which count, and which of these are intra and inter."""
    same = own == label
    others = row != column
    pairs = (row < pixels) & (column < pixels)
    if RELEASED:
        return same, pairs, pairs & same & others, pairs & (same == 0)
    pairs = pairs & (own != ignored) & (label != ignored)
    if not DIAGONAL:
        pairs = pairs & others
    return same, pairs, pairs & same, pairs & (same == 0)


@triton.jit
def read_sums(grad, row, pixels):
    """The gradients of four of the six sums along rows; those of counts there are none."""
    grad += row * 6
    own = row < pixels
    logarithm = tl.load(grad, mask=own, other=0.0)
    true_intra = tl.load(grad + 1, mask=own, other=0.0)
    true_inter = tl.load(grad + 2, mask=own, other=0.0)
    return logarithm, true_intra, true_inter, tl.load(grad + 3, mask=own, other=0.0)


@triton.jit
def slopes_of_sums(
    p, q, same, pairs, intra, inter, logarithm, true_intra, true_inter, predicted,
    RELEASED: tl.constexpr,
):  # fmt: skip
    """Gradients of logits from those of the sums along each row; q is 1 - p."""
    steep = p * q
    agreed = tl.where(same, q, -p)
    if RELEASED:  # the backward of PyTorch's cross entropy has a floor under p (1 - p)
        agreed = agreed * tl.minimum(steep / _FLOOR, 1.0)
    else:
        agreed = tl.where(tl.where(same, p, q) < _FLOOR, 0.0, agreed)
    of_all = logarithm * agreed + predicted * steep
    of_kind = tl.where(intra, true_intra, tl.where(inter, -true_inter, 0.0))
    return tl.where(pairs, of_all, 0.0) + of_kind * steep


@triton.jit
def context(
    features, weight, scale, bias, out, pixels,
    WIDTH: tl.constexpr, WIDTH_TILE: tl.constexpr, PRODUCTS: tl.constexpr,
    OWN: tl.constexpr, OTHERS: tl.constexpr,
):  # fmt: skip
    """A tile of queries: their rows of P X / N."""
    blocks = tl.cdiv(pixels, OWN)
    row = (tl.program_id(0) % blocks) * OWN + tl.arange(0, OWN)
    start = (tl.program_id(0) // blocks).to(tl.int64) * pixels * WIDTH
    features += start
    x = read(features, row, row < pixels, WIDTH, WIDTH_TILE)
    mixed = tl.zeros((OWN, WIDTH_TILE), tl.float32)
    for first in range(0, pixels, OTHERS):
        column = first + tl.arange(0, OTHERS)
        w = read(weight, column, column < pixels, WIDTH, WIDTH_TILE)
        factor, shift = read_keys(scale, bias, column, pixels)
        logits = tl.dot(x, tl.trans(w), input_precision=PRODUCTS)
        p, _ = chances(logits * factor[None, :] + shift[None, :])
        # Zeros for keys that are not there: whatever chance they get, nothing is selected.
        v = read(features, column, column < pixels, WIDTH, WIDTH_TILE)
        mixed += tl.dot(p.to(v.dtype), v, input_precision=PRODUCTS)
    write(out + start, mixed / pixels, row, row < pixels, WIDTH, WIDTH_TILE)


@triton.jit
def sums(
    features, weight, scale, bias, labels, out, pixels, ignored,
    DIAGONAL: tl.constexpr, RELEASED: tl.constexpr,
    WIDTH: tl.constexpr, WIDTH_TILE: tl.constexpr, PRODUCTS: tl.constexpr,
    OWN: tl.constexpr, OTHERS: tl.constexpr,
):  # fmt: skip
    """A tile of queries: the six sums along their rows that the affinity loss is made of."""
    blocks = tl.cdiv(pixels, OWN)
    row = (tl.program_id(0) % blocks) * OWN + tl.arange(0, OWN)
    own = row < pixels
    start = (tl.program_id(0) // blocks).to(tl.int64) * pixels
    labels += start
    x = read(features + start * WIDTH, row, own, WIDTH, WIDTH_TILE)
    own_label = tl.load(labels + row, mask=own, other=0)
    logarithm = tl.zeros((OWN,), tl.float32)
    true_intra = tl.zeros((OWN,), tl.float32)
    true_inter = tl.zeros((OWN,), tl.float32)
    predicted = tl.zeros((OWN,), tl.float32)
    intra_count = tl.zeros((OWN,), tl.float32)
    inter_count = tl.zeros((OWN,), tl.float32)
    for first in range(0, pixels, OTHERS):
        column = first + tl.arange(0, OTHERS)
        w = read(weight, column, column < pixels, WIDTH, WIDTH_TILE)
        label = tl.load(labels + column, mask=column < pixels, other=0)
        factor, shift = read_keys(scale, bias, column, pixels)
        logits = tl.dot(x, tl.trans(w), input_precision=PRODUCTS)
        logits = logits * factor[None, :] + shift[None, :]
        p, q = chances(logits)
        same, pairs, intra, inter = kinds(
            own_label[:, None], label[None, :], row[:, None], column[None, :], pixels, ignored,
            DIAGONAL, RELEASED,
        )  # fmt: skip
        # log sigmoid(t), of what is agreed with, without the rounding of a 1 - p near 0.
        agreed = tl.where(same, logits, -logits)
        agreed = tl.minimum(agreed, 0.0) - tl.log(1.0 + tl.exp(-tl.abs(agreed)))
        agreed = tl.maximum(agreed, _LOWEST_RELEASED if RELEASED else _LOWEST)
        logarithm += tl.sum(tl.where(pairs, agreed, 0.0), 1)
        true_intra += tl.sum(tl.where(intra, p, 0.0), 1)
        true_inter += tl.sum(tl.where(inter, q, 0.0), 1)
        predicted += tl.sum(tl.where(pairs, p, 0.0), 1)
        intra_count += tl.sum(intra.to(tl.float32), 1)
        inter_count += tl.sum(inter.to(tl.float32), 1)
    out += start * 6 + row * 6
    tl.store(out, logarithm, mask=own)
    tl.store(out + 1, true_intra, mask=own)
    tl.store(out + 2, true_inter, mask=own)
    tl.store(out + 3, predicted, mask=own)
    tl.store(out + 4, intra_count, mask=own)
    tl.store(out + 5, inter_count, mask=own)


@triton.jit
def query_gradient(
    features, weight, scale, bias, labels, grad, found, pixels, ignored,
    OF_SUMS: tl.constexpr, DIAGONAL: tl.constexpr, RELEASED: tl.constexpr,
    WIDTH: tl.constexpr, WIDTH_TILE: tl.constexpr, PRODUCTS: tl.constexpr,
    OWN: tl.constexpr, OTHERS: tl.constexpr,
):  # fmt: skip
    """A tile of queries: their features' gradients, as queries.

    `OF_SUMS`: of what `sums` gives, `grad` is (images, pixels, 6) in float32; else of `context`,
    whose gradients as values are there, to be added to.
    """
    blocks = tl.cdiv(pixels, OWN)
    row = (tl.program_id(0) % blocks) * OWN + tl.arange(0, OWN)
    own = row < pixels
    start = (tl.program_id(0) // blocks).to(tl.int64) * pixels
    features += start * WIDTH
    found += start * WIDTH
    x = read(features, row, own, WIDTH, WIDTH_TILE)
    if OF_SUMS:
        labels += start
        own_label = tl.load(labels + row, mask=own, other=0)[:, None]
        logarithm, true_intra, true_inter, predicted = read_sums(
            grad + start * 6, row[:, None], pixels
        )
    else:
        g = read(grad + start * WIDTH, row, own, WIDTH, WIDTH_TILE)
    of_queries = tl.zeros((OWN, WIDTH_TILE), tl.float32)
    for first in range(0, pixels, OTHERS):
        column = first + tl.arange(0, OTHERS)
        there = column < pixels
        w = read(weight, column, there, WIDTH, WIDTH_TILE)
        factor, shift = read_keys(scale, bias, column, pixels)
        logits = tl.dot(x, tl.trans(w), input_precision=PRODUCTS)
        p, q = chances(logits * factor[None, :] + shift[None, :])
        if OF_SUMS:
            label = tl.load(labels + column, mask=there, other=0)
            same, pairs, intra, inter = kinds(
                own_label, label[None, :], row[:, None], column[None, :], pixels, ignored,
                DIAGONAL, RELEASED,
            )  # fmt: skip
            slopes = pixels * slopes_of_sums(
                p, q, same, pairs, intra, inter, logarithm, true_intra, true_inter, predicted,
                RELEASED,
            )  # fmt: skip
        else:
            v = read(features, column, there, WIDTH, WIDTH_TILE)
            slopes = tl.dot(g, tl.trans(v), input_precision=PRODUCTS) * p * q
        slopes = (slopes * factor[None, :]).to(w.dtype)
        of_queries += tl.dot(slopes, w, input_precision=PRODUCTS)
    of_queries = of_queries / pixels
    if not OF_SUMS:
        of_queries += read(found, row, own, WIDTH, WIDTH_TILE).to(tl.float32)
    write(found, of_queries, row, own, WIDTH, WIDTH_TILE)


@triton.jit
def value_gradient(
    features, weight, scale, bias, grad, found, pixels,
    WIDTH: tl.constexpr, WIDTH_TILE: tl.constexpr, PRODUCTS: tl.constexpr,
    OWN: tl.constexpr, OTHERS: tl.constexpr,
):  # fmt: skip
    """A tile of keys: the gradients of features as values of `context`."""
    blocks = tl.cdiv(pixels, OWN)
    column = (tl.program_id(0) % blocks) * OWN + tl.arange(0, OWN)
    start = (tl.program_id(0) // blocks).to(tl.int64) * pixels * WIDTH
    features += start
    grad += start
    w = read(weight, column, column < pixels, WIDTH, WIDTH_TILE)
    factor, shift = read_keys(scale, bias, column, pixels)
    of_values = tl.zeros((OWN, WIDTH_TILE), tl.float32)
    for first in range(0, pixels, OTHERS):
        row = first + tl.arange(0, OTHERS)
        x = read(features, row, row < pixels, WIDTH, WIDTH_TILE)
        # Zeros for queries that are not there: whatever chances they have, no gradient.
        g = read(grad, row, row < pixels, WIDTH, WIDTH_TILE)
        logits = tl.dot(w, tl.trans(x), input_precision=PRODUCTS)
        p, _ = chances(logits * factor[:, None] + shift[:, None])
        of_values += tl.dot(p.to(g.dtype), g, input_precision=PRODUCTS)
    write(found + start, of_values / pixels, column, column < pixels, WIDTH, WIDTH_TILE)


@triton.jit
def key_gradient(
    features, weight, scale, bias, labels, grad, of_weight, of_scale, of_bias,
    pixels, ignored, images,
    OF_SUMS: tl.constexpr, DIAGONAL: tl.constexpr, RELEASED: tl.constexpr,
    WIDTH: tl.constexpr, WIDTH_TILE: tl.constexpr, PRODUCTS: tl.constexpr,
    OWN: tl.constexpr, OTHERS: tl.constexpr,
):  # fmt: skip
    """A tile of keys: the gradients of their weights, factors and biases, over all images.

    `OF_SUMS` and `grad` as in `query_gradient`.
    """
    column = tl.program_id(0) * OWN + tl.arange(0, OWN)
    own = column < pixels
    w = read(weight, column, own, WIDTH, WIDTH_TILE)
    factor, shift = read_keys(scale, bias, column, pixels)
    weights = tl.zeros((OWN, WIDTH_TILE), tl.float32)
    biases = tl.zeros((OWN,), tl.float32)
    for _image in range(0, images):
        if OF_SUMS:
            label = tl.load(labels + column, mask=own, other=0)[:, None]
        else:
            v = read(features, column, own, WIDTH, WIDTH_TILE)
        for first in range(0, pixels, OTHERS):
            row = first + tl.arange(0, OTHERS)
            there = row < pixels
            x = read(features, row, there, WIDTH, WIDTH_TILE)
            logits = tl.dot(w, tl.trans(x), input_precision=PRODUCTS)
            p, q = chances(logits * factor[:, None] + shift[:, None])
            if OF_SUMS:
                own_label = tl.load(labels + row, mask=there, other=0)
                same, pairs, intra, inter = kinds(
                    own_label[None, :], label, row[None, :], column[:, None], pixels, ignored,
                    DIAGONAL, RELEASED,
                )  # fmt: skip
                logarithm, true_intra, true_inter, predicted = read_sums(grad, row[None, :], pixels)
                slopes = pixels * slopes_of_sums(
                    p, q, same, pairs, intra, inter, logarithm, true_intra, true_inter, predicted,
                    RELEASED,
                )  # fmt: skip
            else:
                g = read(grad, row, there, WIDTH, WIDTH_TILE)
                slopes = tl.dot(v, tl.trans(g), input_precision=PRODUCTS) * p * q
            biases += tl.sum(slopes, 1)
            weights += tl.dot(slopes.to(x.dtype), x, input_precision=PRODUCTS)
        if OF_SUMS:
            labels += pixels
            grad += pixels * 6
        else:
            grad += pixels * WIDTH
        features += pixels * WIDTH
    weights = weights / pixels
    write(of_weight, weights * factor[:, None], column, own, WIDTH, WIDTH_TILE)
    tl.store(of_scale + column, tl.sum(weights * w.to(tl.float32), 1), mask=own)
    tl.store(of_bias + column, biases / pixels, mask=own)
