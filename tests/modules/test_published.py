"""ImageNet weights under the names of their publishers, written out from the published code."""

import pytest
import torch
from torch import nn

from context_modules.published import load_weights
from context_modules.resnet import ResNet
from context_modules.segmentor import BACKBONES, build_backbone
from context_modules.weights import WeightsError

_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def norm(name):
    return [f"{name}.{kind}" for kind in _NORM]


# In the order of the layers. torchvision and timm: models/resnet.py; PyTorch-Encoding:
# models/backbone/resnet.py; semseg: model/resnet.py; mmsegmentation: models/backbones/resnet.py.
STEMS = {
    "torchvision": ["conv1.weight", *norm("bn1")],
    "PyTorch-Encoding": [
        "conv1.0.weight", *norm("conv1.1"), "conv1.3.weight", *norm("conv1.4"), "conv1.6.weight",
        *norm("bn1"),
    ],
    "semseg": [
        "conv1.weight", *norm("bn1"), "conv2.weight", *norm("bn2"), "conv3.weight", *norm("bn3"),
    ],
    "mmsegmentation": [
        "stem.0.weight", *norm("stem.1"), "stem.3.weight", *norm("stem.4"), "stem.6.weight",
        *norm("stem.7"),
    ],
}  # fmt: skip
STEMS["timm's resnet18c"] = STEMS["PyTorch-Encoding"]  # half as wide
DEEP = ("resnet18", {})
NETWORKS = {
    "torchvision": ("resnet18", {"stem": "7x7"}),
    "PyTorch-Encoding": DEEP,
    "semseg": DEEP,
    "mmsegmentation": ("resnet18_v1c", {}),
    "timm's resnet18c": ("resnet18_v1c", {}),
}


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch):
    """Networks begin with zeros: to draw their parameters takes longer than all else here."""
    for name in ("kaiming_uniform_", "kaiming_normal_"):
        monkeypatch.setattr(nn.init, name, lambda x, *args, **kwargs: x.data.zero_())


def names_of(layout):
    """The names of a ResNet-18."""
    names = list(STEMS[layout])
    for stage in (1, 2, 3, 4):
        for block in (0, 1):
            prefix = f"layer{stage}.{block}"
            for i in (1, 2):
                names += [f"{prefix}.conv{i}.weight", *norm(f"{prefix}.bn{i}")]
            if stage > 1 and block == 0:
                names += [f"{prefix}.downsample.0.weight", *norm(f"{prefix}.downsample.1")]
    return names


def backbone(layout):
    name, arguments = NETWORKS[layout]
    return build_backbone(name, 3, arguments)


def file_of(layout, network, prefix=""):
    """Each tensor holds its number, in the order of layers; a file of a few kilobytes."""
    # ResNet-18 has a projection in layer1 where the deep stem is wider than the stage.
    names = [n for n in network.state_dict() if n.startswith("layer1.0.downsample")]
    published = names_of(layout)
    at = published.index("layer1.1.conv1.weight")
    published[at:at] = names
    shapes = [x.shape for x in network.state_dict().values()]
    assert len(published) == len(shapes)
    return {
        prefix + name: torch.tensor(float(number)).expand(shape)
        for number, (name, shape) in enumerate(zip(published, shapes, strict=True))
    }


def numbers(network):
    return [float(x.flatten()[0]) for x in network.state_dict().values()]


def is_filled(network):
    return numbers(network) == list(range(len(network.state_dict())))


CLASSIFIER = {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}


@pytest.mark.parametrize("layout", STEMS)
def test_a_file_of_each_publisher_fills_each_layer(layout, tmp_path):
    network = backbone(layout)
    torch.save(file_of(layout, network) | CLASSIFIER, tmp_path / "w.pth")
    load_weights(network, tmp_path / "w.pth")
    assert is_filled(network)


