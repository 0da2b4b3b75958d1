"""Heads over several maps: DeepLabv3+, UPerNet, Semantic FPN and SegFormer's decoder."""

import pytest
import torch
from plain import costs, gradcheck, random_map, randomised
from torch.nn import functional as F

from context_modules.deeplab_decoder import DeepLabV3Plus
from context_modules.levels import top_down
from context_modules.segformer_head import SegFormerHead
from context_modules.semantic_fpn import SemanticFPN
from context_modules.upernet import UPerNet

SIZES = ((9, 13), (5, 7), (3, 4), (2, 2))  # an odd image: strides round up
CHANNELS = (4, 6, 3, 5)
LEVELS = {"level_channels": list(CHANNELS[1:])}
OVER_LEVELS = [UPerNet, SemanticFPN, SegFormerHead]
SMALL = {
    UPerNet: {"channels": 4, "bins": [1, 2]},
    SemanticFPN: {"width": 6, "channels": 4},
    SegFormerHead: {"channels": 4},
}
# Maps of a residual network on an image of 128 x 64.
OF_RESNET = [(1, 256 * 2**i, 32 // 2**i, 16 // 2**i) for i in range(4)]
N = [512 // 4**i for i in range(4)]  # positions of each
C = [256, 512, 1024, 2048]


def maps(batch=2):
    return [
        random_map(batch, c, *size, seed=i)
        for i, (c, size) in enumerate(zip(CHANNELS, SIZES, strict=True))
    ]


def up(x, size):
    return F.interpolate(x, size, mode="bilinear", align_corners=False)


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear"])
def test_top_down_sums_what_lies_above(upsampling):
    first, second, third = (random_map(1, 2, n, n, seed=n) for n in (7, 4, 2))
    merged = top_down([first, second, third], upsampling)
    mode = {"mode": upsampling}
    expected = second + F.interpolate(third, (4, 4), **mode)
    torch.testing.assert_close(merged[1], expected)
    torch.testing.assert_close(merged[0], first + F.interpolate(expected, (7, 7), **mode))
    assert merged[2] is third


@torch.no_grad()
def test_upernet_is_its_layers():
    head = randomised(UPerNet(CHANNELS[0], **LEVELS, **SMALL[UPerNet]))
    given = maps()
    top = head.pool(given[3])
    p3 = head.lateral[2](given[2]) + up(top, SIZES[2])
    p2 = head.lateral[1](given[1]) + up(p3, SIZES[1])
    p1 = head.lateral[0](given[0]) + up(p2, SIZES[0])
    levels = [
        head.smooth[0](p1), up(head.smooth[1](p2), SIZES[0]), up(head.smooth[2](p3), SIZES[0]),
        up(top, SIZES[0]),
    ]  # fmt: skip
    torch.testing.assert_close(head(*given), head.fuse(torch.cat(levels, 1)))


@torch.no_grad()
@pytest.mark.parametrize("norm", ["group", "batch"])
def test_semantic_fpn_is_its_layers(norm):
    head = randomised(SemanticFPN(CHANNELS[0], norm=norm, **LEVELS, **SMALL[SemanticFPN]))
    given = maps()
    p4 = head.lateral[3](given[3])
    p3 = head.lateral[2](given[2]) + F.interpolate(p4, SIZES[2])
    p2 = head.lateral[1](given[1]) + F.interpolate(p3, SIZES[1])
    p1 = head.lateral[0](given[0]) + F.interpolate(p2, SIZES[0])
    q1, q2, q3, q4 = (head.smooth[i](p) for i, p in enumerate((p1, p2, p3, p4)))
    s = head.steps
    expected = (
        s[0][0](q1)
        + up(s[1][0](q2), SIZES[0])
        + up(s[2][1](up(s[2][0](q3), SIZES[1])), SIZES[0])
        + up(s[3][2](up(s[3][1](up(s[3][0](q4), SIZES[2])), SIZES[1])), SIZES[0])
    )
    torch.testing.assert_close(head(*given), expected)


@torch.no_grad()
def test_segformers_decoder_mixes_each_position_alone():
    head = randomised(SegFormerHead(CHANNELS[0], **LEVELS, **SMALL[SegFormerHead]))
    given = maps()
    levels = [up(layer(x), SIZES[0]) for layer, x in zip(head.linear, given, strict=True)]
    weight = head.fuse[0].weight[:, :, 0, 0]
    expected = torch.empty(2, 4, *SIZES[0]).double()
    for i in range(SIZES[0][0]):
        for j in range(SIZES[0][1]):
            column = torch.cat([level[:, :, i, j] for level in levels[::-1]], 1) @ weight.T
            expected[:, :, i, j] = head.fuse[1](column[..., None, None])[..., 0, 0].clamp(min=0)
    torch.testing.assert_close(head(*given), expected)


@pytest.mark.parametrize("separable", [True, False])
@pytest.mark.parametrize("fuse_kernel", [1, 3])
@torch.no_grad()
def test_deeplabs_decoder_is_its_layers(separable, fuse_kernel):
    head = randomised(
        DeepLabV3Plus(
            3, high_channels=5, out_channels=4, low_channels=2, rates=[1, 2], separable=separable,
            fuse_kernel=fuse_kernel,
        )
    )  # fmt: skip
    low, high = random_map(2, 3, 9, 7), random_map(2, 5, 5, 4)
    pooled = head.image(high.mean((2, 3), keepdim=True)).expand(-1, -1, 5, 4)
    aspp = head.fuse(torch.cat([pooled, *(branch(high) for branch in head.branches)], 1))
    expected = head.decode(torch.cat([up(aspp, (9, 7)), head.low(low)], 1))
    torch.testing.assert_close(head(low, high), expected)


@torch.no_grad()
def test_a_separable_branch_is_depthwise_then_pointwise():
    head = randomised(DeepLabV3Plus(3, high_channels=5, out_channels=4, rates=[2]))
    depthwise, pointwise = head.branches[1]
    x = random_map(1, 5, 6, 6)
    expected = torch.stack(
        [
            F.conv2d(x[:, c : c + 1], depthwise[0].weight[c : c + 1], padding=2, dilation=2)[:, 0]
            for c in range(5)
        ],
        dim=1,
    )
    torch.testing.assert_close(depthwise[0](x), expected)
    assert pointwise[0].weight.shape == (4, 5, 1, 1)


@pytest.mark.parametrize("kind", OVER_LEVELS)
def test_gradient(kind):
    head = randomised(kind(2, level_channels=[3], **SMALL[kind]))
    assert gradcheck(head, (1, 2, 4, 2), (1, 3, 2, 1))


def test_gradient_of_deeplabs_decoder():
    head = DeepLabV3Plus(2, high_channels=3, out_channels=2, low_channels=2, rates=[1])
    assert gradcheck(randomised(head), (1, 2, 4, 2), (1, 3, 2, 1))


def test_costs_of_upernet_by_layer_arithmetic():
    parameters, macs = costs(UPerNet, *OF_RESNET)
    w = 512
    pool = 4 * C[3] * w
    bottleneck = 9 * (C[3] + 4 * w) * w
    laterals, smooth, fuse = [c * w for c in C[:3]], 9 * w * w, 9 * 4 * w * w
    assert parameters == pool + bottleneck + sum(laterals) + 3 * smooth + fuse + 2 * w * 12
    assert macs == (
        C[3] * w * (1 + 4 + 9 + 36)
        + N[3] * bottleneck
        + sum(n * (each + smooth) for n, each in zip(N, laterals, strict=False))
        + N[0] * fuse
    )


def test_costs_of_semantic_fpn_by_layer_arithmetic():
    parameters, macs = costs(SemanticFPN, *OF_RESNET)
    w, c = 256, 128
    first, more = 9 * w * c, 9 * c * c
    assert parameters == (
        sum(C) * w + 4 * w + 4 * (9 * w * w + w) + 4 * first + 3 * more + 7 * 2 * c
    )
    pyramid = sum(n * (each * w + 9 * w * w) for n, each in zip(N, C, strict=True))
    branch = (N[0] + N[1]) * first + N[2] * first + N[1] * more + N[3] * first
    assert macs == pyramid + branch + (N[2] + N[1]) * more


def test_costs_of_segformers_decoder_by_layer_arithmetic():
    shapes = [(1, c, *shape[2:]) for c, shape in zip((64, 128, 320, 512), OF_RESNET, strict=True)]
    parameters, macs = costs(SegFormerHead, *shapes, level_channels=[128, 320, 512], channels=768)
    w = 768
    assert parameters == (64 + 128 + 320 + 512) * w + 4 * w + 4 * w * w + 2 * w
    linear = sum(n * each * w for n, each in zip(N, (64, 128, 320, 512), strict=True))
    assert macs == linear + N[0] * 4 * w * w


@pytest.mark.parametrize("separable", [True, False])
def test_costs_of_deeplabs_decoder_by_layer_arithmetic(separable):
    low, high = (1, 256, 32, 16), (1, 2048, 16, 8)
    parameters, macs = costs(DeepLabV3Plus, low, high, separable=separable)
    w, l = 256, 48

    def spatial(a, b):
        return 9 * a + a * b if separable else 9 * a * b

    at_high = C[3] * w + 3 * spatial(C[3], w) + 5 * w * w
    at_low = C[0] * l + spatial(w + l, w) + spatial(w, w)
    assert macs == 128 * at_high + 512 * at_low + C[3] * w
    depthwise = 3 * C[3] + (w + l) + w if separable else 0
    norms = 2 * (w + w + 3 * w + w + l + 2 * w + depthwise)
    assert parameters == at_high + at_low + C[3] * w + norms


@pytest.mark.parametrize("kind", OVER_LEVELS)
def test_another_number_of_maps_is_refused_with_the_cure(kind):
    head = kind(CHANNELS[0], **LEVELS, **SMALL[kind])
    with pytest.raises(ValueError, match="level_channels"):
        head(*(each.float() for each in maps()[:3]))


@pytest.mark.parametrize(
    ("kind", "arguments", "named"),
    [
        (UPerNet, {"channels": 0}, "channels"),
        (UPerNet, {"level_channels": []}, "level_channels"),
        (SemanticFPN, {"norm": "layer"}, "norm"),
        (SemanticFPN, {"upsampling": "cubic"}, "upsampling"),
        (SemanticFPN, {"channels": 48}, "group norm"),
        (SegFormerHead, {"transform": "mlp"}, "transform"),
        (SegFormerHead, {"level_channels": [0]}, "level_channels"),
        (DeepLabV3Plus, {"rates": []}, "rates"),
        (DeepLabV3Plus, {"fuse_kernel": 2}, "fuse_kernel"),
        (DeepLabV3Plus, {"high_channels": 0}, "high_channels"),
    ],
)
def test_wrong_arguments_are_named(kind, arguments, named):
    with pytest.raises(ValueError, match=named):
        kind(8, **arguments)
