"""What every module that a suite can name has to keep: the contract of the catalog."""

import inspect
import json
import types
import typing
from collections.abc import Mapping, Sequence
from importlib.util import find_spec

import pytest
import torch
from small_cases import BATCH, IMAGE, SMALL, case, inputs, sizes, small
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves

from context_modules.catalog import BY_NAME, CATALOG
from harness.instantiate import build
from harness.measure.memory import live_peak
from harness.measure.operations import OperatorCounter, count_params
from harness.measure.subject import fake_subject, real_subject
from harness.signature import FILLED, convert, parameters_of

every = pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
every_size = pytest.mark.parametrize(
    ("entry", "size"),
    sizes(),
    ids=lambda each: each.name if hasattr(each, "name") else "x".join(map(str, each)),
)
SCALARS = (int, float, bool, str, type(None))
# EM runs without gradients as published, so the projection before it learns nothing by default.
WITHOUT_GRADIENT = {"emau": {"embed.weight", "embed.bias"}}


def tensors(out) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]


def shapes(out) -> list[tuple[int, ...]]:
    return [tuple(each.shape) for each in tensors(out)]


def test_names_and_classes_are_listed_once():
    assert len(BY_NAME) == len(CATALOG) == len({entry.target for entry in CATALOG})
    assert all(BY_NAME[entry.name] is entry for entry in CATALOG)
    assert SMALL.keys() <= BY_NAME.keys()


@every
def test_entry_says_what_it_is(entry):
    assert entry.name.isidentifier()
    assert entry.name == entry.name.lower()
    assert entry.description.endswith(".")
    assert "\n" not in entry.description
    assert len(entry.paper.split()) >= 3
    module, _, _ = entry.target.partition(":")
    assert module.startswith("context_modules.")
    assert find_spec(module) is not None


@every
def test_class_loads_and_its_docstring_begins_with_a_description(entry):
    cls = entry.load()
    assert issubclass(cls, nn.Module)
    assert cls.__module__ == entry.target.partition(":")[0]
    text = cls.__dict__.get("__doc__") or ""
    first, _, rest = text.partition("\n")
    assert len(first.split()) >= 3
    assert first.endswith(".")
    assert "Args:" in rest


def is_plain(hint) -> bool:
    """Whether JSON can hold every value of a type hint."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return all(isinstance(value, SCALARS) for value in inner)
    if origin in (typing.Union, types.UnionType):
        return all(map(is_plain, inner))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return inner[0] is str
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return all(is_plain(each) for each in inner if each is not Ellipsis)
    return hint in SCALARS


@every
def test_constructor_takes_channels_then_keywords_of_plain_types(entry):
    cls = entry.load()
    first, *others = list(inspect.signature(cls.__init__).parameters.values())[1:]
    assert first.name == "in_channels"
    assert first.kind is first.POSITIONAL_OR_KEYWORD
    assert {each.kind for each in others} <= {inspect.Parameter.KEYWORD_ONLY}
    signature = parameters_of(cls)
    assert not signature.takes_any
    assert signature.parameters["in_channels"].hint is int
    # What a suite leaves out has a default, or is filled in from the input.
    assert signature.missing(()) == ()
    for each in others:
        hint = signature.parameters[each.name].hint
        assert is_plain(hint), f"{each.name}: {hint}"
        if each.name in FILLED:
            continue
        written = json.loads(json.dumps(each.default))
        converted = convert(written, hint)
        # Sequences may come back as lists: constructors take any sequence.
        default = list(each.default) if isinstance(converted, list) else each.default
        assert converted == default, each.name


def expected(entry, size) -> tuple[int, ...]:
    form = small(entry)
    height, width = IMAGE if form.image else inputs(entry, size)[0 if form.finest else -1][2:]
    return (BATCH, form.out_channels, -(-height // form.stride), -(-width // form.stride))


@every_size
def test_odd_and_oblong_maps_keep_their_shape_and_images_apart(entry, size):
    """In evaluation no image may see another, and none may change what the module holds."""
    subject = real_subject(case(entry, size), seed=0)
    before = [each.clone() for each in subject.state]
    together = tensors(subject.forward())
    if entry.name == "mask_rcnn":  # boxes and masks, no map
        assert {each.shape[0] for each in together} == {BATCH}
    else:
        assert shapes(together) == [expected(entry, size)]
    with torch.no_grad():
        alone = tensors(subject.module(*(each[:1] for each in subject.inputs)))
    for batch, single in zip(together, alone, strict=True):
        assert torch.isfinite(batch).all()
        # Untrained backbones without running statistics give large values, which cancel.
        atol = 1e-5 * (1 + float(batch.abs().max()))
        torch.testing.assert_close(batch[:1], single, rtol=1e-4, atol=atol)
    assert all(torch.equal(*pair) for pair in zip(before, subject.state, strict=True))


@every
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_forward_and_backward_are_finite(entry, dtype):
    subject = real_subject(case(entry, dtype=dtype, pass_="training"), seed=0)
    out = tensors(subject.module(*subject.inputs))
    assert {str(each.dtype) for each in out} == {f"torch.{dtype}"}
    assert all(torch.isfinite(each).all() for each in out)
    # Random weights: the plain sum of a batch-normed map has no gradient.
    torch.manual_seed(1)
    sum((each.float() * torch.randn(each.shape)).sum() for each in out).backward()
    gradients = {name: each.grad for name, each in subject.module.named_parameters()}
    missing = {name for name, each in gradients.items() if each is None}
    assert missing == WITHOUT_GRADIENT.get(entry.name, set())
    found = [each for each in gradients.values() if each is not None]
    assert all(torch.isfinite(each).all() for each in found)
    of_inputs = [each.grad for each in subject.inputs]
    assert all(each is not None and torch.isfinite(each).all() for each in of_inputs)
    assert any(each is not None and each.any() for each in of_inputs)


def measured(subject):
    """Shapes, counts, parameters and live peak of one pass."""
    counter = OperatorCounter()
    with counter, counter.attribute(subject.module):
        out = shapes(subject.forward())
    counts = counter.total(), counter.once(subject.module)
    return out, counts, count_params(subject.module), live_peak(subject)


@every
def test_fake_tensors_give_what_real_ones_do(entry):
    """So that a table of costs needs neither the memory nor the time of its cases."""
    with fake_subject(case(entry)) as subject:
        fake = measured(subject)
    assert fake == measured(real_subject(case(entry), seed=0))
    _, (total, _), _, peak = fake
    assert total.conv_macs + total.matmul_macs > 0
    assert total.uncounted == {}
    assert peak > 0


@every
def test_lists_from_yaml_and_filled_arguments_build(entry):
    """A case gives lists, and neither channels nor size; `build` calls with tuples and both."""
    shape = inputs(entry, (9, 13))[0]
    names = parameters_of(entry.load()).parameters
    arguments = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in small(entry).arguments.items()
    }
    filled = {"in_channels": shape[1], "input_size": shape[2:]}
    arguments |= {name: value for name, value in filled.items() if name in names}
    with FakeTensorMode():
        built = build(case(entry)).state_dict()
        direct = entry.load()(**arguments).state_dict()
    assert {k: v.shape for k, v in built.items()} == {k: v.shape for k, v in direct.items()}