@pytest.mark.parametrize("layout", STEMS)
def test_a_whole_network_gives_its_backbone_and_leaves_its_heads(layout, tmp_path):
    network = backbone(layout)
    state = file_of(layout, network, "module.backbone.")
    for head in ("decode_head.conv_seg.weight", "auxiliary_head.conv_seg.bias", "head.fc.weight"):
        state[f"module.{head}"] = torch.zeros(3)
    torch.save({"meta": {"epoch": 3}, "state_dict": state, "optimizer": {}}, tmp_path / "w.pth")
    load_weights(network, tmp_path / "w.pth")
    assert is_filled(network)


@pytest.mark.parametrize("prefix", ["", "module.", "module.backbone."])
def test_safetensors_with_a_shared_prefix(prefix, tmp_path):
    save_file = pytest.importorskip("safetensors.torch").save_file
    network = backbone("mmsegmentation")
    state = file_of("mmsegmentation", network, prefix)
    save_file({n: x.contiguous() for n, x in state.items()}, tmp_path / "w.safetensors")
    load_weights(network, tmp_path / "w.safetensors")
    assert is_filled(network)


@pytest.mark.parametrize(
    ("file", "network", "words"),
    [
        ("torchvision", "semseg", ["missing (", "conv1.weight (64, 3, 7, 7) in the file",
                                   "the stem of the file fits backbone_arguments: {stem: 7x7}"]),
        ("semseg", "torchvision", ["shape (", "conv1.weight (64, 3, 3, 3) in the file, "
                                   "(64, 3, 7, 7) in the network", "{stem: 3x3}, the default"]),
        ("mmsegmentation", "semseg", ["stem.0.weight (32, 3, 3, 3) in the file",
                                      "fits a backbone from resnet18_v1c to resnet152_v1c"]),
        ("PyTorch-Encoding", "mmsegmentation", ["conv1.0.weight (64, 3, 3, 3) in the file",
                                                "{stem: 3x3}, the default"]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line_with_a_cure(file, network, words, tmp_path):
    torch.save(file_of(file, backbone(file)), tmp_path / "w.pth")
    target = backbone(network)
    before = numbers(target)
    with pytest.raises(WeightsError) as caught:
        load_weights(target, tmp_path / "w.pth")
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{tmp_path / 'w.pth'}: does not fit the network; nothing was loaded")
    assert [word for word in words if word not in line] == []
    assert line.endswith(
        "known names: torchvision, timm, PyTorch-Encoding, HRNet, semseg, OCNet, CCNet, "
        "mmsegmentation"
    )
    assert numbers(target) == before


def test_another_depth_is_told_without_a_word_about_stems(tmp_path):
    network = ResNet(depth=34)
    torch.save(file_of("torchvision", backbone("torchvision")), tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"missing \(.*layer1.2.conv1.weight") as caught:
        load_weights(network, tmp_path / "w.pth")
    assert "the stem of the file" not in str(caught.value)


@pytest.mark.parametrize("content", [{"epoch": 3}, {}, [1]])
def test_what_is_no_state_is_told_as_it_is(content, tmp_path):
    torch.save(content, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"no state_dict|not tensors"):
        load_weights(nn.Linear(1, 1), tmp_path / "w.pth")


# timm's resnet50c has 25 576 264 parameters with fc, mmsegmentation's resnet50_v1c is the same
# network; less fc: 2048 * 1000 + 1000.
def test_the_narrow_stem_has_the_published_number_of_parameters():
    network = build_backbone("resnet50_v1c", 3)
    assert sum(p.numel() for p in network.parameters()) == 25_576_264 - 2_049_000


def test_networks_with_the_narrow_stem_run_at_stride_8():
    network = build_backbone("resnet18_v1c", 3, {"multi_grid": [1, 2]}).eval()
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 33, 41)).shape == (1, 512, 5, 6)
    assert network.layer4[1].conv1.dilation == (8, 8)
    assert {f"resnet{d}_v1c" for d in (18, 34, 50, 101, 152)} <= BACKBONES.keys()
