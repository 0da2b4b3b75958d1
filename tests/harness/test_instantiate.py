import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import Annotated, Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from torch import nn

from harness import instantiate
from harness.case import Case
from harness.instantiate import BuildError, ModuleError, build, names, resolve
from harness.signature import ArgumentTypeError, convert, parameters_of, type_name

BLOCKS = """
from pydantic import TypeAdapter
from torch import nn

class Sized(nn.Module):
    def __init__(
        self, in_channels: int, *, input_size: tuple[int, int], rates: tuple[int, ...] = (1,),
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        if not rates:
            raise ValueError("rates is empty;\\n  give one")
        self.given = (in_channels, input_size, rates, scale)

class Open(nn.Module):
    def __init__(self, **given) -> None:
        super().__init__()
        self.given = given

class Bare(nn.Module):
    pass

class Unresolved(nn.Module):
    def __init__(self, size: "NoSuchName", other=3, *rest) -> None:
        super().__init__()

class Breaking(nn.Module):
    def __init__(self) -> None:
        raise RuntimeError("not the arguments' fault")
"""


@pytest.fixture(autouse=True)
def path(tmp_path):
    (tmp_path / "blocks_of_test.py").write_text(BLOCKS)
    yield (str(tmp_path),)
    sys.modules.pop("blocks_of_test", None)


def case(module: str, inputs=((2, 8, 6, 5),), **arguments: Any) -> Case:
    return Case(module=f"blocks_of_test:{module}", arguments=arguments, inputs=inputs)


def test_channels_and_size_come_from_the_first_input_lists_become_tuples(path):
    module = build(case("Sized", inputs=((2, 8, 6, 5), (2, 3)), rates=[2, 4], scale=3), path)
    assert module.given == (8, (6, 5), (2, 4), 3.0)
    assert isinstance(module.given[2], tuple)
    assert isinstance(module.given[3], float)


def test_what_the_case_gives_is_not_replaced(path):
    module = build(case("Sized", in_channels=3, input_size=[1, 2]), path)
    assert module.given[:2] == (3, (1, 2))


def test_only_named_parameters_are_filled(path):
    assert build(case("Open", a=1, b=[2]), path).given == {"a": 1, "b": [2]}
    assert isinstance(build(case("Bare"), path), nn.Module)


def test_classes_of_torch_are_modules_too():
    conv = build(
        Case(
            module="torch.nn:Conv2d",
            arguments={"out_channels": 4, "kernel_size": [3, 1]},
            inputs=((1, 6, 9, 9),),
        )
    )
    assert isinstance(conv, nn.Conv2d)
    assert (conv.in_channels, conv.out_channels, conv.kernel_size) == (6, 4, (3, 1))


def test_every_name_of_the_catalog_resolves_to_a_module_with_hints():
    from context_modules.catalog import BY_NAME

    for name in BY_NAME:
        cls = resolve(name)
        assert issubclass(cls, nn.Module)
        for parameter in parameters_of(cls).parameters.values():
            assert parameter.hint is not Any, f"{name}: {parameter.name}"
            assert TypeAdapter(parameter.hint)  # else pydantic raises: it has no schema for it


def test_signatures(path):
    sized = parameters_of(resolve("blocks_of_test:Sized", path))
    assert list(sized.parameters) == ["in_channels", "input_size", "rates", "scale"]
    assert sized.parameters["rates"].hint == tuple[int, ...]
    assert [p.required for p in sized.parameters.values()] == [True, True, False, False]
    assert sized.missing(()) == ()  # both required ones are filled in
    assert not sized.accepts("width")
    opened = parameters_of(resolve("blocks_of_test:Open", path))
    assert opened.accepts("width")
    assert not parameters_of(resolve("blocks_of_test:Bare", path)).accepts("args")
    unresolved = parameters_of(resolve("blocks_of_test:Unresolved", path))
    assert unresolved.parameters["size"].hint is Any
    assert unresolved.missing(("other",)) == ("size",)
    assert "rest" not in unresolved.parameters


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (case("Sized", rates=[]), "blocks_of_test:Sized: rates is empty; give one"),
        (case("Sized", rates=["a"]), "blocks_of_test:Sized: argument rates: expected list of int"),
        (case("Sized", width=3), "unexpected keyword argument 'width'"),
        (case("Unresolved"), "missing 1 required positional argument: 'size'"),
    ],
)
def test_a_refused_argument_is_one_line(path, wrong, message):
    with pytest.raises(BuildError) as error:
        build(wrong, path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_other_failures_of_a_constructor_are_not_hidden(path):
    with pytest.raises(RuntimeError, match="not the arguments' fault"):
        build(case("Breaking"), path)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("no_such_module", "unknown module no_such_module; "),
        ("no_such_package.file:A", r"cannot be imported \(ModuleNotFoundError: "),
        ("torch.nn:Conv2", "torch.nn has no Conv2; did you mean Conv2d"),
        ("torch.nn:functional", "torch.nn:functional is no torch.nn.Module; "),
        ("torch.nn:", "torch.nn: names no class; write package.file:Class"),
        (":A", ":A names no class"),
        ("a b:C", "a b:C names no class"),
        ("..x:C", "names no class"),
        ("", "unknown module ; "),
    ],
)
def test_a_module_that_cannot_be_had_is_one_line(module, message):
    with pytest.raises(ModuleError, match=message) as error:
        resolve(module)
    assert str(error.value) == f"{error.value.what}; {error.value.cure}"


