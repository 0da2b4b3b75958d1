import pytest
import torch
from torch.nn import functional as F

from context_modules.criss_cross import RCCA
from context_modules.interlaced import InterlacedSelfAttention
from context_modules.object_context import ASPOC, BaseOC, PyramidOC
from context_modules.region_attention import RegionAttention
from context_modules.self_attention import SelfAttention

ATTENTIONS = ["sa", "isa"]


def randomised(module, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for key, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            drawn = torch.rand(tensor.shape, generator=generator) - 0.4
            tensor.copy_(drawn.abs() + 0.5 if key.endswith("running_var") else drawn)
    return module.double().eval()


def random_map(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@torch.no_grad()
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_base_oc_equals_its_figure(attention):
    module = randomised(BaseOC(6, out_channels=5, context_channels=4, attention=attention))
    x = random_map(2, 6, 9, 7)
    reduced = module.reduce(x)
    joined = torch.cat([module.context(reduced), reduced], 1)
    torch.testing.assert_close(module(x), module.fuse(joined))
    kind = SelfAttention if attention == "sa" else InterlacedSelfAttention
    assert isinstance(module.context, kind)


@torch.no_grad()
def test_base_oc_without_reduction():
    module = randomised(BaseOC(4, out_channels=5, context_channels=4, reduce=False))
    x = random_map(1, 4, 9, 7)
    torch.testing.assert_close(module(x), module.fuse(torch.cat([module.context(x), x], 1)))


@torch.no_grad()
@pytest.mark.parametrize("attention", ATTENTIONS)
def test_pyramid_oc_applies_its_pooling_to_every_region(attention):
    """Eq. 27 to 29, region by region: same weights within a scale, others between scales."""
    arguments = {"attention": attention, "groups": [2, 2]}
    module = randomised(
        PyramidOC(6, out_channels=5, context_channels=4, scales=[1, 3], **arguments)
    )
    x = random_map(2, 6, 8, 10)
    reduced = module.reduce(x)
    pooling = SelfAttention(4) if attention == "sa" else InterlacedSelfAttention(4, groups=[2, 2])
    pooling.double().eval().load_state_dict(module.contexts[1].state_dict())
    rows, columns = (
        [slice(0, 2), slice(2, 4), slice(4, 8)],
        [slice(0, 3), slice(3, 6), slice(6, 10)],
    )
    third = torch.cat(
        [torch.cat([pooling(reduced[..., r, c]) for c in columns], -1) for r in rows], -2
    )
    joined = torch.cat([module.contexts[0](reduced), third, module.widen(reduced)], 1)
    torch.testing.assert_close(module(x), module.fuse(joined))


def test_pyramid_oc_refuses_a_map_smaller_than_its_regions():
    with pytest.raises(ValueError, match="6 regions"):
        PyramidOC(6, context_channels=4)(torch.zeros(1, 6, 5, 9))


@torch.no_grad()
@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("downsample", [1, 2])
def test_asp_oc_equals_its_figure(attention, downsample):
    module = randomised(
        ASPOC(6, out_channels=5, branch_channels=4, rates=[1, 2], attention=attention,
              downsample=downsample)
    )  # fmt: skip
    x = random_map(2, 6, 9, 7)
    reduced = module.reduce(x)
    if downsample == 2:
        reduced = F.max_pool2d(reduced, 2)
    context = module.context(reduced)
    if downsample == 2:
        context = F.interpolate(context, (9, 7), mode="bilinear", align_corners=False)
    torch.testing.assert_close(module(x), module.fuse(torch.cat([context, *module.atrous(x)], 1)))


def test_options_reach_the_attention():
    module = BaseOC(
        6, context_channels=8, groups=[3, 5], order="local_global", mask_padding=False,
        key_channels=2, value_channels=6, query_convs=1, kernel="fused",
    )  # fmt: skip
    assert module.context.order == "local_global"
    for stage in module.context.stages:
        assert (stage.groups, stage.mask_padding, stage.kernel) == ((3, 5), False, "fused")
        assert (stage.query[0].out_channels, stage.value.out_channels) == (2, 6)


def test_keys_of_base_oc_may_be_of_the_pooled_map():
    module = BaseOC(6, context_channels=8, attention="sa", key_stride=2).double().eval()
    x = random_map(2, 6, 8, 6)
    assert module.context.affinity_elements((1, 8, 8, 6)) == 48 * 12
    reduced = module.reduce(x)
    keys = module.context.key(F.max_pool2d(reduced, 2))
    assert keys.shape[-2:] == (4, 3)
    assert module(x).shape == (2, 512, 8, 6)
    with pytest.raises(ValueError, match="key_stride is 2; interlaced attention has none"):
        BaseOC(6, context_channels=8, attention="isa", key_stride=2)


@torch.no_grad()
def test_base_oc_may_attend_on_the_pooled_map():
    """SA-2x of OCNet's Table 3: query, key and value pooled by two, a quarter of the cost each."""
    module = randomised(BaseOC(6, out_channels=5, context_channels=4, attention="sa", downsample=2))
    x = random_map(2, 6, 9, 7)
    reduced = module.reduce(x)
    context = module.context(F.max_pool2d(reduced, 2))
    assert context.shape[-2:] == (4, 3)
    upsampled = F.interpolate(context, (9, 7), mode="bilinear", align_corners=True)
    torch.testing.assert_close(module(x), module.fuse(torch.cat([upsampled, reduced], 1)))


@torch.no_grad()
def test_asp_oc_as_released():
    module = randomised(
        ASPOC(6, out_channels=5, branch_channels=4, rates=[1, 2], downsample=2,
              align_corners=True, norm_last=True)
    )  # fmt: skip
    x = random_map(2, 6, 9, 7)
    context = module.context(F.max_pool2d(module.reduce(x), 2))
    context = F.interpolate(context, (9, 7), mode="bilinear", align_corners=True)
    context = F.relu(
        F.batch_norm(
            context, module.norm[0].running_mean, module.norm[0].running_var,
            module.norm[0].weight, module.norm[0].bias, eps=module.norm[0].eps,
        )
    )  # fmt: skip
    torch.testing.assert_close(module(x), module.fuse(torch.cat([context, *module.atrous(x)], 1)))


@torch.no_grad()
@pytest.mark.parametrize("kind", [BaseOC, PyramidOC, ASPOC, RCCA, RegionAttention])
def test_all_activations_may_leak(kind):
    """The in-place norm of the released code has leaky ReLUs of slope 0.01."""
    widths = {
        BaseOC: {"context_channels": 8},
        PyramidOC: {"context_channels": 8},
        ASPOC: {"branch_channels": 8, "rates": [1]},
        RegionAttention: {"channels": 8},
    }
    arguments = {"out_channels": 8, **widths.get(kind, {})}
    leaky = randomised(kind(6, negative_slope=0.01, **arguments))
    plain = randomised(kind(6, **arguments))
    assert not any(isinstance(layer, torch.nn.ReLU) for layer in leaky.modules())
    # A leaky ReLU is (1 - s) relu(x) + s x: with the hook below the plain module computes the same.
    for layer in plain.modules():
        if isinstance(layer, torch.nn.ReLU):
            layer.inplace = False
            layer.register_forward_hook(lambda _, x, y: 0.99 * y + 0.01 * x[0])
    x = random_map(2, 6, 8, 8)
    torch.testing.assert_close(leaky(x), plain(x))
    with pytest.raises(ValueError, match="negative_slope is 1"):
        kind(6, negative_slope=1, **arguments)
