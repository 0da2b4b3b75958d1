"""The context prior by kernels in Triton against the one that is held, in the interpreter."""

import copy

import pytest
import torch
from interpreter import NEAR, interpreted, near_in_float64

from context_modules.affinity_loss import AffinityLoss
from context_modules.context_prior import ContextPriorLayer
from context_modules.fused_affinity_loss import FusedAffinityLoss
from context_modules.implicit_prior import ImplicitPrior
from context_modules.prior_operator import select_by_triton

IMAGES = 2


def random(*shape, seed, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def parts(pixels, channels, dtype=torch.float32):
    """Features, weight, scale and bias of a prior."""
    shapes = ((IMAGES, pixels, channels), (pixels, channels), (pixels,), (pixels,))
    types = (dtype, dtype, torch.float32, torch.float32)
    made = [
        random(*shape, seed=seed, dtype=each)
        for seed, (shape, each) in enumerate(zip(shapes, types, strict=True))
    ]
    made[2] = (made[2] + 1.5) / channels**0.5
    return [x.requires_grad_() for x in made]


def prior_map(features, weight, scale, bias):
    return (features @ weight.t() * scale + bias).sigmoid()


def selected(features, *rest):
    return prior_map(features, *rest) @ features / features.shape[1]


def some_labels(*shape):
    labels = torch.randint(3, shape, generator=torch.Generator().manual_seed(3))
    labels[0, :2] = 255
    labels[1, 0] = 7  # a class that is nowhere else
    return labels


def near_the_loss(tables, labels, *, accuracy=None, **arguments):
    features, weight, scale, bias = tables
    exact = [x.detach().double().requires_grad_() for x in tables]
    prior = ImplicitPrior(features, weight, bias, scale)
    actual = FusedAffinityLoss(**arguments)(prior, labels.unsqueeze(1))
    expected = AffinityLoss(**arguments)(prior_map(*exact), labels.unsqueeze(1))
    assert actual.dtype == torch.float32
    accuracy = accuracy or NEAR[features.dtype]
    torch.testing.assert_close(actual.double(), expected, **accuracy)
    found, wanted = torch.autograd.grad(actual, tables), torch.autograd.grad(expected, exact)
    for one, other in zip(found, wanted, strict=True):
        largest = other.abs().max().clamp_min(1e-12)
        torch.testing.assert_close(one.double() / largest, other / largest, **accuracy)


LOSSES = [
    {},
    {"diagonal": False},
    {"unary_weight": 2.0, "global_weight": 0.3},
    {"form": "released"},
]


@pytest.mark.usefixtures("small_tiles")
class TestOperators:
    pytestmark = interpreted

    @pytest.mark.parametrize(
        ("pixels", "channels", "dtype"),
        [
            (1, 3, torch.float32),
            (19, 20, torch.float32),
            (35, 5, torch.float32),
            (19, 20, torch.float16),
            (17, 5, torch.bfloat16),
        ],
        ids=str,
    )
    def test_the_context_and_its_gradients(self, pixels, channels, dtype):
        near_in_float64(select_by_triton, selected, parts(pixels, channels, dtype))

    @pytest.mark.parametrize("arguments", LOSSES, ids=str)
    def test_the_loss_and_its_gradients(self, arguments):
        near_the_loss(parts(19, 20), some_labels(IMAGES, 19), **arguments)

    @pytest.mark.parametrize("form", ["text", "released"])
    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
    def test_the_loss_in_half_precision(self, form, dtype):
        near_the_loss(parts(17, 5, dtype), some_labels(IMAGES, 17), form=form)

    @pytest.mark.parametrize("form", ["text", "released"])
    def test_floors_under_chances_that_are_all_but_0(self, form):
        features, weight, scale, bias = parts(17, 5)
        with torch.no_grad():
            bias.copy_(bias.sign() * 28)  # log 1e-12 is -27.6
        # There 1 - p has few digits even in float64.
        accuracy = {"rtol": 1e-4, "atol": 1e-4}
        tables = [features, weight, scale, bias]
        near_the_loss(tables, some_labels(IMAGES, 17), accuracy=accuracy, form=form)

    @pytest.mark.parametrize("form", ["text", "released"])
    def test_a_batch_without_labels(self, form):
        near_the_loss(parts(9, 3), torch.full((IMAGES, 9), 255), form=form)

    @pytest.mark.parametrize(
        ("name", "labels", "width"),
        [("prior_context", (), 3), ("prior_sums", (255, True, False), 6)],
    )
    def test_they_are_as_compilers_and_counters_ask(self, name, labels, width):
        given = (some_labels(IMAGES, 5).int(), *labels) if labels else ()
        tables, operators = parts(5, 3), torch.ops.context_modules
        torch.library.opcheck(getattr(operators, name).default, (*tables, *given))
        backward = getattr(operators, f"{name}_gradient").default
        fixed, grad = [x.detach() for x in tables], random(IMAGES, 5, width, seed=4)
        checks = ("test_schema", "test_faketensor")
        torch.library.opcheck(backward, (*fixed, *given, grad), test_utils=checks)


SIZE = (3, 7)
POSITIONS = SIZE[0] * SIZE[1]


def both_kernels(branches="both", *, train=False):
    """The explicit layer in float64, that of the kernels in float32."""
    torch.manual_seed(0)
    layer = ContextPriorLayer(
        3, input_size=SIZE, out_channels=5, context_channels=4, kernel_size=3, branches=branches
    )
    for buffer in layer.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    by_triton = copy.deepcopy(layer.train(train))
    by_triton.kernel = "triton"
    return layer.double(), by_triton


def both_inputs():
    x = random(IMAGES, 3, *SIZE, seed=1)
    return x.double().requires_grad_(), x.clone().requires_grad_()


LAYER = {"rtol": 1e-4, "atol": 1e-4}


class TestLayer:
    pytestmark = interpreted

    @pytest.mark.parametrize("train", [False, True])
    @pytest.mark.parametrize("branches", ["both", "intra", "inter", "none"])
    def test_values_and_gradients_are_those_of_the_explicit_form(self, branches, train):
        layers, inputs = both_kernels(branches, train=train), both_inputs()
        expected, actual = (layer(x) for layer, x in zip(layers, inputs, strict=True))
        torch.testing.assert_close(actual.double(), expected, **LAYER)
        expected.backward(random(*expected.shape, seed=2).double())
        actual.backward(random(*expected.shape, seed=2))
        torch.testing.assert_close(inputs[1].grad.double(), inputs[0].grad, **LAYER)
        same_in_both(layers, lambda layer: {n: x.grad for n, x in layer.named_parameters()})
        same_in_both(layers, lambda layer: dict(layer.named_buffers()))

    @pytest.mark.parametrize("form", ["text", "released"])
    def test_a_training_by_the_loss_holds_no_map(self, form):
        layers, inputs = both_kernels(train=True), both_inputs()
        labels = some_labels(IMAGES, *SIZE)
        out, prior = layers[0].forward_with_prior(inputs[0])
        (out.square().mean() + AffinityLoss(form=form)(prior, labels)).backward()
        with Largest() as seen:
            out, implicit = layers[1].implicit_forward(inputs[1])
            (out.square().mean() + FusedAffinityLoss(form=form)(implicit, labels)).backward()
        same_in_both(layers, lambda layer: {n: x.grad for n, x in layer.named_parameters()})
        assert seen.numbers < IMAGES * POSITIONS**2

    def test_autocast_takes_half_precision(self):
        _, layer = both_kernels()
        with torch.autocast("cpu", torch.bfloat16):
            _, prior = layer.implicit_forward(random(IMAGES, 3, *SIZE, seed=1))
            assert prior.means()[0].dtype == torch.bfloat16


def same_in_both(layers, tensors):
    for (name, one), other in zip(
        tensors(layers[0]).items(), tensors(layers[1]).values(), strict=True
    ):
        torch.testing.assert_close(other.double(), one.double(), **LAYER, msg=name)


class Largest(torch.utils._python_dispatch.TorchDispatchMode):
    """Notes how many numbers the largest tensor has that an operator makes."""

    def __init__(self):
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for each in made if isinstance(made, (tuple, list)) else (made,):
            if isinstance(each, torch.Tensor):
                self.numbers = max(self.numbers, each.numel())
        return made


CURE = "kernel: fused computes the same anywhere"


def test_off_cuda_the_error_is_one_line_with_its_cure(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET")
    _, layer = both_kernels()
    x = random(IMAGES, 3, *SIZE, seed=1)
    said = f"kernel: triton needs a CUDA device; {CURE}"
    with pytest.raises(NotImplementedError) as told:
        layer(x)
    assert str(told.value) == said
    prior = layer.forward_with_prior(x)[1]  # the map is made of PyTorch's operators
    assert prior.shape == (IMAGES, POSITIONS, POSITIONS)


def test_float64_is_refused():
    _, layer = both_kernels()
    with pytest.raises(NotImplementedError, match="not float64"):
        layer.double()(random(IMAGES, 3, *SIZE, seed=1).double())
