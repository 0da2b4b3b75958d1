from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from context_modules.context import build_context, forward_with_extras, output_channels
from context_modules.segmentor import BACKBONES, Segmentor, SegmentorOutput

SMALL = {"backbone": "resnet18", "backbone_arguments": {"output_stride": 16}, "classes": 5}


class Halved(nn.Module):
    """A context module that tells nothing about itself."""

    def __init__(self, in_channels, *, bias: bool = True):
        super().__init__()
        self.layer = nn.Conv2d(in_channels, in_channels // 2, 1, bias=bias)

    def forward(self, x):
        return self.layer(x)


class Sized(Halved):
    """Needs the size of its map, and offers a map to its loss."""

    def __init__(self, in_channels, *, input_size):
        super().__init__(in_channels)
        self.out_channels = in_channels // 2
        self.input_size = tuple(input_size)

    def forward_with_prior(self, x):
        if x.shape[2:] != self.input_size:
            raise ValueError("another size")
        return self.layer(x), x.mean(1)


class Regions(NamedTuple):
    boundary: torch.Tensor
    categories: torch.Tensor


class Several(Halved):
    def forward_with_auxiliary(self, x):
        return self.layer(x), Regions(x.amax(1), x.amin(1))


class DataDependent(Halved):
    def forward(self, x):
        return self.layer(x) if x.sum().item() > 0 else x


def here(kind):
    return f"{__name__}:{kind.__name__}"


@pytest.mark.parametrize("size", [(64, 96), (65, 99)])
@pytest.mark.parametrize("backbone", ["resnet18", "hrnetv2_w18"])
def test_evaluation_gives_logits_at_the_size_of_the_image(backbone, size):
    with FakeTensorMode(), torch.no_grad():
        network = Segmentor(backbone=backbone, context=here(Halved), classes=7).eval()
        assert network(torch.empty(2, 3, *size)).shape == (2, 7, *size)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_training_gives_both_logits_and_gradients_everywhere(dtype):
    torch.manual_seed(0)
    network = Segmentor(**SMALL, context=here(Halved)).to(dtype).train()
    out = network(torch.randn(2, 3, 65, 48, dtype=dtype))
    assert isinstance(out, SegmentorOutput)
    assert out.logits.shape == out.auxiliary.shape == (2, 5, 65, 48)
    assert out.extras == {}
    labels = torch.randint(5, (2, 65, 48))
    loss = nn.functional.cross_entropy(out.logits.float(), labels)
    loss = loss + 0.4 * nn.functional.cross_entropy(out.auxiliary.float(), labels)
    loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_the_auxiliary_head_reads_layer3_and_leaves_evaluation_alone():
    torch.manual_seed(0)
    network = Segmentor(**SMALL, context=here(Halved)).eval()
    assert network.auxiliary[0][0].weight.shape == (128, 256, 3, 3)
    x = torch.randn(1, 3, 33, 33)
    with torch.no_grad():
        before = network(x)
        for parameter in network.auxiliary.parameters():
            parameter.fill_(float("nan"))
        assert torch.equal(network(x), before)


def test_auxiliary_head_of_resnet50_has_512_channels():
    with torch.device("meta"):
        network = Segmentor()
    assert network.auxiliary[0][0].weight.shape == (512, 1024, 3, 3)


def test_without_auxiliary_head():
    network = Segmentor(**SMALL, auxiliary=False).train()
    out = network(torch.randn(2, 3, 33, 33))
    assert out.auxiliary is None
    assert network.auxiliary is None


def test_training_in_evaluation_arithmetic_gives_the_same_logits():
    # Both paths through the network are one function: freeze batch norm and dropout to compare.
    torch.manual_seed(0)
    network = Segmentor(**SMALL, context=here(Several), frame="between", width=16).eval()
    x = torch.randn(1, 3, 33, 49)
    with torch.no_grad():
        expected = network(x)
        network.training = True  # of the outermost module alone
        out = network(x)
    torch.testing.assert_close(out.logits, expected)
    assert set(out.extras) == {"boundary", "categories"}


def test_extras_reach_the_losses():
    network = Segmentor(**SMALL, context=here(Sized), input_size=[65, 48]).train()
    assert network.context.input_size == (5, 3)
    out = network(torch.randn(2, 3, 65, 48))
    assert set(out.extras) == {"prior"}
    assert out.extras["prior"].shape == (2, 5, 3)


def test_extras_under_their_own_names():
    module = Several(4)
    features, extras = forward_with_extras(module, torch.arange(4.0).reshape(1, 4, 1, 1))
    assert features.shape == (1, 2, 1, 1)
    assert extras["boundary"].item() == 3.0
    assert extras["categories"].item() == 0.0


def test_features_are_the_backbone_alone():
    network = Segmentor(**SMALL, output="features")
    assert set(dict(network.named_children())) == {"backbone", "before", "context", "after"}
    x = torch.randn(2, 3, 33, 33)
    assert network.train()(x).shape == (2, 512, 3, 3)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(x), network.backbone(x))


def test_cost_of_two_convolutions_of_srnet_table_3():
    with FakeTensorMode(), torch.no_grad():
        x = torch.empty(1, 3, 768, 768)
        costs = []
        for frame in ("head", "between"):
            network = Segmentor(output="features", frame=frame).eval()
            with FlopCounterMode(display=False) as counter:
                network(x)
            parameters = sum(p.numel() for p in network.parameters())
            costs.append((counter.get_total_flops() / 2e9, parameters / 1e6))
    assert costs[0] == pytest.approx((240.186, 23.632), abs=1e-3)
    assert costs[1][0] - costs[0][0] == pytest.approx(108.716, abs=1e-3)
    assert costs[1][1] - costs[0][1] == pytest.approx(11.799, abs=1e-3)


