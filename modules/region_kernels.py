"""RANet's regions in Triton: adjacency as bits, components, scores and their gradients.

A program holds one tile of pairs of pixels, 32 of them against 32 others, and makes D, E and
F = (1 - D)(1 - E) of it in registers (RANet, Eq. 1 to 3). What it keeps is a word of 32 bits a row
and tile, or a sum. Each unordered pair of tiles has one program, and in it each unordered pair of
pixels is taken in one order, so that F and G are symmetric in every bit.

Tables, contiguous: boundary (B, N), categories (B, classes, N), labels (B, N), N = H * W.
"""

import triton
import triton.language as tl

SMALLEST = tl.constexpr(1.1754943508222875e-38)  # of float32, so that p log2(p) is 0 at 0


@triton.jit
def tiles_of(pixels, OWN: tl.constexpr):
    """The image and the two tiles of this program, the earlier first.

    Programs go round the tiles: tile t with itself, with the next, with the one after, up to half
    way round, where each pair of tiles has been met once.
    """
    tiles = tl.cdiv(pixels, OWN)
    pairs = tiles * (tiles + 1) // 2
    place = tl.program_id(0) % pairs
    one = place % tiles
    other = (one + place // tiles) % tiles
    return (tl.program_id(0) // pairs).to(tl.int64), tl.minimum(one, other), tl.maximum(one, other)


@triton.jit
def line_maximum(
    boundary, first, second, wanted, width, END_POINTS: tl.constexpr, KEEP: tl.constexpr
):
    """D of pairs (rows, columns) with first (rows,) <= second (columns,), where they are wanted.

    Heights across a line are counted in parts of its length: `part` of them above the pixel `at`.

    Returns:
        D; and, with `KEEP`, the two pixels beside the first largest sample, the second's share in
        it, and whether there is a sample.
    """
    down = (second // width)[None, :] - (first // width)[:, None]
    right = (second % width)[None, :] - (first % width)[:, None]
    along_x = tl.abs(right) >= down
    length = tl.maximum(tl.abs(right), down)
    rises = along_x & (right < 0)  # from its left end, which is the second pixel
    at = tl.where(rises, second[None, :], first[:, None])
    gap = tl.where(along_x, tl.where(rises, -down, down), right)
    ahead = tl.where(along_x, 1, width)
    aside = tl.where(along_x, width, 1)
    if END_POINTS:
        last = tl.where(wanted, length, 0)
        best = tl.load(boundary + at, mask=last > 0, other=0.0)
    else:
        last = tl.where(wanted, length - 1, 0)
        best = tl.full(length.shape, float("-inf"), tl.float32)
    last = tl.maximum(last, 0)
    unit = 1.0 / tl.maximum(length, 1).to(tl.float32)
    part = tl.zeros(length.shape, tl.int32)
    place, share = at, part
    longest = tl.max(tl.max(last, 1), 0)
    step = 1
    while step <= longest:
        part += gap
        carry = (part >= length).to(tl.int32) - (part < 0).to(tl.int32)
        part -= carry * length
        at += ahead + carry * aside
        there = step <= last
        low = tl.load(boundary + at, mask=there, other=0.0)
        high = tl.load(boundary + at + tl.where(part > 0, aside, 0), mask=there, other=0.0)
        sample = low + part.to(tl.float32) * unit * (high - low)
        better = there & (sample > best)
        best = tl.where(better, sample, best)
        if KEEP:
            place = tl.where(better, at, place)
            share = tl.where(better, part, share)
        step += 1
    beside = place + tl.where(share > 0, aside, 0)
    return tl.where(last > 0, best, 0.0), place, beside, share.to(tl.float32) * unit, last > 0


@triton.jit
def similarity(categories, first, second, pixels, classes):
    """1 - E of pairs (rows, columns), base 2."""
    mixed = tl.zeros((first.shape[0], second.shape[0]), tl.float32)
    own = tl.zeros(first.shape, tl.float32)
    others = tl.zeros(second.shape, tl.float32)
    for index in range(0, classes):
        table = categories + index * pixels
        p = tl.load(table + first, mask=first < pixels, other=0.0)
        q = tl.load(table + second, mask=second < pixels, other=0.0)
        mixture = (p[:, None] + q[None, :]) * 0.5
        mixed += mixture * tl.log2(tl.maximum(mixture, SMALLEST))
        own += p * tl.log2(tl.maximum(p, SMALLEST))
        others += q * tl.log2(tl.maximum(q, SMALLEST))
    divergence = (own[:, None] + others[None, :]) * 0.5 - mixed
    return 1.0 - tl.minimum(tl.maximum(divergence, 0.0), 1.0)


@triton.jit
def attention_maps(
    boundary, categories, first, second, wanted, pixels, width, classes,
    LINES: tl.constexpr, DIVERGENCE: tl.constexpr, END_POINTS: tl.constexpr,
):  # fmt: skip
    """F of pairs (rows, columns), Eq. 3."""
    maps = tl.full((first.shape[0], second.shape[0]), 1.0, tl.float32)
    if LINES:
        maximum, _, _, _, _ = line_maximum(
            boundary, first, second, wanted, width, END_POINTS, False
        )
        maps -= maximum
    if DIVERGENCE:
        maps *= similarity(categories, first, second, pixels, classes)
    return maps


@triton.jit
def adjacency(
    boundary, categories, bits, pixels, width, classes, threshold,
    LINES: tl.constexpr, DIVERGENCE: tl.constexpr, END_POINTS: tl.constexpr,
    OWN: tl.constexpr, OTHERS: tl.constexpr,
):  # fmt: skip
    """G of a tile and of its transpose: a word for each row of `bits` (B, N, tiles)."""
    tl.static_assert(OWN == 32 and OTHERS == 32, "a tile is a word of bits a row")
    image, one, other = tiles_of(pixels, OWN)
    lane = tl.arange(0, OWN)
    first, second = one * OWN + lane, other * OWN + lane
    wanted = (first[:, None] <= second[None, :]) & (second < pixels)[None, :]
    maps = attention_maps(
        boundary + image * pixels, categories + image * classes * pixels,
        first, second, wanted, pixels, width, classes, LINES, DIVERGENCE, END_POINTS,
    )  # fmt: skip
    joined = (wanted & (maps >= threshold)).to(tl.int32)
    rows = tl.sum(joined << lane[None, :], 1)
    columns = tl.sum(joined << lane[:, None], 0)
    tiles = tl.cdiv(pixels, OWN)
    bits += image * pixels * tiles
    if one == other:
        tl.store(bits + first * tiles + other, rows | columns, mask=first < pixels)
    else:
        tl.store(bits + first * tiles + other, rows, mask=first < pixels)
        tl.store(bits + second * tiles + one, columns, mask=second < pixels)


@triton.jit
def hook(
    bits, labels, roots, changed, turn, pixels, words, OWN: tl.constexpr, OTHERS: tl.constexpr
):
    """A round's first half: the root of each pixel's tree takes the smallest root beside it.

    `roots` (B, N) begins as `labels`. Nothing is left to do once a round has changed nothing.
    """
    if tl.load(changed + turn) == 0:
        return
    blocks = tl.cdiv(pixels, OWN)
    image = (tl.program_id(0) // blocks).to(tl.int64)
    row = (tl.program_id(0) % blocks) * OWN + tl.arange(0, OWN)
    own = row < pixels
    bits += image * pixels * words
    labels += image * pixels
    nearest = tl.full((OWN, OTHERS), pixels, tl.int32)
    for start in range(0, pixels, OTHERS):
        column = start + tl.arange(0, OTHERS)
        there = own[:, None] & (column < pixels)[None, :]
        word = tl.load(bits + row[:, None] * words + (column // 32)[None, :], mask=there, other=0)
        label = tl.load(labels + column, mask=column < pixels, other=0)
        joined = ((word >> (column % 32)[None, :]) & 1) != 0
        nearest = tl.where(joined, tl.minimum(nearest, label[None, :]), nearest)
    root = tl.load(labels + row, mask=own, other=0)
    tl.atomic_min(roots + image * pixels + root, tl.min(nearest, 1), mask=own)


@triton.jit
def climb(
    roots, labels, following, changed, turn, pixels,
    OWN: tl.constexpr, OTHERS: tl.constexpr,  # noqa: ARG001
):  # fmt: skip
    """Its second half: each pixel climbs to the root of its tree.

    The labels are what `following`, the roots of the next round, begin as.
    """
    if tl.load(changed + turn) == 0:
        return
    blocks = tl.cdiv(pixels, OWN)
    start = (tl.program_id(0) // blocks).to(tl.int64) * pixels
    pixel = (tl.program_id(0) % blocks) * OWN + tl.arange(0, OWN)
    own = pixel < pixels
    roots += start
    before = tl.load(labels + start + pixel, mask=own, other=0)
    here = tl.load(roots + pixel, mask=own, other=0)
    above = tl.load(roots + here, mask=own, other=0)
    while tl.max((here != above).to(tl.int32), 0) > 0:
        here = above
        above = tl.load(roots + here, mask=own, other=0)
    tl.store(labels + start + pixel, here, mask=own)
    tl.store(following + start + pixel, here, mask=own)
    if tl.max((here != before).to(tl.int32), 0) > 0:
        tl.store(changed + turn + 1, 1)


@triton.jit
def region_sums(
    boundary, categories, labels, parts, pixels, width, classes,
    LINES: tl.constexpr, DIVERGENCE: tl.constexpr, END_POINTS: tl.constexpr,
    OWN: tl.constexpr, OTHERS: tl.constexpr,
):  # fmt: skip
    """Sums of F over a tile's pixels of the same region: `parts` (B, tiles, N), zeros before."""
    image, one, other = tiles_of(pixels, OWN)
    first, second = one * OWN + tl.arange(0, OWN), other * OTHERS + tl.arange(0, OTHERS)
    own = tl.load(labels + image * pixels + first, mask=first < pixels, other=-1)
    others = tl.load(labels + image * pixels + second, mask=second < pixels, other=-2)
    wanted = (own[:, None] == others[None, :]) & (first[:, None] <= second[None, :])
    if tl.max(tl.max(wanted.to(tl.int32), 1), 0) == 0:
        return
    maps = attention_maps(
        boundary + image * pixels, categories + image * classes * pixels,
        first, second, wanted, pixels, width, classes, LINES, DIVERGENCE, END_POINTS,
    )  # fmt: skip
    maps = tl.where(wanted, maps, 0.0)
    rows = tl.sum(maps, 1)
    columns = tl.sum(tl.where(first[:, None] < second[None, :], maps, 0.0), 0)
    parts += image * tl.cdiv(pixels, OWN) * pixels
    if one == other:
        tl.store(parts + one * pixels + first, rows + columns, mask=first < pixels)
    else:
        tl.store(parts + other * pixels + first, rows, mask=first < pixels)
        tl.store(parts + one * pixels + second, columns, mask=second < pixels)


@triton.jit
def sum_gradients(
    boundary, categories, labels, sums_grad, boundary_grad, categories_grad, pixels, width, classes,
    LINES: tl.constexpr, DIVERGENCE: tl.constexpr, END_POINTS: tl.constexpr,
    OWN: tl.constexpr, OTHERS: tl.constexpr,
):  # fmt: skip
    """Add the gradients of a tile's pairs to tables that are zeros before.

    F of the pair (i, j) is in two sums: that of i and that of j. A pixel and itself have F = 1,
    whatever the scores.
    """
    image, one, other = tiles_of(pixels, OWN)
    first, second = one * OWN + tl.arange(0, OWN), other * OTHERS + tl.arange(0, OTHERS)
    start = image * pixels
    inside, within = first < pixels, second < pixels
    own = tl.load(labels + start + first, mask=inside, other=-1)
    others = tl.load(labels + start + second, mask=within, other=-2)
    wanted = (own[:, None] == others[None, :]) & (first[:, None] < second[None, :])
    if tl.max(tl.max(wanted.to(tl.int32), 1), 0) == 0:
        return
    of_rows = tl.load(sums_grad + start + first, mask=inside, other=0.0)
    of_columns = tl.load(sums_grad + start + second, mask=within, other=0.0)
    of_maps = tl.where(wanted, of_rows[:, None] + of_columns[None, :], 0.0)
    of_lines = -of_maps
    if LINES:
        maximum, place, beside, weight, sampled = line_maximum(
            boundary + start, first, second, wanted, width, END_POINTS, True
        )
    else:
        maximum = tl.zeros(of_maps.shape, tl.float32)
    if DIVERGENCE:
        of_divergence = (maximum - 1.0) * of_maps * 0.5
        mixed = tl.zeros(of_maps.shape, tl.float32)
        negentropy = tl.zeros(of_maps.shape, tl.float32)
        for index in range(0, classes):
            table = (image * classes + index) * pixels
            p = tl.load(categories + table + first, mask=inside, other=0.0)
            q = tl.load(categories + table + second, mask=within, other=0.0)
            mixture = (p[:, None] + q[None, :]) * 0.5
            own_log = tl.log2(tl.maximum(p, SMALLEST))[:, None]
            other_log = tl.log2(tl.maximum(q, SMALLEST))[None, :]
            mixture_log = tl.log2(tl.maximum(mixture, SMALLEST))
            mixed += mixture * mixture_log
            negentropy += p[:, None] * own_log + q[None, :] * other_log
            grad = categories_grad + table
            rows = tl.sum(of_divergence * (own_log - mixture_log), 1)
            tl.atomic_add(grad + first, rows, mask=inside)
            columns = tl.sum(of_divergence * (other_log - mixture_log), 0)
            tl.atomic_add(grad + second, columns, mask=within)
        divergence = tl.minimum(tl.maximum(negentropy * 0.5 - mixed, 0.0), 1.0)
        of_lines = (divergence - 1.0) * of_maps
    if LINES:
        sampled = sampled & wanted
        grad = boundary_grad + start
        tl.atomic_add(grad + place, of_lines * (1.0 - weight), mask=sampled)
        tl.atomic_add(grad + beside, of_lines * weight, mask=sampled & (weight > 0.0))
