"""Published networks: their parameters, and what they have beyond the papers' networks."""

import pytest
import torch
from torch import nn

from context_modules.resnet import ResNet
from context_modules.segmentor import SegmentorOutput
from context_modules.toolbox_networks import (
    HRNetClassifier,
    ImageClassifier,
    PublishedOutput,
    PublishedSegmentor,
    replace_stem,
)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def on_meta(kind, **arguments) -> nn.Module:
    with torch.device("meta"):
        return kind(**arguments)


SE = {"block": "se", "block_arguments": {"bias": True}}
BAG = {"stem_channels": [32, 32, 64], "average_shortcuts": True}


@pytest.mark.parametrize(
    ("arguments", "published"),
    [
        ({"backbone": "resnet18"}, 11_689_512),
        ({"backbone": "resnet34"}, 21_797_672),
        ({"backbone": "resnet50"}, 25_557_032),
        ({"backbone": "resnet50", **SE}, 28_088_024),
        ({"backbone": "resnet50", "backbone_arguments": {"stem": "3x3"}}, 25_680_808),
        ({"backbone": "resnet50", **BAG}, 25_576_264),
    ],
)
def test_parameters_of_classifiers_are_the_published_ones(arguments, published):
    assert count(on_meta(ImageClassifier, **arguments)) == published


def test_parameters_of_hrnet_as_a_classifier_are_the_published_ones():
    """timm's hrnet_w18 has 21,299,004."""
    assert count(on_meta(HRNetClassifier, width=18)) == 21_299_004


def test_classifiers_give_one_score_per_class():
    x = torch.randn(2, 3, 65, 97)
    small = ImageClassifier(backbone="resnet18", stem_channels=[4, 6, 64], classes=5).eval()
    assert small(x).shape == (2, 5)
    averaging = ImageClassifier(backbone="resnet18", average_shortcuts=True, classes=5).eval()
    assert averaging(x).shape == (2, 5)
    assert HRNetClassifier(width=2, classes=7).eval()(x).shape == (2, 7)


def test_a_block_stands_behind_the_last_norm_of_every_residual_branch():
    """Gates at one half: behind zero weights and without bias a sigmoid gives no more."""
    network = ImageClassifier(backbone="resnet18", block="se").eval()
    gates = [m for m in network.modules() if type(m).__name__ == "SqueezeExcitation"]
    assert len(gates) == 8
    block = network.backbone.layer1[0]
    for parameter in block.bn2[1].parameters():
        nn.init.zeros_(parameter)
    x = torch.randn(1, 64, 9, 11)
    inner = block.bn2[0](block.conv2(block.relu(block.bn1(block.conv1(x)))))
    torch.testing.assert_close(block(x), torch.relu(x + 0.5 * inner))


def test_shortcuts_that_average_equal_a_mean_in_front_of_the_projection():
    network = ImageClassifier(backbone="resnet18", average_shortcuts=True).eval()
    shortcut = network.backbone.layer2[0].downsample
    x = torch.randn(1, 64, 8, 10)
    pool, convolution, norm = shortcut
    assert convolution.stride == (1, 1)
    means = x.unflatten(3, (5, 2)).unflatten(2, (4, 2)).mean(dim=(3, 5))
    torch.testing.assert_close(pool(x), means)
    torch.testing.assert_close(shortcut(x), norm(convolution(means)))


@pytest.mark.parametrize("channels", [[32, 64], [32, 0, 64], []])
def test_a_stem_of_other_than_three_widths_is_refused(channels):
    with pytest.raises(ValueError, match="three positive numbers"):
        ImageClassifier(backbone="resnet18", stem_channels=channels)


def test_a_stem_that_the_first_stage_cannot_read_is_refused():
    with pytest.raises(ValueError, match="layer1 reads 128"):
        replace_stem(ResNet(depth=18, stem="3x3"), 3, [32, 32, 64])


def test_a_backbone_that_is_not_residual_is_refused():
    with pytest.raises(ValueError, match="not HRNet"):
        PublishedSegmentor(backbone="hrnetv2_w18", stem_channels=[32, 32, 64])


SMALL = {"backbone": "resnet18", "context": "ppm", "context_arguments": {"out_channels": 8}}


def test_an_auxiliary_head_that_is_evaluated_gives_its_logits():
    network = PublishedSegmentor(
        **SMALL, fuse_channels=4, auxiliary_channels=6, auxiliary_evaluated=True, classes=5
    )
    x = torch.randn(2, 3, 33, 65)
    out = network.eval()(x)
    assert isinstance(out, PublishedOutput)
    assert {each.shape for each in out} == {(2, 5, 33, 65)}
    maps = network.backbone.features(x)
    head = network.classifier(network.after(network.context(maps[-1])))
    resized = nn.functional.interpolate(head, size=(33, 65), mode="bilinear")
    torch.testing.assert_close(out.logits, resized)
    assert network.auxiliary[0][0].out_channels == 6
    assert isinstance(network.train()(x), SegmentorOutput)


def test_without_an_auxiliary_head_none_is_evaluated():
    network = PublishedSegmentor(**SMALL, auxiliary=False, classes=5).eval()
    assert network(torch.randn(1, 3, 33, 65)).shape == (1, 5, 33, 65)
    with pytest.raises(ValueError, match="auxiliary is false"):
        PublishedSegmentor(**SMALL, auxiliary=False, auxiliary_evaluated=True)
