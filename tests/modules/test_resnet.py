import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from context_modules.resnet import BasicBlock, Block, Bottleneck, ResNet, stage_plans

_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def published_names(counts, convolutions, projected):
    """The names of torchvision's ResNet without `fc`, written out from the structure."""

    def norm(name):
        return [f"{name}.{kind}" for kind in _NORM]

    names = ["conv1.weight", *norm("bn1")]
    for stage, count in enumerate(counts, start=1):
        for block in range(count):
            prefix = f"layer{stage}.{block}"
            for i in range(1, convolutions + 1):
                names += [f"{prefix}.conv{i}.weight", *norm(f"{prefix}.bn{i}")]
            if block == 0 and stage in projected:
                names += [f"{prefix}.downsample.0.weight", *norm(f"{prefix}.downsample.1")]
    return names


@pytest.mark.parametrize(
    ("depth", "counts", "convolutions", "projected", "parameters"),
    [
        (18, (2, 2, 2, 2), 2, {2, 3, 4}, 11_176_512),
        (50, (3, 4, 6, 3), 3, {1, 2, 3, 4}, 23_508_032),
        (101, (3, 4, 23, 3), 3, {1, 2, 3, 4}, 42_500_160),
    ],
)
def test_names_and_parameter_counts_are_those_of_the_published_weights(
    depth, counts, convolutions, projected, parameters
):
    with torch.device("meta"):
        network = ResNet(depth=depth)
    assert list(network.state_dict()) == published_names(counts, convolutions, projected)
    # torchvision's counts (11 689 512, 25 557 032, 44 549 160) less fc: features * 1000 + 1000.
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_shapes_inside_a_bottleneck():
    with torch.device("meta"):
        state = ResNet(depth=50).state_dict()
    assert state["conv1.weight"].shape == (64, 3, 7, 7)
    assert state["layer2.0.conv1.weight"].shape == (128, 256, 1, 1)
    assert state["layer2.0.conv2.weight"].shape == (128, 128, 3, 3)
    assert state["layer2.0.conv3.weight"].shape == (512, 128, 1, 1)
    assert state["layer2.0.downsample.0.weight"].shape == (512, 256, 1, 1)


