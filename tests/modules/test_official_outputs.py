"""Modules, losses and scores held to what the published implementations compute.

Float64 within 1e-10 of the largest value, float32 within 1e-5: what is left is the order of sums.
Outputs of backbones are kept in float32, and dozens of layers add up in it.
"""

import importlib
import inspect
import json
import zlib
from collections.abc import Mapping
from math import prod, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from context_modules.boundary import boundary_labels
from context_modules.line_maximum import line_maximum
from context_modules.losses import OHEMCrossEntropy
from context_modules.region_attention import RegionScores
from context_modules.region_losses import RegionLosses
from harness.training.evaluate import Confusion

FOLDER = Path(__file__).parent / "official"
TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5}
OF_BACKBONES = {torch.float64: 1e-6, torch.float32: 1e-2}
OF_EMAU = {torch.float64: 1e-6, torch.float32: 1e-5}
"""The published code adds 1e-6 to the masses and lengths that it divides by."""

SEED = 99  # of the cotangents of backbones

Case = Mapping[str, np.ndarray]


def read(name: str) -> Case:
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        return dict(file)


def target(case: Case) -> Any:
    """The class or function of a case."""
    path, _, name = str(case["module"]).partition(":")
    return getattr(importlib.import_module(path.replace("modules.", "context_modules.", 1)), name)


