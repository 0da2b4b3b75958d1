import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from context_modules.squeeze_reasoning import GraphConvolution, NodeAttention, SqueezeReasoning

SQUEEZES = ["gap", "ghp"]
REASONINGS = ["none", "fc", "gcn", "sa"]


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


def convolve(x, layer):
    """1x1 convolution and batch norm of one image, from their definitions: (C, P) -> (C', P)."""
    convolution, norm = layer[0], layer[1]
    y = convolution.weight[:, :, 0, 0] @ x
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return (y - norm.running_mean[:, None]) * scale[:, None] + norm.bias[:, None]


def reason(g, module, name, *, softmax=False):
    """Eq. 5 and 6 on G of M x K, nodes as columns."""
    if name == "none":
        return g
    if name == "fc":
        vector = module.linear.weight @ g.T.flatten() + module.linear.bias
        return vector.clamp(min=0).view(g.shape[1], g.shape[0]).T
    if name == "gcn":
        adjacency = module.adjacency.weight[:, :, 0].T
        identity = torch.eye(g.shape[1], dtype=g.dtype)
        return (module.weight.weight[:, :, 0] @ g @ (identity - adjacency)).clamp(min=0)
    affinity = (module.phi.weight @ g).T @ (module.theta.weight @ g)
    if softmax:
        affinity = affinity.exp() / affinity.exp().sum(dim=0)
    return (module.rho.weight @ g @ affinity).clamp(min=0)


def reference(module, x, *, squeeze, reasoning, nodes, hadamard="mean", softmax=False):
    images = []
    for image in x:
        columns = image.flatten(1)  # X, C x HW
        b = convolve(columns, module.reduce)
        pooled = b if squeeze == "gap" else b * convolve(columns, module.reduce_other)
        vector = pooled.sum(dim=1)  # Eq. 4
        if hadamard == "mean":
            vector = vector / columns.shape[1]
        g = vector.view(nodes, -1).T
        reasoned = reason(g, module.reason, reasoning, softmax=softmax).T.flatten()
        y = convolve(b * reasoned[:, None], module.restore) + columns  # Eq. 7
        images.append(y.view_as(image))
    return torch.stack(images)


@pytest.mark.parametrize("reasoning", REASONINGS)
@pytest.mark.parametrize("squeeze", SQUEEZES)
def test_forward_equals_the_equations(squeeze, reasoning):
    module = randomised(SqueezeReasoning(24, squeeze=squeeze, reasoning=reasoning, nodes=4))
    x = random_map(2, 24, 5, 3)

    expected = reference(module, x, squeeze=squeeze, reasoning=reasoning, nodes=4)

    assert not torch.allclose(expected, x)
    torch.testing.assert_close(module(x), expected)


def test_hadamard_sum_is_eq_4_as_printed():
    module = randomised(SqueezeReasoning(8, nodes=2, hadamard="sum"))
    x = random_map(2, 8, 3, 5)

    expected = reference(
        module, x, squeeze="ghp", reasoning="gcn", nodes=2, hadamard="sum", softmax=False
    )

    torch.testing.assert_close(module(x), expected)


def test_softmax_normalises_over_the_nodes_that_are_gathered():
    module = randomised(SqueezeReasoning(12, nodes=3, reasoning="sa", sa_softmax=True))
    x = random_map(2, 12, 3, 5)

    expected = reference(module, x, squeeze="ghp", reasoning="sa", nodes=3, softmax=True)

    torch.testing.assert_close(module(x), expected)


@settings(deadline=None, max_examples=20)
@given(
    nodes=st.integers(1, 6),
    channels=st.integers(1, 4),
    reduction=st.integers(1, 3),
    reasoning=st.sampled_from(REASONINGS),
)
def test_any_node_count_and_ratio_that_divide(nodes, channels, reduction, reasoning):
    in_channels = nodes * channels * reduction
    module = SqueezeReasoning(in_channels, nodes=nodes, reduction=reduction, reasoning=reasoning)
    randomised(module)
    x = random_map(1, in_channels, 2, 3)

    expected = reference(module, x, squeeze="ghp", reasoning=reasoning, nodes=nodes)

    torch.testing.assert_close(module(x), expected)


@settings(deadline=None, max_examples=20)
@given(nodes=st.integers(2, 6), channels=st.integers(1, 5), softmax=st.booleans())
def test_attention_does_not_know_the_order_of_nodes(nodes, channels, softmax):
    attention = randomised(NodeAttention(channels, softmax=softmax))
    graph = random_map(2, nodes, channels)
    order = torch.randperm(nodes, generator=torch.Generator().manual_seed(3))

    torch.testing.assert_close(attention(graph[:, order]), attention(graph)[:, order])