def test_resnext_101_32x4d_parameters():
    with torch.device("meta"):
        network = ResNet(depth=101, groups=32, width_per_group=4)
    # 44.18 M with the classifier (ResNeXt, Table 1 and the published weights: 44 177 704).
    assert sum(p.numel() for p in network.parameters()) == 44_177_704 - 2_049_000
    assert network.layer1[0].conv2.weight.shape == (128, 4, 3, 3)


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("stem", ["7x7", "3x3"])
@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_output_stride_rounds_up(depth, stem, output_stride):
    with torch.device("meta"):
        network = ResNet(depth=depth, stem=stem, output_stride=output_stride).eval()
        maps = network.features(torch.empty(2, 3, 97, 130))
        out = network(torch.empty(2, 3, 97, 130))
    size = (-(-97 // output_stride), -(-130 // output_stride))
    assert out.shape == (2, network.out_channels, *size)
    assert [m.shape[1] for m in maps] == list(network.feature_channels)
    for m, stride in zip(maps, (4, 8, 16, 32), strict=True):
        reached = min(stride, output_stride)
        assert m.shape[2:] == (-(-97 // reached), -(-130 // reached))


def test_dilation_pattern_at_output_stride_8():
    network = ResNet(depth=50, output_stride=8)
    dilations = [[b.conv2.dilation[0] for b in getattr(network, f"layer{i}")] for i in (1, 2, 3, 4)]
    assert dilations == [[1] * 3, [1] * 4, [1, 2, 2, 2, 2, 2], [2, 4, 4]]
    strides = [[b.conv2.stride[0] for b in getattr(network, f"layer{i}")] for i in (1, 2, 3, 4)]
    assert strides == [[1] * 3, [2, 1, 1, 1], [1] * 6, [1] * 3]


def test_dilation_reaches_both_convolutions_of_a_basic_block():
    network = ResNet(depth=18, output_stride=16)
    assert [(b.conv1.dilation[0], b.conv2.dilation[0]) for b in network.layer4] == [(1, 2), (2, 2)]
    assert [(b.conv1.dilation[0], b.conv2.dilation[0]) for b in network.layer3] == [(1, 1), (1, 1)]


@pytest.mark.parametrize(
    ("output_stride", "expected"), [(8, [4, 8, 16]), (16, [2, 4, 8]), (32, [1, 2, 4])]
)
def test_multi_grid_multiplies_the_dilation_of_layer4(output_stride, expected):
    plan = stage_plans((3, 4, 6, 3), output_stride, (1, 2, 4))[-1]
    assert [block.dilation for block in plan] == expected
    assert [block.stride for block in plan] == [2 if output_stride == 32 else 1, 1, 1]


def test_a_stage_may_have_its_own_dilation_from_its_first_block_on():
    """As the released code of PSPNet, OCNet and SRNet; RANet's 16, 32, 64 is a multi-grid of it."""

    def dilations(*options):
        plans = stage_plans((3, 4, 6, 3), *options)
        return [sorted({block.dilation for block in plan}) for plan in plans]

    assert dilations(8, (), "stage") == [[1], [1], [2], [4]]
    assert dilations(8, (), "before") == [[1], [1], [1, 2], [2, 4]]
    assert dilations(8, (4, 8, 16))[-1] == [16, 32, 64]
    assert dilations(32, (), "stage") == [[1]] * 4
    stage = ResNet(depth=50, output_stride=8, first_dilation="stage")
    assert stage.layer4[0].conv2.dilation == (4, 4)


def test_pooling_of_the_stem_may_round_up():
    x = torch.zeros(1, 3, 33, 37)  # 17 x 19 behind the convolution
    sizes = [ResNet(depth=18, ceil_pool=up).eval().features(x)[0].shape[2:] for up in (False, True)]
    assert sizes == [(9, 10), (9, 10)]
    x = torch.zeros(1, 3, 31, 35)  # 16 x 18
    sizes = [ResNet(depth=18, ceil_pool=up).eval().features(x)[0].shape[2:] for up in (False, True)]
    assert sizes == [(8, 9), (9, 10)]


@pytest.mark.parametrize("depth", [18, 50])
def test_dilated_network_samples_what_the_strided_one_samples(depth):
    # The same weights at stride 32 are the dilated ones read every fourth position: what the
    # pattern of dilations is for (Yu and Koltun 2016).
    torch.manual_seed(0)
    strided = ResNet(depth=depth, output_stride=32).double().eval()
    dilated = ResNet(depth=depth, output_stride=8).double().eval()
    dilated.load_state_dict(strided.state_dict())
    x = torch.randn(1, 3, 96, 64, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(dilated(x)[:, :, ::4, ::4], strided(x))


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_one_relu_per_block(block):
    relus = [m for m in block(64, 64, Block()).modules() if isinstance(m, nn.ReLU)]
    assert len(relus) == 1
    assert relus[0].inplace


def test_block_computes_the_residual_sum():
    torch.manual_seed(0)
    block = Bottleneck(256, 64, Block()).double().eval()
    x = torch.randn(1, 256, 5, 7, dtype=torch.float64)
    y = block.bn1(block.conv1(x)).relu()
    y = block.bn2(block.conv2(y)).relu()
    y = block.bn3(block.conv3(y))
    torch.testing.assert_close(block(x), (x + y).relu())


def test_cost_of_srnet_table_3_dilated_fcn():
    with FakeTensorMode(), torch.no_grad():
        network = ResNet(stem="3x3", output_stride=8).eval()
        with FlopCounterMode(display=False) as counter:
            out = network(torch.empty(1, 3, 768, 768))
    assert out.shape == (1, 2048, 96, 96)
    assert counter.get_total_flops() / 2e9 == pytest.approx(240.186, abs=5e-4)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(23.632, abs=5e-4)


def test_torchstat_figure_of_srnet_table_3():
    # torchstat keeps the last call of a module: each block's shared ReLU counts once.
    last = {}

    def note(module, inputs, out):
        if isinstance(module, nn.BatchNorm2d):
            last[module] = 2 * out.numel()
        elif isinstance(module, nn.ReLU):
            last[module] = out.numel()
        elif isinstance(module, nn.MaxPool2d):
            last[module] = inputs[0].numel()

    with FakeTensorMode(), torch.no_grad():
        network = ResNet(stem="3x3", output_stride=8).eval()
        for module in network.modules():
            module.register_forward_hook(note)
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, 768, 768))
    total = counter.get_total_flops() / 2 + sum(last.values())
    assert round(total / 1e9, 2) == 241.05


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("depth", [18, 50])
def test_forward_and_backward_are_finite(depth, dtype):
    torch.manual_seed(0)
    network = ResNet(depth=depth, stem="3x3", output_stride=16).to(dtype).train()
    network(torch.randn(2, 3, 65, 48, dtype=dtype)).float().square().mean().backward()
    gradients = [p.grad for p in network.parameters()]
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)
    assert all(g.abs().sum() > 0 for g in gradients if g.dim() == 4)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"depth": 42}, "depth"),
        ({"stem": "5x5"}, "stem"),
        ({"output_stride": 4}, "output_stride"),
        ({"multi_grid": [1, 2]}, "multi_grid"),
        ({"multi_grid": [1, 0, 2]}, "multi_grid"),
        ({"depth": 18, "groups": 2}, "groups"),
    ],
)
def test_wrong_arguments_are_named(arguments, named):
    with torch.device("meta"), pytest.raises(ValueError, match=named):
        ResNet(**arguments)