def test_entry_points_add_names(path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*path, *sys.path])
    group = instantiate.ENTRY_POINT_GROUP
    points = [
        EntryPoint("mine", "blocks_of_test:Bare", group),
        EntryPoint("gone", "blocks_of_test:Gone", group),
    ]
    monkeypatch.setattr(instantiate, "_entry_points", lambda: tuple(points))
    assert {"mine", "gone"} <= set(names())
    assert resolve("mine").__name__ == "Bare"
    with pytest.raises(ModuleError, match="blocks_of_test has no Gone; "):
        resolve("gone")
    with pytest.raises(ModuleError, match=r"unknown module mime; did you mean mine\?"):
        resolve("mime")


@pytest.mark.parametrize(
    ("hint", "name"),
    [
        (int, "int"),
        (int | None, "int or null"),
        (int | tuple[int, int], "int or list of 2 int"),
        (Literal["a", "b"], "one of 'a', 'b'"),
        (Literal["a"], "'a'"),
        (Sequence[float], "list of float"),
        (Mapping[str, int], "a mapping"),
        (dict[str, int], "a mapping"),
        (Annotated[bool, "why"], "bool"),
        (list, "list"),
    ],
)
def test_types_in_words(hint, name):
    assert type_name(hint) == name


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (True, int),
        (1.0, int),
        ("1", int),
        ("1.0", float),
        (True, float),
        (1, bool),
        (1, str),
        ([1, 2, 3], tuple[int, int]),
        (3, tuple[int, ...]),
        ([1, True], Sequence[int]),
        (None, int),
        ("c", Literal["a", "b"]),
        (True, Literal["a", 1]),
        ([1, True], tuple[Literal[1], ...]),
        ({"a": False}, dict[str, Literal[0]]),
        (float("nan"), int),
    ],
)
def test_no_value_changes_its_kind(value, hint):
    with pytest.raises(ArgumentTypeError, match=r"^expected "):
        convert(value, hint)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=6,
)
HINTS = st.sampled_from(
    [
        *(int, float, bool, str, int | None, tuple[int, ...], tuple[float, float], Sequence[int]),
        *(Literal["a", 1], dict[str, int], torch.dtype, type, "NoName", nn.Module),
    ]
)


@settings(deadline=None, max_examples=200)
@given(JSON, HINTS)
def test_conversion_keeps_the_value_or_refuses(value, hint):
    try:
        converted = convert(value, hint)
    except ArgumentTypeError:
        return
    plain = list(converted) if isinstance(converted, tuple) else converted
    assert plain == value
    assert isinstance(plain, bool) == isinstance(value, bool)


class Sized(nn.Module):
    def __init__(self, in_channels: int, input_size: int, groups: int = 2) -> None:
        super().__init__()


class Free(nn.Module):
    def __init__(self, in_channels=4, input_size: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.given = (in_channels, input_size)


def test_what_the_input_fills_in_is_what_the_constructor_leaves_open():
    assert parameters_of(Sized).missing({}) == ("input_size",)
    assert parameters_of(Sized).missing({"input_size"}) == ()
    built = build(Case(f"{__name__}:Free", {}, ((1, 8, 6, 5),)))
    assert built.given == (4, (6, 5))
