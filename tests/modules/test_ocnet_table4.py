"""What OCNet's Table 4 compares: costs of all rows, and what every one of the modules promises."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from context_modules.catalog import BY_NAME

# label: (module, with, parameters in millions, 2 * MACs in 1e9); derived by layer arithmetic and,
# rounded, the figures that the paper prints.
TABLE4 = {
    "PPM": ("ppm", {}, 23.074, 618.580),
    "ASPP": ("aspp", {}, 15.535, 491.775),
    "DANet": ("danet", {}, 23.925, 1110.249),
    "RCCA": ("rcca", {}, 23.924, 804.233),
    "CGNL": ("cgnl", {"output_groups": 512}, 12.586, 412.350),
    "Efficient Attention": ("efficient_attention", {}, 9.964, 330.712),
    "Base-OC (SA)": ("base_oc", {"attention": "sa", "query_convs": 1}, 10.489, 618.475),
    "Base-OC (ISA)": (
        "base_oc",
        {"attention": "isa", "query_convs": 1, "value_channels": 512, "output_transform": "cbr"},
        11.540,
        386.010,
    ),
    "Pyramid-OC (SA)": ("pyramid_oc", {"attention": "sa"}, 15.219, 880.040),
    "Pyramid-OC (ISA)": ("pyramid_oc", {"attention": "isa"}, 17.85, 595.31),
    "ASP-OC (SA)": ("asp_oc", {"attention": "sa", "downsample": 2}, 19.894, 656.325),
    "ASP-OC (ISA)": (
        "asp_oc",
        {"attention": "isa", "downsample": 2, "value_channels": 256},
        20.190,
        650.553,
    ),
}

# Every catalog name of these modules, small enough for gradient checks.
SMALL = {
    "ppm": {"out_channels": 4, "bins": [1, 2, 3]},
    "aspp": {"out_channels": 4, "branch_channels": 4, "rates": [1, 2]},
    "self_attention": {},
    "interlaced": {"groups": [2, 3]},
    "base_oc": {"out_channels": 4, "context_channels": 4, "groups": [2, 2]},
    "pyramid_oc": {
        "out_channels": 4,
        "context_channels": 4,
        "scales": [1, 2],
        "groups": [2, 2],
    },
    "asp_oc": {"out_channels": 4, "branch_channels": 4, "rates": [1], "groups": [2, 2]},
    "danet": {"out_channels": 8},
    "position_attention": {},
    "channel_attention": {},
    "rcca": {"out_channels": 8},
    "criss_cross": {"recurrence": 2},
    "cgnl": {"out_channels": 4, "groups": 2},
    "cgnl_block": {"affinity": "rbf", "gamma": 0.1},
    "efficient_attention": {"out_channels": 4},
    "efficient_attention_block": {"heads": 2},
}
CHANNELS = 8


def build(name, *, seed=0, **arguments):
    """A module whose every parameter and statistic does something (gammas start at 0)."""
    module = BY_NAME[name].load()(CHANNELS, **{**SMALL[name], **arguments})
    generator = torch.Generator().manual_seed(seed)
    for key, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            drawn = torch.rand(tensor.shape, generator=generator) - 0.4
            tensor.copy_(drawn.abs() + 0.5 if key.endswith("running_var") else drawn)
    return module


def random_map(*shape, seed=1, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def cost(name, shape, arguments):
    with FakeTensorMode(), torch.no_grad():
        module = BY_NAME[name].load()(shape[1], **arguments).eval()
        with FlopCounterMode(display=False) as counter:
            module(torch.empty(shape))
        return sum(p.numel() for p in module.parameters()), counter.get_total_flops()


@pytest.mark.parametrize("label", TABLE4)
def test_costs_of_table4(label):
    name, arguments, millions, gflops = TABLE4[label]
    parameters, flops = cost(name, (1, 2048, 128, 128), arguments)
    assert parameters / 1e6 == pytest.approx(millions, rel=1e-3)
    assert flops / 1e9 == pytest.approx(gflops, rel=1e-3)


def test_golden_cost_of_the_non_local_block():
    arguments = {
        "key_channels": 64,
        "value_channels": 512,
        "query_convs": 1,
        "output_transform": "none",
    }
    _, flops = cost("self_attention", (1, 512, 97, 97), arguments)
    assert flops / 1e9 == pytest.approx(108.152, abs=5e-4)


@pytest.mark.parametrize("query_convs", [1, 2])
def test_figure4_ratio_of_operations(query_convs):
    shape, fixed = (1, 512, 128, 128), {"reduce": False}
    sparse = {"attention": "isa", "query_convs": 1, "value_channels": 512}
    _, dense = cost("base_oc", shape, {**fixed, "attention": "sa", "query_convs": query_convs})
    _, interlaced = cost("base_oc", shape, {**fixed, **sparse})
    assert interlaced / dense == pytest.approx(0.246, abs=0.0025)


@pytest.mark.parametrize(
    ("name", "arguments", "millions", "gmacs"),
    [
        (
            "self_attention",
            {
                "key_channels": 256,
                "value_channels": 256,
                "query_convs": 1,
                "value_transform": "cbr",
                "output_transform": "conv_bn",
                "residual": "scaled",
            },
            0.527,
            48.319,
        ),
        (
            "cgnl_block",
            {"channels": 256, "output_groups": 1, "transform": "cbr"},
            0.527,
            4.834,
        ),
        (
            "criss_cross",
            {
                "key_channels": 256,
                "value_channels": 256,
                "transform": "cbr",
                "output_transform": "conv_bn",
                "recurrence": 2,
            },
            0.527,
            11.476,
        ),
    ],
    ids=["NL", "CGNL", "RCCA"],
)
def test_costs_in_the_frame_of_srnet(name, arguments, millions, gmacs):
    parameters, flops = cost(name, (1, 512, 96, 96), arguments)
    assert parameters / 1e6 == pytest.approx(millions, rel=1e-3)
    assert flops / 2e9 == pytest.approx(gmacs, rel=1e-3)


@pytest.mark.parametrize("name", SMALL)
class TestContract:
    def test_keeps_the_map_size(self, name):
        module = build(name).eval()
        for shape in ((1, CHANNELS, 7, 5), (2, CHANNELS, 6, 9), (3, CHANNELS, 12, 4)):
            y = module(random_map(*shape))
            assert (y.shape[0], *y.shape[2:]) == (shape[0], *shape[2:])

    def test_batch_equals_its_samples(self, name):
        module = build(name).double().eval()
        x = random_map(3, CHANNELS, 7, 5, dtype=torch.float64)
        alone = torch.cat([module(sample.unsqueeze(0)) for sample in x])
        torch.testing.assert_close(module(x), alone)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    @pytest.mark.parametrize("batch", [1, 2])
    def test_trains(self, name, dtype, batch):
        module = build(name).to(dtype).train()
        x = random_map(batch, CHANNELS, 7, 5).to(dtype).requires_grad_()
        module(x).square().sum().backward()
        assert x.grad is not None
        assert x.grad.isfinite().all()
        assert x.grad.abs().sum() > 0
        for parameter in module.parameters():
            assert parameter.grad is not None
            assert parameter.grad.isfinite().all()

    def test_gradient(self, name):
        module = build(name, seed=3).double().eval()
        x = random_map(1, CHANNELS, 3, 4, dtype=torch.float64).requires_grad_()
        assert torch.autograd.gradcheck(module, (x,))

    def test_runs_on_fake_tensors(self, name):
        with FakeTensorMode(), torch.no_grad():
            module = BY_NAME[name].load()(CHANNELS, **SMALL[name])
            y = module(torch.empty(2, CHANNELS, 7, 5))
        assert y.shape[2:] == (7, 5)

    def test_is_unchanged_by_an_earlier_call(self, name):
        module, x = build(name).eval(), random_map(2, CHANNELS, 7, 5)
        before = x.clone()
        first = module(x)
        torch.testing.assert_close(x, before, rtol=0, atol=0)  # in-place layers leave the input
        torch.testing.assert_close(module(x), first, rtol=0, atol=0)


def permuted(x, seed=5):
    order = torch.randperm(x.shape[-1] * x.shape[-2], generator=torch.Generator().manual_seed(seed))
    return x.flatten(2)[..., order].view_as(x)


EQUIVARIANT = (
    "self_attention",
    "position_attention",
    "channel_attention",
    "cgnl_block",
    "efficient_attention_block",
)


@pytest.mark.parametrize("name", EQUIVARIANT)
def test_permuting_positions_permutes_the_result(name):
    module = build(name).double().eval()
    x = random_map(2, CHANNELS, 5, 6, dtype=torch.float64)
    torch.testing.assert_close(module(permuted(x)), permuted(module(x)))


@pytest.mark.parametrize("name", ["ppm", "aspp", "criss_cross", "interlaced"])
def test_where_positions_count_permuting_them_changes_the_result(name):
    module = build(name).double().eval()
    x = random_map(2, CHANNELS, 5, 6, dtype=torch.float64)
    assert (module(permuted(x)) - permuted(module(x))).abs().max() > 1e-3


@pytest.mark.parametrize(
    "name",
    ["self_attention", "interlaced", "base_oc", "pyramid_oc", "asp_oc", "danet"],
)
def test_explicit_and_fused_kernels_agree(name):
    explicit, fused = (
        build(name, kernel=kernel).double().eval() for kernel in ("explicit", "fused")
    )
    x = random_map(2, CHANNELS, 7, 5, dtype=torch.float64)
    torch.testing.assert_close(explicit(x), fused(x))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("ppm", {"bins": []}, "bins"),
        ("ppm", {"bins": [1, 0]}, "bins"),
        ("ppm", {"out_channels": 0}, "out_channels"),
        ("aspp", {"rates": []}, "rates"),
        ("aspp", {"rates": [-1]}, "rates"),
        ("self_attention", {"query_convs": 0}, "query_convs"),
        ("self_attention", {"output_transform": "none"}, "value_channels"),
        ("self_attention", {"residual": "plain", "out_channels": 4}, "out_channels"),
        ("self_attention", {"residual": "both"}, "residual"),
        ("self_attention", {"value_transform": "linear"}, "transform"),
        ("self_attention", {"regions": 2, "key_stride": 2}, "key_stride"),
        ("interlaced", {"groups": [8]}, "groups"),
        ("interlaced", {"groups": [8, 0]}, "groups"),
        ("interlaced", {"order": "both"}, "order"),
        ("base_oc", {"attention": "dense"}, "attention"),
        ("base_oc", {"reduce": False, "context_channels": 4}, "context_channels"),
        ("pyramid_oc", {"scales": []}, "scales"),
        ("asp_oc", {"downsample": 0}, "downsample"),
        ("channel_attention", {"affinity": "none"}, "affinity"),
        ("criss_cross", {"recurrence": 0}, "recurrence"),
        ("criss_cross", {"value_channels": 4}, "value_channels"),
        ("cgnl_block", {"groups": 3}, "groups"),
        ("cgnl_block", {"affinity": "cosine"}, "affinity"),
        ("cgnl_block", {"affinity": "rbf", "gamma": 0.0}, "gamma"),
        ("efficient_attention_block", {"heads": 3}, "heads"),
    ],
)
def test_wrong_arguments_are_named(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        BY_NAME[name].load()(CHANNELS, **arguments)
