import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from context_modules.interlaced import InterlacedSelfAttention, SparseRelation
from context_modules.self_attention import SelfAttention

SIDES = st.integers(1, 11)
GROUPS = st.tuples(st.integers(1, 5), st.integers(1, 5))
SCOPES = st.sampled_from(["global", "local"])


def randomised(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for key, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            drawn = torch.rand(tensor.shape, generator=generator) - 0.4
            tensor.copy_(drawn.abs() + 0.5 if key.endswith("running_var") else drawn)
    return module.double().eval()


def random_map(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def influences(module, x, row, column):
    """The pixels j with d out_i / d x_j not zero, for the pixel i at (row, column)."""
    x = x.clone().requires_grad_()
    y = module(x)[0, :, row, column]
    (gradient,) = torch.autograd.grad(y @ torch.linspace(1, 2, len(y), dtype=y.dtype), x)
    return set(map(tuple, gradient[0].abs().amax(0).nonzero().tolist()))


def group_of(scope, position, side, p):
    """Eq. 7 and 8 along one side, positions counted from 0 on the padded side."""
    padded = position + (-side % p) // 2
    return padded % p if scope == "global" else padded // p


@given(SCOPES, SIDES, SIDES, GROUPS, st.booleans(), st.data())
@settings(deadline=None, max_examples=60)
def test_a_stage_sees_exactly_its_index_set(scope, height, width, groups, mask, data):
    module = randomised(SparseRelation(4, scope=scope, groups=groups, mask_padding=mask))
    row, column = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    expected = {
        (i, j)
        for i in range(height)
        for j in range(width)
        if group_of(scope, i, height, groups[0]) == group_of(scope, row, height, groups[0])
        and group_of(scope, j, width, groups[1]) == group_of(scope, column, width, groups[1])
    }
    assert influences(module, random_map(1, 4, height, width), row, column) == expected


@torch.no_grad()
@given(SCOPES, SIDES, SIDES, GROUPS, st.booleans())
@settings(deadline=None, max_examples=60)
def test_a_stage_is_self_attention_within_its_groups(scope, height, width, groups, mask):
    """Against self-attention over the pixels of each group, gathered one by one."""
    stage = randomised(SparseRelation(4, scope=scope, groups=groups, mask_padding=mask))
    dense = SelfAttention(4).double().eval()
    dense.load_state_dict(stage.state_dict())
    x = random_map(2, 4, height, width)
    y = stage(x)
    members = {}
    for i in range(height):
        for j in range(width):
            key = (group_of(scope, i, height, groups[0]), group_of(scope, j, width, groups[1]))
            members.setdefault(key, []).append((i, j))
    full = [
        (-(-s // p) if scope == "global" else p)
        for s, p in zip((height, width), groups, strict=True)
    ]
    for pixels in members.values():
        rows, columns = zip(*pixels, strict=True)
        if mask:
            expected = dense(x[:, :, rows, columns].unsqueeze(-1)).squeeze(-1)
        else:  # padding takes part with a logit of zero and a value of zero
            chosen = x[:, :, rows, columns].unsqueeze(-1)
            query, key = dense.query(chosen).squeeze(-1), dense.key(chosen).squeeze(-1)
            exponentials = (query.transpose(1, 2) @ key / 2**0.5).exp()
            total = exponentials.sum(-1, keepdim=True) + full[0] * full[1] - len(pixels)
            context = dense.value(chosen).squeeze(-1) @ (exponentials / total).transpose(1, 2)
            expected = dense.output(context.unsqueeze(-1)).squeeze(-1)
        torch.testing.assert_close(y[:, :, rows, columns], expected)


@torch.no_grad()
@pytest.mark.parametrize("kernel", ["explicit", "fused"])
def test_one_group_is_self_attention(kernel):
    x = random_map(2, 6, 5, 7)
    dense = randomised(SelfAttention(6, kernel=kernel))
    for scope, groups in (("global", (1, 1)), ("local", (5, 7))):
        stage = SparseRelation(6, scope=scope, groups=groups, kernel=kernel).double().eval()
        stage.load_state_dict(dense.state_dict())
        torch.testing.assert_close(stage(x), dense(x))


@torch.no_grad()
@given(SCOPES, SIDES, SIDES, GROUPS)
@settings(deadline=None, max_examples=60)
def test_merge_undoes_split(scope, height, width, groups):
    stage = SparseRelation(2, scope=scope, groups=groups)
    x = random_map(2, 3, height, width)
    rows = stage.split(x)
    q_h, q_w = -(-height // groups[0]), -(-width // groups[1])
    p, q = groups[0] * groups[1], q_h * q_w
    assert rows.shape == (2, *((p, q) if scope == "global" else (q, p)), 3)
    torch.testing.assert_close(stage.merge(rows, height, width), x, rtol=0, atol=0)


@torch.no_grad()
@pytest.mark.parametrize("groups", [(2, 3), (4, 2)])
def test_equals_algorithm_1(groups):
    """Grouping the map first and then running the transforms, as the paper lists it."""
    module = randomised(InterlacedSelfAttention(6, groups=groups))
    dense = [SelfAttention(6).double().eval() for _ in module.stages]
    for plain, stage in zip(dense, module.stages, strict=True):
        plain.load_state_dict(stage.state_dict())
    (p_h, p_w), (b, c, h, w) = groups, (2, 6, 8, 6)
    q_h, q_w = h // p_h, w // p_w
    x = random_map(b, c, h, w)
    y = x.reshape(b, c, q_h, p_h, q_w, p_w).permute(0, 3, 5, 1, 2, 4)
    y = dense[0](y.reshape(-1, c, q_h, q_w)).reshape(b, p_h, p_w, c, q_h, q_w)
    y = y.permute(0, 4, 5, 3, 1, 2).reshape(-1, c, p_h, p_w)
    y = dense[1](y).reshape(b, q_h, q_w, c, p_h, p_w).permute(0, 3, 1, 4, 2, 5)
    torch.testing.assert_close(module(x), y.reshape(b, c, h, w))


@pytest.mark.parametrize("order", ["global_local", "local_global"])
def test_both_stages_reach_every_position(order):
    module = randomised(InterlacedSelfAttention(4, groups=(2, 3), order=order))
    everywhere = {(i, j) for i in range(6) for j in range(9)}
    for pixel in ((0, 0), (3, 4), (5, 8)):
        assert influences(module, random_map(1, 4, 6, 9), *pixel) == everywhere


@torch.no_grad()
def test_order_names_the_stages():
    names = {
        "global_local": ["global", "local"],
        "local_global": ["local", "global"],
        "global": ["global"],
        "local": ["local"],
    }
    for order, scopes in names.items():
        assert [s.scope for s in InterlacedSelfAttention(4, order=order).stages] == scopes


def test_a_group_of_padding_alone_makes_no_nan():
    module = SparseRelation(4, groups=(8, 8)).double()
    x = random_map(2, 4, 3, 2).requires_grad_()
    with torch.autograd.set_detect_anomaly(True):
        module(x).sum().backward()
    assert module.weights(x).isfinite().all()
    assert all(p.grad.isfinite().all() for p in module.parameters())


@torch.no_grad()
def test_a_padded_input_costs_as_its_pixels_do_and_equals_itself_where_p_divides():
    torch.manual_seed(0)
    plain = InterlacedSelfAttention(6, groups=(3, 2)).double().eval()
    padded = InterlacedSelfAttention(6, groups=(3, 2), pad_input=True).double().eval()
    padded.load_state_dict(plain.state_dict())
    for size, equal in (((6, 4), True), ((7, 5), False)):
        x = torch.randn(2, 6, *size, dtype=torch.double)
        assert padded(x).shape == plain(x).shape
        assert torch.allclose(padded(x), plain(x)) == equal
    with pytest.raises(ValueError, match="leave regions at 1"):
        InterlacedSelfAttention(6, pad_input=True, regions=2)


def test_padding_does_not_enter_the_batch_norm():
    module, stage = (SparseRelation(4, groups=groups).double() for groups in ((8, 8), (1, 1)))
    stage.load_state_dict(module.state_dict())
    x = random_map(2, 4, 5, 7) + 3
    module(x)
    stage(x)
    norms = (module.query[0][1], stage.query[0][1])
    torch.testing.assert_close(norms[0].running_mean, norms[1].running_mean)
    torch.testing.assert_close(norms[0].running_var, norms[1].running_var)
