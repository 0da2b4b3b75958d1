"""`harness.count` of what stands in a session: right, readable, and nothing of it is changed."""

from functools import lru_cache, partial
from threading import Lock

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import harness

SHAPE = (2, 3, 16, 16)


class Block(nn.Module):
    """Keeps what it computes, holds what cannot be copied, and counts its passes in a buffer."""

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.register_buffer("passes", torch.zeros(()))
        self.lock = Lock()
        self.kept = {"maps": []}

    def forward(self, x):
        self.last = self.norm(self.conv(x))
        self.kept["maps"].append(self.last)
        self.passes += 1
        return self.last


class Branching(Block):
    def forward(self, x):
        return super().forward(x) if x.sum() < 1e9 else x


class Sized(nn.Module):
    def __init__(self, in_channels: int, input_size: tuple[int, int]) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros(in_channels, *input_size))

    def forward(self, x):
        return x + self.place


class Choosy(nn.Module):
    def __init__(self, in_channels: int, keys: int) -> None:
        super().__init__()


class Broken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        raise KeyError("missing")


@lru_cache
def grid(size: int) -> torch.Tensor:
    return torch.arange(float(size))


class Cached(nn.Module):
    def forward(self, x):
        return x + grid(x.shape[-1])


def conv_maker(width: int) -> nn.Module:
    return nn.Conv2d(width, 4, 1)


@pytest.fixture
def block():
    torch.manual_seed(0)
    return Block()


@pytest.fixture(params=[Block, Branching])
def used(request):
    """A module in the middle of its work: trained a step, a hook, one part frozen and in eval."""
    made = request.param()
    made(torch.randn(SHAPE)).sum().backward()
    made.norm.eval()
    made.norm.weight.requires_grad_(False)
    made.conv.register_forward_hook(lambda *_: None)
    return made