def arguments(case: Case) -> dict[str, Any]:
    given = json.loads(str(case["arguments"])) if "arguments" in case else {}
    return {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


MODULES = [name for name in names() if "eval/output" in read(name)]


def tolerances(case: Case) -> Mapping[torch.dtype, float]:
    if "state_recipe" in case:
        return OF_BACKBONES
    return OF_EMAU if str(case.get("module")).endswith(":EMAU") else TOLERANCES


def assert_equal(
    found: Tensor, expected: np.ndarray, dtype: torch.dtype, case: Case | None = None
) -> None:
    wanted = torch.as_tensor(expected).double()
    scale = float(wanted.abs().max()) or 1.0
    assert found.shape == wanted.shape
    error = float((found.double() - wanted).abs().max()) / scale
    assert error <= tolerances(case or {})[dtype]


def values_by_name(name: str, shape: tuple[int, ...]) -> Tensor:
    """Of a backbone, whose weights would be megabytes: drawn from a generator of its name."""
    draw = np.random.RandomState(zlib.crc32(name.encode()))
    if len(shape) > 1:
        value = draw.standard_normal(shape) / sqrt(prod(shape[1:]))
    elif name.endswith(("running_mean", ".bias")):
        value = 0.3 * draw.standard_normal(shape)
    else:
        value = 0.5 + draw.random_sample(shape)
    return torch.as_tensor(np.asarray(value, np.float32))


def state_of(case: Case, module: nn.Module) -> dict[str, Tensor]:
    own = module.state_dict()
    if "state_recipe" in case:
        return {
            name: own[name] if own[name].dtype == torch.int64 else values_by_name(name, x.shape)
            for name, x in own.items()
        }
    return {
        name.removeprefix("state/"): torch.as_tensor(value)
        for name, value in case.items()
        if name.startswith("state/")
    }


def inputs_of(case: Case, dtype: torch.dtype) -> list[Tensor]:
    keys = ["input"] if "input" in case else sorted(k for k in case if k.startswith("input_"))
    return [torch.as_tensor(case[key]).to(dtype).requires_grad_() for key in keys]


def modes(case: Case) -> list[str]:
    """Both; what draws at random in training has only one."""
    return [mode for mode in ("eval", "train") if f"{mode}/output" in case]


def kernels(name: str) -> tuple[str, ...]:
    built = target(read(name))
    return ("explicit", "fused") if "kernel" in inspect.signature(built).parameters else ("",)


FORMS = [(name, kernel) for name in MODULES for kernel in kernels(name)]


@pytest.mark.parametrize("dtype", TOLERANCES, ids=lambda dtype: str(dtype).removeprefix("torch."))
@pytest.mark.parametrize(("name", "kernel"), FORMS)
def test_a_module_computes_what_the_published_one_does(
    name: str, kernel: str, dtype: torch.dtype
) -> None:
    case = read(name)
    form = {"kernel": kernel} if kernel else {}
    for mode in modes(case):
        module = target(case)(**arguments(case), **form)
        module.load_state_dict(state_of(case, module), strict=True)
        module = module.to(dtype).train(mode == "train")
        inputs = inputs_of(case, dtype)
        output = module(*inputs)
        output = output if isinstance(output, Tensor) else output[0]
        if "grad_output" in case:
            cotangent = torch.as_tensor(case["grad_output"])
        else:
            generator = torch.Generator().manual_seed(SEED)
            drawn = torch.randn(output.shape, generator=generator, dtype=torch.float64)
            cotangent = drawn.float()
        (output * cotangent.to(dtype)).sum().backward()
        assert_equal(output.detach(), case[f"{mode}/output"], dtype, case)
        several = len(inputs) > 1
        for number, x in enumerate(inputs):
            key = f"{mode}/grad_input_{number}" if several else f"{mode}/grad_input"
            assert x.grad is not None
            assert_equal(x.grad, case[key], dtype, case)


@pytest.mark.parametrize("name", [n for n in names() if n.startswith("affinity_loss")])
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_the_affinity_loss(name: str, dtype: torch.dtype) -> None:
    case = read(name)
    prior = torch.as_tensor(case["input"]).to(dtype).requires_grad_()
    loss = target(case)(**arguments(case))(prior, torch.as_tensor(case["labels"]))
    loss.backward()
    assert_equal(loss.detach(), case["output"], dtype)
    assert prior.grad is not None
    assert_equal(prior.grad, case["grad_input"], dtype)


def test_the_largest_boundary_on_a_line() -> None:
    """Where the official kernel leaves the image it interpolates to 0; those pairs are left out."""
    case = read("line_maximum_ranet")
    boundary = torch.as_tensor(case["input"]).double().requires_grad_()
    found = line_maximum(boundary, **arguments(case))
    valid = torch.as_tensor(case["valid"])
    assert valid.sum() > valid.numel() / 2
    expected = torch.as_tensor(case["output"])
    assert_equal(found.detach()[valid], expected[valid].numpy(), torch.float64)
    (found * torch.as_tensor(case["grad_output"]).double() * valid).sum().backward()
    assert boundary.grad is not None
    assert_equal(boundary.grad, case["grad_input"], torch.float64)


def test_boundary_labels() -> None:
    """The image border, class 0 and void are left out, which the official code takes otherwise."""
    case = read("boundary_labels_ranet")
    found = boundary_labels(torch.as_tensor(case["input"]), **arguments(case))
    valid = torch.as_tensor(case["valid"])
    assert torch.equal(found[valid], torch.as_tensor(case["output"]).long()[valid])
    assert 0 < int(found[valid].sum()) < int(valid.sum())


def test_the_losses_of_ranet() -> None:
    case = read("region_losses_ranet")
    final, categories, boundary = (
        torch.as_tensor(case[key]).double().requires_grad_()
        for key in ("final", "categories", "boundary")
    )
    labels = torch.as_tensor(case["labels"])
    terms = RegionLosses(**arguments(case))(final, RegionScores(boundary, categories), labels)
    terms.total.backward()
    assert_equal(terms.total.detach(), case["output"], torch.float64)
    leaves = {"final": final, "categories": categories, "boundary": boundary}
    for name, leaf in leaves.items():
        assert leaf.grad is not None
        assert_equal(leaf.grad, case[f"grad_{name}"], torch.float64)


@pytest.mark.parametrize("number", range(5))
def test_hard_pixels(number: int) -> None:
    case = read("ohem")
    options = json.loads(str(case["cases"]))[number]
    logits = torch.as_tensor(case["logits"]).double().requires_grad_()
    loss = OHEMCrossEntropy(**options)(logits, torch.as_tensor(case["labels"]))
    loss.backward()
    assert_equal(loss.detach(), case["loss"][number], torch.float64)
    assert logits.grad is not None
    assert_equal(logits.grad, case["logits_grad"][number], torch.float64)


def test_scores_of_a_data_set() -> None:
    case = read("miou")
    confusion = Confusion(int(case["classes"]))
    for number in range(3):
        confusion.add(
            torch.as_tensor(case[f"prediction_{number}"]), torch.as_tensor(case[f"labels_{number}"])
        )
    assert confusion.miou() == pytest.approx(float(case["miou"]), abs=1e-12)
    assert confusion.pixel_accuracy() == pytest.approx(float(case["pixel_accuracy"]), abs=1e-12)
    expected = torch.as_tensor(case["class_iou"])
    torch.testing.assert_close(
        torch.tensor(confusion.class_iou(), dtype=torch.float64), expected, equal_nan=True
    )
