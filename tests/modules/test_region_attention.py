"""The RANet head: printed costs, shapes, precisions, arguments."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from context_modules import region_construction
from context_modules.region_attention import RegionAttention, RegionAuxiliaryHead, RegionScores

SMALL = {"channels": 16, "out_channels": 8, "categories": 5}


def small(**arguments: object) -> RegionAttention:
    torch.manual_seed(0)
    head = RegionAttention(32, **{**SMALL, **arguments})  # type: ignore[arg-type]
    if head.scores is not None:
        with torch.no_grad():  # Untrained categories hardly differ: the image would be one region.
            head.scores.categories.weight.mul_(40)
    return head


def test_parameters_and_operations_are_those_of_table_3() -> None:
    with FakeTensorMode(), torch.no_grad():
        head = RegionAttention(2048).eval()
        x = torch.empty(1, 2048, 97, 97)
        with FlopCounterMode(display=False) as counter:
            assert head(x).shape == (1, 512, 97, 97)
    macs = {str(name): total / 2 for name, total in counter.get_flop_counts()["Global"].items()}
    pixels, relation = 9409, 192 * 512
    weights = 9 * (2048 * 512 + 3 * 512 * 512 + 1024 * 512) + 20 * 512
    assert macs == {
        "aten.convolution": weights * pixels,
        "aten.bmm": 4 * relation * pixels + 2 * relation * 192,
    }
    assert sum(p.numel() for p in head.parameters()) / 1e6 == pytest.approx(21.23, rel=0.01)
    assert sum(macs.values()) / 1e9 == pytest.approx(204.3, rel=0.02)


def test_the_equations_need_less_than_the_dense_relation() -> None:
    head = RegionAttention(2048)
    pixels = 97 * 97
    convolutions = sum(m.weight.numel() for m in head.modules() if isinstance(m, nn.Conv2d))
    edges = 2 * pixels * 8 + 192 * (192 - 8)
    assert head.algorithmic_macs((2, 2048, 97, 97)) == 2 * (convolutions * pixels + 2 * edges * 512)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"context": "boundary", "end_points": True},
        {"context": "semantic"},
        {"intra": False},
        {"inter": False},
        {"joint_softmax": True},
        {"max_regions": 2},
    ],
)
def test_forward_and_backward_are_finite(dtype: torch.dtype, arguments: dict[str, object]) -> None:
    head = small(**arguments).to(dtype)
    x = torch.randn(2, 32, 7, 10).to(dtype)
    out = head(x)
    assert (out.shape, out.dtype) == ((2, 8, 7, 10), dtype)
    out.float().square().sum().backward()
    for name, parameter in head.named_parameters():
        if arguments.get("context") == "boundary" and "scores.categories" in name:
            continue
        if arguments.get("context") == "semantic" and "scores.boundary" in name:
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_the_made_input_has_several_regions() -> None:
    head = small()
    _, scores = head.forward_with_scores(torch.randn(2, 32, 7, 10))
    assert all(2 < len(labels.unique()) < 20 for labels in head.regions(scores).labels)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (5, 3), (11, 8)])
def test_any_size_and_batch(size: tuple[int, int]) -> None:
    assert small().eval()(torch.randn(3, 32, *size)).shape == (3, 8, *size)


def test_an_image_does_not_depend_on_its_neighbour_in_the_batch() -> None:
    head = small().eval()
    x = torch.randn(2, 32, 9, 6)
    torch.testing.assert_close(head(x)[1:], head(x[1:]), rtol=1e-4, atol=1e-5)


def test_shapes_without_data() -> None:
    with torch.device("meta"), torch.no_grad():
        assert small()(torch.empty(2, 32, 9, 7)).shape == (2, 8, 9, 7)
    with FakeTensorMode():
        head = small()
        head(torch.empty(2, 32, 9, 7)).sum().backward()
        assert all(p.grad is not None for p in head.parameters())


def test_scores_of_an_auxiliary_head() -> None:
    auxiliary = RegionAuxiliaryHead(24, channels=12, categories=5)
    head = small(own_scores=False)
    x, stage = torch.randn(2, 32, 6, 8), torch.randn(2, 24, 6, 8)
    scores = auxiliary(stage)
    assert (scores.boundary.shape, scores.categories.shape) == ((2, 6, 8), (2, 5, 6, 8))
    out, used = head.forward_with_scores(x, scores)
    assert used is scores
    out.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in auxiliary.parameters())
    with pytest.raises(ValueError, match="own_scores"):
        head(x)
    with pytest.raises(ValueError, match="resize the scores"):
        head(x, RegionScores(scores.boundary[:, :3], scores.categories[:, :, :3]))


def test_boundaries_are_rare_before_training() -> None:
    _, scores = small().forward_with_scores(torch.zeros(2, 32, 4, 4))
    torch.testing.assert_close(scores.boundary.sigmoid(), torch.full((2, 4, 4), 0.01))


def test_one_category_is_refused() -> None:
    with pytest.raises(ValueError, match="categories is 1"):
        RegionAttention(32, categories=1)


def test_a_limit_makes_the_real_cost_the_counted_one() -> None:
    def macs(fake: bool) -> int:
        context = FakeTensorMode() if fake else torch.random.fork_rng(devices=[])
        with context, torch.no_grad():
            head = small(max_regions=3).eval()
            with FlopCounterMode(display=False) as counter:
                head(torch.randn(2, 32, 9, 7))
        return counter.get_total_flops()

    assert macs(fake=True) == macs(fake=False) > 0


# What asks a device for a number, or for a shape that follows from the data.
WAITING = {
    "aten::nonzero",
    "aten::item",
    "aten::_local_scalar_dense",
    "aten::equal",
    "aten::unique",
}


@pytest.mark.parametrize("train", [False, True])
def test_with_a_limit_no_device_is_waited_for(monkeypatch: pytest.MonkeyPatch, train: bool) -> None:
    """Off the CPU, where all rounds are made: same bits. 33 x 37 pixels keep no bundles."""
    head = small(max_regions=3).train(train)
    head.construction.end_points = True
    x = torch.randn(1, 32, 33, 37, generator=torch.Generator().manual_seed(1))

    def labels() -> torch.Tensor:
        return head.regions(head.scores(head.reduce(x))).labels  # type: ignore[misc]

    expected = labels()
    monkeypatch.setattr(region_construction, "ends_early", lambda _device: False)
    assert torch.equal(labels(), expected)
    with profile(activities=[ProfilerActivity.CPU]) as profiled, torch.set_grad_enabled(train):
        out = head(x)
        if train:
            out.sum().backward()
    found = {event.key for event in profiled.key_averages()}
    assert "context_modules::line_maximum" in found
    assert not found & WAITING