def test_between_puts_the_context_on_the_reduced_map():
    with torch.device("meta"):
        network = Segmentor(**SMALL, context=here(Halved), frame="between", width=64)
    assert network.before[0].weight.shape == (64, 512, 3, 3)
    assert network.context.layer.weight.shape == (32, 64, 1, 1)
    assert network.after[0].weight.shape == (64, 32, 3, 3)
    assert network.classifier[1].weight.shape == (5, 64, 1, 1)


def test_beside_fuses_the_context_with_the_map_that_it_is_of():
    network = Segmentor(**SMALL, context=here(Halved), frame="beside", width=24).eval()
    x = torch.randn(1, 3, 32, 40)
    with torch.no_grad():
        mapped = network.backbone(x)
        context = network.context(mapped)
        fused = network.after(torch.cat([mapped, context], dim=1))
        expected = network._upsample(network.classifier(fused), x.shape[-2:])
        torch.testing.assert_close(network(x), expected)
        features = Segmentor(
            **SMALL, context=here(Halved), frame="beside", width=24, output="features"
        ).eval()
        assert features(x).shape == (1, 24, *mapped.shape[-2:])
    assert network.after[0].kernel_size == (1, 1)
    network.train()
    assert network(torch.randn(2, 3, 32, 40)).logits.shape == (
        2,
        network.classifier[1].out_channels,
        32,
        40,
    )


def test_beside_gives_the_same_logits_in_training_arithmetic():
    network = Segmentor(**SMALL, context=here(Several), frame="beside", width=16).eval()
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        evaluated = network(x)
        network.training = True  # the parts stay in evaluation: batch norms do not change
        torch.testing.assert_close(network(x).logits, evaluated)


def test_catalog_names_resolve():
    module = build_context("ppm", 16, None, {})
    assert module(torch.randn(2, 16, 7, 5)).shape[1] == output_channels(module, 16, None)


def test_finding_the_channels_leaves_the_module_as_it_was():
    module = nn.Sequential(Halved(8), nn.BatchNorm2d(4).eval())
    before = {name: (id(x), x.clone()) for name, x in module.state_dict(keep_vars=True).items()}
    assert output_channels(module, 8, (3, 5)) == 4
    assert [part.training for part in module] == [True, False]
    for name, x in module.state_dict(keep_vars=True).items():
        assert id(x) == before[name][0]
        assert torch.equal(x, before[name][1])


@pytest.mark.parametrize("name", sorted(BACKBONES))
def test_every_backbone_says_its_channels(name):
    with FakeTensorMode(), torch.no_grad():
        network = Segmentor(backbone=name, output="features").eval()
        out = network(torch.empty(1, 3, 64, 64))
        assert out.shape[1] == network.out_channels
        assert out.shape[2] == 64 // network.backbone.output_stride


def test_backbone_weights_are_loaded(tmp_path):
    torch.manual_seed(0)
    source = Segmentor(**SMALL).backbone
    torch.save(source.state_dict(), tmp_path / "backbone.pth")
    network = Segmentor(**SMALL, backbone_weights=str(tmp_path / "backbone.pth"))
    assert torch.equal(network.backbone.layer4[0].conv1.weight, source.layer4[0].conv1.weight)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"backbone": "resnet51"}, "backbone"),
        ({"backbone_arguments": {"depht": 50}}, "backbone_arguments of resnet18.*depht"),
        ({"context": "attention"}, "context: 'attention' is not in the catalog"),
        ({"context": "no.such:Module"}, "cannot be imported"),
        ({"context": "context_modules.layers:NoSuch"}, "cannot be imported"),
        ({"context_arguments": {"k": 3}}, "context_arguments"),
        ({"context": here(Halved), "context_arguments": {"k": 3}}, "context_arguments.*'k'"),
        ({"context": here(Halved), "context_arguments": {"in_channels": 3}}, "leave out"),
        ({"context": here(Sized)}, "input_size"),
        ({"context": here(DataDependent)}, "out_channels"),
        ({"frame": "around"}, "frame"),
        ({"output": "probabilities"}, "output"),
    ],
)
def test_wrong_arguments_are_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        Segmentor(**{**SMALL, **arguments})


@pytest.mark.parametrize("stride", [2, 4])
@pytest.mark.parametrize("frame", ["head", "beside"])
def test_an_auxiliary_head_gives_the_maps_that_regions_are_made_of(frame, stride):
    """RANet, Section 3.1: B and C of an earlier stage; the same in training and in evaluation."""
    torch.manual_seed(0)
    network = Segmentor(
        backbone="small",
        backbone_arguments={"width": 16, "output_stride": stride},
        context="region_attention",
        context_arguments={
            "channels": 8,
            "out_channels": 8,
            "categories": 5,
            "own_scores": False,
        },
        frame=frame,
        width=16,
        classes=5,
        auxiliary=False,
        dropout=0.0,
    )
    assert sum(name.startswith("earlier.") for name, _ in network.named_parameters()) > 0
    images = torch.rand(2, 3, 24, 36)
    output = network(images)
    size = (24 // stride, 36 // stride)
    assert output.extras["categories"].shape == (2, 5, *size)
    assert output.extras["boundary"].shape == (2, *size)
    output.extras["categories"].square().sum().backward()
    heads = [p for name, p in network.named_parameters() if name.startswith("earlier.scores.cat")]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in heads)
    for layer in network.modules():  # training arithmetic, without batch statistics
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.eval()
    with torch.no_grad():
        trained, judged = network(images).logits, network.eval()(images)
    torch.testing.assert_close(trained, judged)
