"""Attention along lines of maps in Triton, forward and backward, without a map of pairs.

A line is a run of positions: all of a map, a column of it, or a row. A program holds a tile of a
line's queries (or keys) and goes through its keys (or queries); logits live in registers, and the
backward makes them again from the logarithms of their sums (Dao et al., FlashAttention, 2022,
Algorithms 1 and 4). Logits are of base 2. Widths that are no power of two are padded by masks.

Tables are rows of positions, contiguous: query (.., WIDTH), key (.., WIDTH), value (.., VALUES).
"""

import triton
import triton.language as tl


@triton.jit
def first_position(group, positions, lines, line_step):
    """Where a line starts: line `group % lines` of map `group // lines`."""
    return (group // lines).to(tl.int64) * positions + (group % lines) * line_step


@triton.jit
def read(table, at, inside, WIDTH: tl.constexpr, TILE: tl.constexpr):
    """Rows of a table, (positions, TILE), zeros where there is nothing."""
    channel = tl.arange(0, TILE)
    where = at[:, None] * WIDTH + channel[None, :]
    return tl.load(table + where, mask=inside[:, None] & (channel < WIDTH)[None, :], other=0.0)


@triton.jit
def write(table, rows, at, inside, WIDTH: tl.constexpr, TILE: tl.constexpr):
    """The reverse of `read`."""
    channel = tl.arange(0, TILE)
    where = at[:, None] * WIDTH + channel[None, :]
    rows = rows.to(table.dtype.element_ty)
    tl.store(table + where, rows, mask=inside[:, None] & (channel < WIDTH)[None, :])


@triton.jit
def logits_of(
    q, k, mask, row, column, queries, keys, mask_row, factor,
    MASKED: tl.constexpr, NOT_SELF: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    """Logits of base 2 of some queries and keys, minus infinity where a key takes no part."""
    logits = tl.dot(q, tl.trans(k), input_precision=PRODUCTS) * factor
    seen = (column < keys)[None, :] & (row >= 0)[:, None]
    if NOT_SELF:
        seen = seen & (row[:, None] != column[None, :])
    if MASKED:
        there = (row < queries)[:, None] & (column < keys)[None, :]
        shown = tl.load(mask + row[:, None] * mask_row + column[None, :], mask=there, other=1)
        seen = seen & (shown != 0)
    return tl.where(seen, logits, float("-inf"))


@triton.jit
def forward(
    query, key, value, mask, out, sums,
    queries, keys, query_map, key_map, lines, line_step, step, mask_line, mask_row, scale,
    WIDTH: tl.constexpr, VALUES: tl.constexpr,
    WIDTH_TILE: tl.constexpr, VALUE_TILE: tl.constexpr,
    MASKED: tl.constexpr, NOT_SELF: tl.constexpr, GOES_ON: tl.constexpr, PRODUCTS: tl.constexpr,
    OWN: tl.constexpr, OTHERS: tl.constexpr,
):  # fmt: skip
    """A tile of queries: what they attend to, and the logarithms of the sums of their weights.

    `GOES_ON`: they have attended to other keys before; both are one softmax.
    """
    blocks = tl.cdiv(queries, OWN)
    group = tl.program_id(0) // blocks
    row = (tl.program_id(0) % blocks) * OWN + tl.arange(0, OWN)
    own, here = row < queries, row * step
    start = first_position(group, query_map, lines, line_step)
    key_start = first_position(group, key_map, lines, line_step)
    key += key_start * WIDTH
    value += key_start * VALUES
    out += start * VALUES
    sums += start
    if MASKED:
        mask += group.to(tl.int64) * mask_line
    q = read(query + start * WIDTH, here, own, WIDTH, WIDTH_TILE)
    if GOES_ON:
        largest = tl.load(sums + here, mask=own, other=0.0)
        total = tl.full((OWN,), 1.0, tl.float32)
        mixed = read(out, here, own, VALUES, VALUE_TILE).to(tl.float32)
    else:
        largest = tl.full((OWN,), float("-inf"), tl.float32)
        total = tl.zeros((OWN,), tl.float32)
        mixed = tl.zeros((OWN, VALUE_TILE), tl.float32)
    for first in range(0, keys, OTHERS):
        column = first + tl.arange(0, OTHERS)
        k = read(key, column * step, column < keys, WIDTH, WIDTH_TILE)
        logits = logits_of(
            q, k, mask, row, column, queries, keys, mask_row, scale * 1.4426950408889634,
            MASKED, NOT_SELF, PRODUCTS,
        )  # fmt: skip
        best = tl.maximum(largest, tl.max(logits, 1))
        shift = tl.where(best == float("-inf"), 0.0, best)  # none of the keys so far takes part
        weights = tl.exp2(logits - shift[:, None])
        fade = tl.exp2(largest - shift)
        total = total * fade + tl.sum(weights, 1)
        v = read(value, column * step, column < keys, VALUES, VALUE_TILE)
        mixed = mixed * fade[:, None]
        mixed += tl.dot(weights.to(v.dtype), v, input_precision=PRODUCTS)
        largest = best
    total = tl.where(total == 0.0, 1.0, total)
    write(out, mixed / total[:, None], here, own, VALUES, VALUE_TILE)
    tl.store(sums + here, largest + tl.log2(total), mask=own)


@triton.jit
def query_gradient(
    query, key, value, mask, out, sums, grad, query_grad, slopes,
    queries, keys, query_map, key_map, lines, line_step, step, mask_line, mask_row, scale,
    WIDTH: tl.constexpr, VALUES: tl.constexpr,
    WIDTH_TILE: tl.constexpr, VALUE_TILE: tl.constexpr,
    MASKED: tl.constexpr, NOT_SELF: tl.constexpr, GOES_ON: tl.constexpr, PRODUCTS: tl.constexpr,
    OWN: tl.constexpr, OTHERS: tl.constexpr,
):  # fmt: skip
    """A tile of queries: their gradients, and the inner products of each row with its gradient.

    `GOES_ON`: adds to the gradients by other keys, with the inner products that are known.
    """
    blocks = tl.cdiv(queries, OWN)
    group = tl.program_id(0) // blocks
    row = (tl.program_id(0) % blocks) * OWN + tl.arange(0, OWN)
    own, here = row < queries, row * step
    start = first_position(group, query_map, lines, line_step)
    key_start = first_position(group, key_map, lines, line_step)
    key += key_start * WIDTH
    value += key_start * VALUES
    query_grad += start * WIDTH
    slopes += start
    if MASKED:
        mask += group.to(tl.int64) * mask_line
    q = read(query + start * WIDTH, here, own, WIDTH, WIDTH_TILE)
    g = read(grad + start * VALUES, here, own, VALUES, VALUE_TILE)
    level = tl.load(sums + start + here, mask=own, other=0.0)
    if GOES_ON:
        slope = tl.load(slopes + here, mask=own, other=0.0)
    else:
        o = read(out + start * VALUES, here, own, VALUES, VALUE_TILE)
        slope = tl.sum(o.to(tl.float32) * g.to(tl.float32), 1)
        tl.store(slopes + here, slope, mask=own)
    found = tl.zeros((OWN, WIDTH_TILE), tl.float32)
    for first in range(0, keys, OTHERS):
        column = first + tl.arange(0, OTHERS)
        k = read(key, column * step, column < keys, WIDTH, WIDTH_TILE)
        v = read(value, column * step, column < keys, VALUES, VALUE_TILE)
        logits = logits_of(
            q, k, mask, row, column, queries, keys, mask_row, scale * 1.4426950408889634,
            MASKED, NOT_SELF, PRODUCTS,
        )  # fmt: skip
        weights = tl.exp2(logits - level[:, None])
        of_weights = tl.dot(g, tl.trans(v), input_precision=PRODUCTS)
        of_logits = weights * (of_weights - slope[:, None])
        found += tl.dot(of_logits.to(k.dtype), k, input_precision=PRODUCTS)
    found = found * scale
    if GOES_ON:
        found += read(query_grad, here, own, WIDTH, WIDTH_TILE).to(tl.float32)
    write(query_grad, found, here, own, WIDTH, WIDTH_TILE)


@triton.jit
def key_value_gradient(
    query, key, value, mask, sums, slopes, grad, key_grad, value_grad,
    queries, keys, query_map, key_map, lines, line_step, step, mask_line, mask_row, scale,
    WIDTH: tl.constexpr, VALUES: tl.constexpr,
    WIDTH_TILE: tl.constexpr, VALUE_TILE: tl.constexpr,
    MASKED: tl.constexpr, NOT_SELF: tl.constexpr, GOES_ON: tl.constexpr, PRODUCTS: tl.constexpr,
    OWN: tl.constexpr, OTHERS: tl.constexpr,
):  # fmt: skip
    """A tile of keys and their values: the gradients of both; `GOES_ON`: added to what is there."""
    blocks = tl.cdiv(keys, OWN)
    group = tl.program_id(0) // blocks
    column = (tl.program_id(0) % blocks) * OWN + tl.arange(0, OWN)
    own, here = column < keys, column * step
    start = first_position(group, query_map, lines, line_step)
    key_start = first_position(group, key_map, lines, line_step)
    query += start * WIDTH
    grad += start * VALUES
    sums += start
    slopes += start
    key_grad += key_start * WIDTH
    value_grad += key_start * VALUES
    if MASKED:
        mask += group.to(tl.int64) * mask_line
    k = read(key + key_start * WIDTH, here, own, WIDTH, WIDTH_TILE)
    v = read(value + key_start * VALUES, here, own, VALUES, VALUE_TILE)
    of_keys = tl.zeros((OWN, WIDTH_TILE), tl.float32)
    of_values = tl.zeros((OWN, VALUE_TILE), tl.float32)
    for first in range(0, queries, OTHERS):
        row = first + tl.arange(0, OTHERS)
        there = row < queries
        q = read(query, row * step, there, WIDTH, WIDTH_TILE)
        # Zeros for rows that are not there: whatever weights they get, they give no gradient.
        g = read(grad, row * step, there, VALUES, VALUE_TILE)
        level = tl.load(sums + row * step, mask=there, other=0.0)
        slope = tl.load(slopes + row * step, mask=there, other=0.0)
        logits = logits_of(
            q, k, mask, row, column, queries, keys, mask_row, scale * 1.4426950408889634,
            MASKED, NOT_SELF, PRODUCTS,
        )  # fmt: skip
        weights = tl.exp2(logits - level[:, None])
        of_values += tl.dot(tl.trans(weights).to(g.dtype), g, input_precision=PRODUCTS)
        of_weights = tl.dot(g, tl.trans(v), input_precision=PRODUCTS)
        of_logits = weights * (of_weights - slope[:, None])
        of_keys += tl.dot(tl.trans(of_logits).to(q.dtype), q, input_precision=PRODUCTS)
    of_keys = of_keys * scale
    if GOES_ON:
        of_keys += read(key_grad, here, own, WIDTH, WIDTH_TILE).to(tl.float32)
        of_values += read(value_grad, here, own, VALUES, VALUE_TILE).to(tl.float32)
    write(key_grad, of_keys, here, own, WIDTH, WIDTH_TILE)
    write(value_grad, of_values, here, own, VALUES, VALUE_TILE)
