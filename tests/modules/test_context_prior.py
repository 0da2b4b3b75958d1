import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from context_modules.aspp import ASPP
from context_modules.context import forward_with_extras
from context_modules.context_prior import AggregationModule, ContextPriorLayer
from context_modules.pyramid_pooling import PyramidPooling

CONTEXTS = ["both", "intra", "inter"]


def randomised(module, *, seed=0):
    """Double precision, evaluation mode, batch norms that do something."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            value = torch.rand(tensor.shape, generator=generator) - 0.4
            tensor.copy_(value.abs() + 0.5 if name.endswith("running_var") else value)
    return module.double().eval()


def random_map(*shape, seed=1, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def layer_of(channels, size, **arguments):
    arguments = {"out_channels": 5, "context_channels": 4, "kernel_size": 3} | arguments
    return ContextPriorLayer(channels, input_size=size, **arguments)


def normalise(x, norm):
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    shape = (1, -1, 1, 1)
    return (x - norm.running_mean.view(shape)) * scale.view(shape) + norm.bias.view(shape)


def convolve(x, layer):
    """CBR from its definition."""
    weight = layer[0].weight
    return normalise(F.conv2d(x, weight, padding=weight.shape[-1] // 2), layer[1]).clamp(min=0)


def aggregate_reference(module, x):
    """Two separable branches are one depthwise convolution by the sum of two outer products."""
    x = convolve(x, module.reduce)
    (column, row), (other_row, other_column) = module.rows_then_columns, module.columns_then_rows
    kernel = column.weight @ row.weight + other_column.weight @ other_row.weight
    y = F.conv2d(x, kernel, padding=kernel.shape[-1] // 2, groups=x.shape[1])
    return normalise(y, module.activate[0]).clamp(min=0)


def layer_reference(layer, x, branches):
    """CPNet, Section 3.2, for each query pixel by itself."""
    height, width = x.shape[-2:]
    aggregated = layer.aggregate(x)
    convolution, norm = layer.predict_prior
    logits = normalise(F.conv2d(aggregated, convolution.weight), norm)
    intra, inter = torch.zeros_like(aggregated), torch.zeros_like(aggregated)
    pixels = [(i, j) for i in range(height) for j in range(width)]
    for i, j in pixels:
        row = 1 / (1 + (-logits[:, :, i, j]).exp())  # the row of P of pixel (i, j)
        for key, (k, m) in enumerate(pixels):
            p = row[:, key, None]
            intra[:, :, i, j] += p * aggregated[:, :, k, m] / len(pixels)
            inter[:, :, i, j] += (1 - p) * aggregated[:, :, k, m] / len(pixels)
    parts = [x]
    if branches in ("both", "intra"):
        parts.append(convolve(intra, layer.intra))
    if branches in ("both", "inter"):
        parts.append(convolve(inter, layer.inter))
    return convolve(torch.cat(parts, dim=1), layer.fuse)


@settings(deadline=None, max_examples=20)
@given(
    kernel_size=st.sampled_from([1, 3, 5, 11, 15]),
    height=st.integers(1, 8),
    width=st.integers(1, 8),
)
def test_aggregation_is_two_fully_separable_convolutions(kernel_size, height, width):
    module = randomised(AggregationModule(3, out_channels=4, kernel_size=kernel_size))
    x = random_map(2, 3, height, width)

    torch.testing.assert_close(module(x), aggregate_reference(module, x))


@pytest.mark.parametrize("form", ["published", "exact"])
@pytest.mark.parametrize("branches", CONTEXTS)
def test_forward_equals_the_equations(branches, form):
    layer = randomised(layer_of(3, (3, 4), branches=branches, form=form))
    x = random_map(2, 3, 3, 4)

    torch.testing.assert_close(layer(x), layer_reference(layer, x, branches))


@settings(deadline=None, max_examples=20)
@given(
    branches=st.sampled_from(CONTEXTS),
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    seed=st.integers(0, 99),
)
def test_exact_form_equals_published_form(branches, size, seed):
    published = randomised(layer_of(3, size, branches=branches), seed=seed)
    exact = layer_of(3, size, branches=branches, form="exact").double().eval()
    exact.load_state_dict(published.state_dict())
    x = random_map(2, 3, *size, seed=seed).requires_grad_()

    gradients = [torch.autograd.grad(layer(x).square().sum(), x)[0] for layer in (published, exact)]

    torch.testing.assert_close(exact(x), published(x), rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("form", "products"), [("published", 2), ("exact", 1)])
def test_exact_form_needs_one_product(form, products):
    layer = layer_of(3, (4, 5), form=form).eval()

    with FlopCounterMode(display=False) as counter:
        layer(random_map(1, 3, 4, 5, dtype=torch.float32))

    matmul = counter.get_flop_counts()["Global"][torch.ops.aten.bmm]
    assert matmul == products * 2 * 20 * 20 * 4  # 2 N^2 C1 per product


@pytest.mark.parametrize("branches", CONTEXTS)
def test_prior_is_a_map_of_probabilities_beside_the_same_output(branches):
    layer = randomised(layer_of(3, (3, 4), branches=branches))
    x = random_map(2, 3, 3, 4)

    out, prior = layer.forward_with_prior(x)

    torch.testing.assert_close(out, layer(x))
    assert prior.shape == (2, 12, 12)
    assert ((prior > 0) & (prior < 1)).all()
    assert prior.std() > 0


def test_row_of_the_prior_belongs_to_the_query_pixel():
    layer = randomised(layer_of(4, (3, 4), context_channels=4))
    layer.aggregate = nn.Identity()  # each pixel then sees itself alone
    x = random_map(1, 4, 3, 4)
    changed = x.clone()
    changed[0, :, 1, 2] += 1

    rows = (layer.forward_with_prior(changed)[1] != layer.forward_with_prior(x)[1]).any(dim=-1)[0]

    assert rows.nonzero().tolist() == [[1 * 4 + 2]]


def test_prior_of_ones_gathers_everything_and_its_reverse_nothing():
    layer = randomised(layer_of(3, (3, 4)))
    layer.predict_prior[1].weight.data.zero_()
    layer.predict_prior[1].bias.data.fill_(1000.0)
    x = random_map(1, 3, 3, 4)
    mean = layer.aggregate(x).mean(dim=(2, 3), keepdim=True).expand(-1, -1, 3, 4)
    expected = [x, convolve(mean, layer.intra), convolve(torch.zeros_like(mean), layer.inter)]

    torch.testing.assert_close(layer(x), convolve(torch.cat(expected, dim=1), layer.fuse))


@pytest.mark.parametrize("aggregation", ["ppm", "aspp"])
@pytest.mark.parametrize("branches", [*CONTEXTS, "none"])
def test_prior_sits_on_other_aggregations(aggregation, branches):
    layer = randomised(layer_of(8, (5, 4), aggregation=aggregation, branches=branches))
    x = random_map(2, 8, 5, 4)

    out = layer(x)

    assert out.shape == (2, 5, 5, 4)
    if branches == "none":
        torch.testing.assert_close(out, layer.aggregate(x))
    else:
        torch.testing.assert_close(out, layer_reference(layer, x, branches))


def test_without_branches_the_aggregation_alone_is_left():
    layer = randomised(layer_of(3, (3, 4), branches="none"))
    x = random_map(2, 3, 3, 4)

    torch.testing.assert_close(layer(x), aggregate_reference(layer.aggregate, x))
    with pytest.raises(ValueError, match="has no prior"):
        layer.forward_with_prior(x)
    assert layer.train().gives_extras is False
    features, extras = forward_with_extras(layer, x)  # as a network in training calls it
    assert (features.shape, extras) == ((2, 5, 3, 4), {})


@pytest.mark.parametrize(
    ("aggregation", "arguments"),
    [("ppm", {"bins": [1, 2]}), ("aspp", {"rates": [2], "branch_channels": 3})],
)
def test_arguments_reach_the_aggregation(aggregation, arguments):
    kind = {"ppm": PyramidPooling, "aspp": ASPP}[aggregation]
    layer = layer_of(
        6, (4, 4), aggregation=aggregation, aggregation_arguments=arguments, branches="none"
    )
    alone = kind(6, out_channels=5, **arguments)
    shapes = {name: x.shape for name, x in alone.state_dict().items()}
    assert {name: x.shape for name, x in layer.aggregate.state_dict().items()} == shapes
    with pytest.raises(ValueError, match="depthwise_bias alone; it has kernel_size"):
        layer_of(6, (4, 4), aggregation_arguments=arguments)


def test_the_aggregation_may_have_biases_as_in_the_released_code():
    arguments = {"depthwise_bias": True}
    biased = layer_of(6, (4, 4), aggregation_arguments=arguments, branches="none")
    plain = layer_of(6, (4, 4), branches="none")
    added = biased.state_dict().keys() - plain.state_dict().keys()
    assert len(added) == 4
    assert all(name.endswith(".bias") for name in added)


# CPNet prints no costs; these follow from its layers at 2048 -> 512 and k = 11.
@pytest.mark.parametrize(
    ("side", "parameters", "flops"),
    [(60, 26.00e6, 213.6e9), (64, 26.25e6, 249.3e9), (96, 28.88e6, 705.9e9)],
)
def test_costs_follow_from_the_layers(side, parameters, flops):
    with FakeTensorMode(), torch.no_grad():
        layer = ContextPriorLayer(2048, input_size=(side, side)).eval()
        with FlopCounterMode(display=False) as counter:
            out = layer(torch.empty(1, 2048, side, side))

    assert out.shape == (1, 512, side, side)
    assert sum(p.numel() for p in layer.parameters()) == pytest.approx(parameters, rel=1e-3)
    assert counter.get_total_flops() == pytest.approx(flops, rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("form", ["published", "exact"])
@pytest.mark.parametrize("branches", [*CONTEXTS, "none"])
def test_training_pass_is_finite(branches, form, dtype):
    torch.manual_seed(0)
    layer = layer_of(6, (7, 5), branches=branches, form=form, kernel_size=5).to(dtype)
    x = random_map(2, 6, 7, 5).to(dtype).requires_grad_()

    out = layer(x)
    out.square().mean().backward()

    assert out.shape == (2, 5, 7, 5)
    assert out.dtype == dtype
    for tensor in [out, x.grad, *(p.grad for p in layer.parameters())]:
        assert torch.isfinite(tensor).all()


@pytest.mark.parametrize("form", ["published", "exact"])
@pytest.mark.parametrize("branches", CONTEXTS)
def test_gradients_agree_with_finite_differences(branches, form):
    layer = randomised(layer_of(2, (2, 3), branches=branches, form=form))
    x = random_map(2, 2, 2, 3).requires_grad_()

    assert torch.autograd.gradcheck(layer.forward_with_prior, x)


def test_images_of_a_batch_do_not_mix():
    layer = randomised(layer_of(3, [4, 3]))
    x = random_map(3, 3, 4, 3)

    torch.testing.assert_close(layer(x), torch.cat([layer(image[None]) for image in x]))


@pytest.mark.parametrize("branches", ["both", "none"])
@pytest.mark.parametrize("size", [(4, 3), (3, 5), (1, 12)])
def test_maps_of_another_size_are_refused(size, branches):
    layer = layer_of(3, (3, 4), branches=branches)

    with pytest.raises(ValueError, match="built for maps of 3x4"):
        layer(random_map(1, 3, *size, dtype=torch.float32))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel_size": 4}, "kernel_size must be odd"),
        ({"kernel_size": -1}, "kernel_size must be odd"),
        ({"aggregation": "sa"}, "aggregation must be one of am, ppm, aspp"),
        ({"branches": "all"}, "branches must be one of both, intra, inter, none"),
        ({"form": "fast"}, "form must be one of published, exact"),
        ({"input_size": (3, 0)}, "input_size"),
        ({"input_size": (3,)}, "input_size"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ContextPriorLayer(3, **{"input_size": (3, 4)} | arguments)
