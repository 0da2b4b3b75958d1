import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from context_modules.hrnet import HighResolutionModule, HRNet

_NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def published_names():
    """The names of the published HRNetV2 without its head, written out from the structure."""
    names = []

    def conv_norm(conv, norm):
        names.append(f"{conv}.weight")
        names.extend(f"{norm}.{kind}" for kind in _NORM)

    conv_norm("conv1", "bn1")
    conv_norm("conv2", "bn2")
    for block in range(4):
        for i in (1, 2, 3):
            conv_norm(f"layer1.{block}.conv{i}", f"layer1.{block}.bn{i}")
        if block == 0:
            conv_norm("layer1.0.downsample.0", "layer1.0.downsample.1")
    conv_norm("transition1.0.0", "transition1.0.1")
    conv_norm("transition1.1.0.0", "transition1.1.0.1")
    for stage, units, branches in ((2, 1, 2), (3, 4, 3), (4, 3, 4)):
        if stage > 2:
            new = branches - 1
            conv_norm(f"transition{stage - 1}.{new}.0.0", f"transition{stage - 1}.{new}.0.1")
        for unit in range(units):
            prefix = f"stage{stage}.{unit}"
            for branch in range(branches):
                for block in range(4):
                    for i in (1, 2):
                        name = f"{prefix}.branches.{branch}.{block}"
                        conv_norm(f"{name}.conv{i}", f"{name}.bn{i}")
            for target in range(branches):
                for source in range(branches):
                    name = f"{prefix}.fuse_layers.{target}.{source}"
                    if source > target:
                        conv_norm(f"{name}.0", f"{name}.1")
                    for step in range(target - source):
                        conv_norm(f"{name}.{step}.0", f"{name}.{step}.1")
    return names


def test_names_are_those_of_the_published_weights():
    with torch.device("meta"):
        network = HRNet()
    assert list(network.state_dict()) == published_names()


def test_shapes_of_width_48():
    with torch.device("meta"):
        state = HRNet().state_dict()
    assert state["transition1.0.0.weight"].shape == (48, 256, 3, 3)
    assert state["transition3.3.0.0.weight"].shape == (384, 192, 3, 3)
    assert state["stage4.2.branches.3.3.conv2.weight"].shape == (384, 384, 3, 3)
    # From branch 0 down to branch 3: the width changes in the last of three steps.
    assert state["stage4.0.fuse_layers.3.0.1.0.weight"].shape == (48, 48, 3, 3)
    assert state["stage4.0.fuse_layers.3.0.2.0.weight"].shape == (384, 48, 3, 3)
    assert state["stage4.0.fuse_layers.0.3.0.weight"].shape == (48, 384, 1, 1)


def test_parameters_with_the_published_head():
    # The published implementation states 65.8 M for Cityscapes; its head is a 1x1 720 -> 720 with
    # bias, a norm and a 1x1 720 -> 19.
    with torch.device("meta"):
        backbone = sum(p.numel() for p in HRNet().parameters())
    head = 720 * 720 + 720 + 2 * 720 + 720 * 19 + 19
    assert 65.8e6 <= backbone + head < 65.9e6


@pytest.mark.parametrize("size", [(64, 128), (65, 99)])
def test_output_is_concatenated_at_stride_4(size):
    with FakeTensorMode(), torch.no_grad():
        network = HRNet().eval()
        out = network(torch.empty(2, 3, *size))
    assert out.shape == (2, 720, -(-size[0] // 4), -(-size[1] // 4))
    assert network.out_channels == 720
    assert network.feature_channels == (720,)


def test_exchange_unit_is_the_sum_over_all_branches():
    torch.manual_seed(0)
    unit = HighResolutionModule([4, 8, 16]).double().eval()
    maps = [torch.randn(1, 4 * 2**i, 16 >> i, 8 >> i, dtype=torch.float64) for i in range(3)]
    own = [branch(x) for branch, x in zip(unit.branches, maps, strict=True)]
    up = torch.nn.functional.interpolate
    expected = (
        unit.fuse_layers[1][0](own[0])
        + own[1]
        + up(unit.fuse_layers[1][2](own[2]), size=(8, 4), mode="bilinear", align_corners=False)
    ).relu()
    fused = unit(maps)
    torch.testing.assert_close(fused[1], expected)
    assert [m.shape for m in fused] == [m.shape for m in maps]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_forward_and_backward_are_finite(dtype):
    torch.manual_seed(0)
    network = HRNet(width=4).to(dtype).train()
    network(torch.randn(2, 3, 64, 96, dtype=dtype)).float().square().mean().backward()
    # The last unit of each stage feeds every branch, so every convolution takes part.
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_wrong_width_is_named():
    with pytest.raises(ValueError, match="width"):
        HRNet(width=0)


def test_the_official_file_of_imagenet_fills_it(tmp_path):
    network = HRNet(width=4)
    shapes = [x.shape for x in network.state_dict().values()]
    state = {
        name: torch.tensor(float(number)).expand(shape)
        for number, (name, shape) in enumerate(zip(published_names(), shapes, strict=True))
    }
    for head in ("incre_modules.0.0.conv1", "downsamp_modules.0.0", "final_layer.0", "classifier"):
        state[f"{head}.weight"] = torch.zeros(2)
    torch.save({f"module.{name}": x for name, x in state.items()}, tmp_path / "hrnet.pth")
    filled = HRNet(width=4, weights=str(tmp_path / "hrnet.pth")).state_dict()
    assert [float(x.flatten()[0]) for x in filled.values()] == list(range(len(filled)))