def state(module):
    """What a pass could change: identities, values, gradients, modes, attributes, hooks."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {
        "identity": {name: id(each) for name, each in tensors.items()},
        "values": {name: each.tolist() for name, each in tensors.items()},
        "gradients": {n: None if t.grad is None else t.grad.tolist() for n, t in tensors.items()},
        "needed": {name: each.requires_grad for name, each in tensors.items()},
        "modes": [part.training for part in module.modules()],
        "hooks": [len(part._forward_hooks) for part in module.modules()],
        "attributes": [sorted(vars(part)) for part in module.modules()],
        "kept": (id(module.last), list(map(id, module.kept["maps"]))),
    }


@pytest.mark.parametrize("pass_", ["inference", "training"])
def test_the_module_is_afterwards_as_it_was(used, pass_):
    before, random = state(used), torch.get_rng_state()
    harness.count(used, SHAPE, pass_=pass_)
    harness.latency(used, SHAPE, pass_=pass_, criterion="fixed", samples=2)
    assert state(used) == before
    assert torch.equal(torch.get_rng_state(), random)
    with pytest.raises(harness.HarnessError):
        harness.count(used, (2, 5, 16, 16), pass_=pass_)
    assert state(used) == before


def test_a_module_is_counted_whole_and_by_layer(block):
    found = harness.count(block, SHAPE)
    macs = 2 * 8 * 3 * 9 * 16 * 16
    assert found.totals["conv_macs"] == macs
    assert found.totals["params"] == 8 * 3 * 9 + 8 + 16
    assert found.totals["live_peak_training_bytes"] > found.totals["live_peak_bytes"] > 0
    assert "warnings" not in found.totals
    assert [layer.path for layer in found.layers] == ["", "conv", "norm"]
    frame = found.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame["conv_macs"].sum() == macs
    assert harness.count(block, SHAPE, pass_="training").totals["conv_macs"] == 3 * macs


def test_printed_it_is_a_table(block, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    found = harness.count(block, SHAPE)
    lines = repr(found).splitlines()
    assert lines[0] == "Block on 2x3x16x16, inference"
    assert max(map(len, lines)) <= 80
    (conv,) = (line for line in lines if "Conv2d" in line)
    assert all(part in conv for part in ("conv", "2x8x16x16", "224", "0.11"))
    assert any(line.startswith("parameters      240") for line in lines)
    page = found._repr_html_()
    assert page.count("<table") == 1
    assert "live peak" in page


@pytest.mark.parametrize("columns", [50, 80, 200])
def test_numbers_stay_whole_however_long_the_names_are(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    deep = nn.Sequential()
    deep.add_module("a_name_as_they_are_in_networks_of_others", nn.Conv2d(3, 8, 3))
    deep.add_module("b", nn.BatchNorm2d(8))
    said = repr(harness.count(deep, SHAPE))
    assert max(map(len, said.splitlines())) <= columns
    assert all(part in said for part in ("2x8x14x14", " 224", " 0.08", " 16"))


@pytest.mark.parametrize(
    "inputs",
    [
        (SHAPE,),
        ([2, 3, 16, 16],),
        (torch.Size(SHAPE),),
        (torch.zeros(SHAPE),),
        (torch.zeros(SHAPE, requires_grad=True),),
    ],
)
def test_shapes_and_tensors_are_the_same(block, inputs):
    assert harness.count(block, *inputs).totals == harness.count(block, SHAPE).totals


def test_structures_names_and_other_values_are_passed_on():
    class Pyramid(nn.Module):
        def forward(self, maps, size, scale=1, *, more):
            assert (size, scale) == ("large", 2)
            assert isinstance(maps, list)
            assert more["hw"] == (4, 4)
            return [x @ more["weight"] for x in maps]

    more = {"hw": (4, 4), "weight": torch.zeros(4, 5)}
    found = harness.count(Pyramid(), [(1, 8, 4), (1, 2, 4)], "large", scale=2, more=more)
    assert found.totals["matmul_macs"] == (8 + 2) * 4 * 5


def test_classes_are_made_with_what_the_input_says():
    assert harness.count(Block, SHAPE).totals["params"] == 240
    assert harness.count(Sized, SHAPE).totals["params"] == 3 * 16 * 16
    assert harness.count("se", (1, 64, 8, 8)).totals["params"] > 0
    made = partial(nn.Conv2d, out_channels=4, kernel_size=1)
    assert harness.count(made, SHAPE).totals["params"] == 16
    assert harness.count(nn.Flatten, SHAPE).totals["params"] == 0


def test_named_inputs_may_be_called_as_parameters_of_ours():
    found = harness.count(
        lambda module, found: module @ found, module=torch.zeros(2, 3), found=torch.zeros(3, 4)
    )
    assert found.totals["matmul_macs"] == 24
    assert repr(harness.count(lambda n: torch.zeros(n, n), 5)).startswith("lambda, inference\n")


def test_functions_have_the_modules_that_they_refer_to(block):
    weight = torch.zeros(8, 4, requires_grad=True)

    def head(x, scale):
        return block(x).mean((2, 3)) @ weight * scale

    direct = harness.count(block, SHAPE).totals
    for function in (lambda x: head(x, 2), partial(head, scale=2)):
        found = harness.count(function, SHAPE, pass_="training")
        assert found.totals["conv_macs"] == 3 * direct["conv_macs"]
        assert weight.grad is None
    assert found.totals["params"] == direct["params"]
    assert found.layers[0].kind == "Called"
    assert harness.count(block.forward, SHAPE).totals["params"] == direct["params"]
    assert harness.count(F.relu, SHAPE).totals["elementwise_ops"] == {"relu": 1536}


def test_what_needs_values_is_counted_on_real_tensors_and_says_so():
    found = harness.count(Branching(), SHAPE)
    assert found.totals["conv_macs"] == harness.count(Block(), SHAPE).totals["conv_macs"]
    assert "real tensors" in found.totals["warnings"][0]
    assert "counted on real tensors" in repr(found)


def test_nothing_fake_stays_in_caches():
    grid.cache_clear()
    grid(3)
    harness.count(Cached(), (1, 5))
    assert type(Cached()(torch.zeros(1, 5))) is torch.Tensor


def test_modules_of_other_kinds_are_counted():
    conv = nn.Conv2d(3, 8, 3)
    expected = harness.count(conv, SHAPE).totals["conv_macs"]
    scripted = torch.jit.script(nn.Sequential(conv, nn.ReLU()))
    assert harness.count(scripted, SHAPE).totals["conv_macs"] == expected
    assert scripted.training
    meta = nn.Conv2d(3, 8, 3, device="meta")
    assert harness.count(meta, SHAPE).totals["conv_macs"] == expected
    compiled = torch.compile(conv, backend="eager")
    assert harness.count(compiled, SHAPE).totals["conv_macs"] == expected
    double = harness.count(nn.Conv2d(3, 8, 3, dtype=torch.float64), SHAPE).totals
    assert double["param_bytes"] == 8 * double["params"]
    assert double["conv_macs"] == expected
    recurrent = nn.LSTM(4, 5)
    assert harness.count(recurrent, (7, 1, 4), pass_="training").totals["matmul_macs"] > 0
    assert recurrent.weight_ih_l0.grad is None
    assert recurrent._flat_weights[0] is recurrent.weight_ih_l0


@pytest.mark.skipif(
    "fbgemm" not in torch.backends.quantized.supported_engines, reason="no engine for them"
)
def test_quantised_layers_are_counted():
    whole = nn.Sequential(nn.Linear(4, 4))
    found = harness.count(torch.ao.quantization.quantize_dynamic(whole, {nn.Linear}), (1, 4))
    assert found.totals["matmul_macs"] == 16
    assert found.totals["coverage"] == 1.0


@torch.inference_mode()
def test_the_mode_of_the_session_is_no_matter(block):
    assert harness.count(block, torch.zeros(SHAPE), pass_="training").totals["conv_macs"] > 0


@pytest.mark.parametrize(
    ("what", "inputs", "message"),
    [
        (None, (), "None is no module; give an nn.Module, a class of one, or a function"),
        (3, (SHAPE,), "3 is no module"),
        (dict, (SHAPE,), "dict is no torch.nn.Module"),
        ("interlace", (SHAPE,), "did you mean interlaced"),
        (Choosy, (SHAPE,), r"Choosy needs keys; give an instance: Choosy\(keys=...\)"),
        (Broken, (SHAPE,), "Broken cannot be made: KeyError: 'missing'"),
        (partial(conv_maker, 3), (), "returned a module; give that module itself"),
        (nn.LazyConv2d(3, 1), (SHAPE,), "lazy layers; run it once"),
        (nn.ReLU(), ((0, 3),), r"\(0, 3\) is no shape; write whole numbers from 1"),
        (nn.Linear(4, 2), ((1, 3),), "Linear does not run on 1x3: "),
        (nn.Linear(4, 2), (), "Linear does not run without a tensor: TypeError"),
        (nn.Linear(4, 2), ("text",), "Linear does not run without a tensor"),
    ],
)
@pytest.mark.parametrize("ask", [harness.count, harness.latency])
def test_mistakes_have_a_cure(ask, what, inputs, message):
    with pytest.raises(harness.HarnessError, match=message) as caught:
        ask(what, *inputs)
    assert "\n" not in str(caught.value)


def test_errors_are_chained_to_what_was_raised():
    def wrong(x):
        raise ZeroDivisionError("mine")

    for ask in (harness.count, harness.latency):
        with pytest.raises(harness.HarnessError, match="wrong does not run on 1x2") as caught:
            ask(wrong, (1, 2))
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(harness.HarnessError, match="pass_ learning"):
        harness.count(nn.ReLU(), (1, 2), pass_="learning")