def test_graph_convolution_without_edges_treats_each_node_alone():
    convolution = randomised(GraphConvolution(4, 3))
    convolution.adjacency.weight.data.zero_()
    graph = random_map(1, 4, 3)
    changed = graph.clone()
    changed[:, 2] += 1

    difference = (convolution(changed) - convolution(graph)).abs().sum(dim=(0, 2))

    assert difference[2] > 0
    assert torch.equal(difference[[0, 1, 3]], torch.zeros(3, dtype=torch.float64))


def test_node_activations_are_what_is_restored():
    module = randomised(SqueezeReasoning(12, nodes=3))
    x = random_map(2, 12, 3, 5)

    activations = module.node_activations(x)

    assert activations.shape == (2, 3, 2, 3, 5)
    torch.testing.assert_close(x + module.restore(activations.flatten(1, 2)), module(x))


class Shapes(TorchDispatchMode):
    """Records the shape of everything that an operator returns, views of parameters apart."""

    def __init__(self, module):
        super().__init__()
        self.parameters = {p.untyped_storage().data_ptr() for p in module.parameters()}
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if tensor.untyped_storage().data_ptr() not in self.parameters:
                self.seen.append(tensor.shape)
        return result


def shapes_without_maps(module, height, width):
    """Shapes of all intermediate tensors that are not a feature map of C or C / 2 channels."""
    x = random_map(1, 32, height, width, dtype=torch.float32)
    with torch.no_grad(), Shapes(module) as shapes:
        module(x)
    maps = {(1, 32, height, width), (1, 16, height, width)}
    return [shape for shape in shapes.seen if shape not in maps and shape.numel() > 0]


@pytest.mark.parametrize("nodes", [2, 8])
@pytest.mark.parametrize("reasoning", REASONINGS)
@pytest.mark.parametrize("squeeze", SQUEEZES)
def test_affinity_memory_does_not_depend_on_the_map_size(squeeze, reasoning, nodes):
    module = SqueezeReasoning(32, squeeze=squeeze, reasoning=reasoning, nodes=nodes).eval()

    small, large = (shapes_without_maps(module, *size) for size in [(5, 7), (41, 23)])

    channels = 16 // nodes
    assert small == large
    assert len(small) > 0
    assert max(s.numel() for s in small) <= max(nodes**2, channels**2, nodes * channels)


# SRNet, Table 3, on 512x96x96: parameters and MACs of the convolutions.
@pytest.mark.parametrize(
    ("squeeze", "parameters", "macs"), [("gap", 0.264e6, 2.416e9), ("ghp", 0.396e6, 3.624e9)]
)
def test_costs_are_those_of_the_paper(squeeze, parameters, macs):
    with FakeTensorMode(), torch.no_grad():
        module = SqueezeReasoning(512, squeeze=squeeze).eval()
        with FlopCounterMode(display=False) as counter:
            module(torch.empty(1, 512, 96, 96))

    assert sum(p.numel() for p in module.parameters()) == pytest.approx(parameters, rel=1e-3)
    assert counter.get_total_flops() / 2 == pytest.approx(macs, rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("reasoning", REASONINGS)
@pytest.mark.parametrize("squeeze", SQUEEZES)
def test_training_pass_is_finite(squeeze, reasoning, dtype):
    torch.manual_seed(0)
    module = SqueezeReasoning(32, squeeze=squeeze, reasoning=reasoning, nodes=4).to(dtype)
    x = random_map(2, 32, 7, 5).to(dtype).requires_grad_()

    out = module(x)
    out.square().mean().backward()

    assert out.shape == x.shape
    assert out.dtype == dtype
    for tensor in [out, x.grad, *(p.grad for p in module.parameters())]:
        assert torch.isfinite(tensor).all()


@pytest.mark.parametrize("reasoning", REASONINGS)
@pytest.mark.parametrize("squeeze", SQUEEZES)
def test_gradients_agree_with_finite_differences(squeeze, reasoning):
    module = randomised(SqueezeReasoning(8, squeeze=squeeze, reasoning=reasoning, nodes=2))

    assert torch.autograd.gradcheck(module, random_map(2, 8, 3, 2).requires_grad_())


def test_images_of_a_batch_do_not_mix():
    module = randomised(SqueezeReasoning(16, nodes=4, reasoning="sa"))
    x = random_map(3, 16, 4, 5)

    torch.testing.assert_close(module(x), torch.cat([module(image[None]) for image in x]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"squeeze": "max"}, "squeeze must be one of gap, ghp"),
        ({"reasoning": "mlp"}, "reasoning must be one of none, fc, gcn, sa"),
        ({"hadamard": "max"}, "hadamard must be one of mean, sum"),
        ({"reduction": 3}, "reduction must divide in_channels"),
        ({"nodes": 5}, "nodes must divide"),
        ({"nodes": 0}, "nodes must divide"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        SqueezeReasoning(32, **arguments)
