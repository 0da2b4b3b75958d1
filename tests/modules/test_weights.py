import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from context_modules.resnet import ResNet
from context_modules.weights import WeightsError, load_weights


def small(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))


def assert_equal(a, b):
    for name, value in a.state_dict().items():
        assert torch.equal(value, b.state_dict()[name]), name


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_round_trip(tmp_path, suffix):
    source, target = small(1), small(2)
    path = tmp_path / f"weights.{suffix}"
    if suffix == "pth":
        torch.save(source.state_dict(), path)
    else:
        pytest.importorskip("safetensors.torch").save_file(source.state_dict(), path)
    load_weights(target, path)
    assert_equal(source, target)


@given(
    wrappers=st.lists(st.sampled_from(["state_dict", "model"]), max_size=2, unique=True),
    prefixes=st.lists(st.sampled_from(["module.", "model.", "backbone."]), max_size=3),
)
@settings(deadline=None, max_examples=20)
def test_wrappers_and_shared_prefixes_are_taken_off(tmp_path_factory, wrappers, prefixes):
    source, target = small(1), small(2)
    content = {"".join(prefixes) + name: x for name, x in source.state_dict().items()}
    # The reader unwraps `state_dict` before `model`, as checkpoints nest them.
    for wrapper in sorted(wrappers):
        content = {wrapper: content, "epoch": 3}
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    torch.save(content, path)
    load_weights(target, path)
    assert_equal(source, target)


def test_a_backbone_ignores_the_classifier_and_old_files_lack_counters(tmp_path):
    with torch.device("meta"):
        names = ResNet(depth=18).state_dict()
    state = {name: torch.zeros(x.shape) for name, x in names.items() if "num_batches" not in name}
    state |= {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    torch.save(state, tmp_path / "resnet18.pth")
    network = ResNet(depth=18)
    load_weights(network, tmp_path / "resnet18.pth")
    assert not network.layer4[1].conv2.weight.any()
    with pytest.raises(WeightsError, match=r"unexpected \(2\): fc.weight, fc.bias"):
        load_weights(network, tmp_path / "resnet18.pth", ignore=())


def test_one_error_names_all_that_differs_and_nothing_is_loaded(tmp_path):
    target = small(2)
    before = {name: x.clone() for name, x in target.state_dict().items()}
    state = small(1).state_dict()
    state["2.weight"] = torch.zeros(1)
    del state["1.bias"]
    state["0.weight"] = torch.zeros(3, 4, 1, 1)
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(WeightsError) as caught:
        load_weights(target, tmp_path / "weights.pth")
    message = str(caught.value)
    assert "missing (1): 1.bias" in message
    assert "unexpected (1): 2.weight" in message
    assert "(3, 4, 1, 1) in the file, (3, 2, 1, 1) in the network" in message
    assert all(torch.equal(before[name], x) for name, x in target.state_dict().items())


def test_long_lists_are_cut(tmp_path):
    torch.save({f"{i}.x": torch.zeros(1) for i in range(30)}, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match="and 22 more"):
        load_weights(small(), tmp_path / "weights.pth")


class Payload:
    ran = False

    def __reduce__(self):
        return (setattr, (Payload, "ran", True))


@pytest.mark.parametrize("writer", ["torch", "pickle"])
def test_pickled_code_is_refused_and_not_run(tmp_path, writer):
    Payload.ran = False
    path = tmp_path / "weights.pth"
    if writer == "torch":
        torch.save({"state_dict": Payload()}, path)
    else:
        path.write_bytes(pickle.dumps(Payload(), protocol=2))
    with pytest.raises(WeightsError, match="refused"):
        load_weights(small(), path)
    assert not Payload.ran


@pytest.mark.parametrize(
    ("content", "match"),
    [([1, 2], "no state_dict"), ({}, "no state_dict"), ({"epoch": 3}, "not tensors: epoch")],
)
def test_what_is_no_state_is_said(tmp_path, content, match):
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(WeightsError, match=match):
        load_weights(small(), tmp_path / "weights.pth")


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(WeightsError, match="no such file"):
        load_weights(small(), tmp_path / "absent.pth")
    whole = tmp_path / "whole.pth"
    torch.save(small().state_dict(), whole)
    cut = tmp_path / "cut.pth"
    cut.write_bytes(whole.read_bytes()[:200])
    with pytest.raises(WeightsError, match=str(cut)):
        load_weights(small(), cut)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no header")
    pytest.importorskip("safetensors")
    with pytest.raises(WeightsError, match="not a safetensors file"):
        load_weights(small(), broken)
