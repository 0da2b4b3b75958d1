"""Outputs of the modules on this device against float64 on the CPU."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.case import Case, Device, Float32, Job
from harness.measure.precision import float32_products
from harness.measure.subject import outputs_of, real_subject, scalar_loss
from harness.selfcheck.finding import Finding, judged, left_out, of_error
from harness.selfcheck.sections.scaled import scaled
from harness.selfcheck.setting import Setting
from harness.suite.loader import load

SUITES = (
    "ocnet_table4",
    "ranet_table3",
    "srnet_table3",
    "ggcf_efficiency",
    "cpnet_cost",
    "srnet_components",
)
"""Whose modules are checked, a case of each kind first."""

SIDES: dict[Device, int] = {"cuda": 24, "cpu": 12}
"""Positions of the largest map on its longer side."""

LIMITS = {"ieee": 1e-4, "tf32": 5e-3, "bfloat16": 5e-2, "gradients": 1e-3}
"""Relative errors: some hundred roundings of 24, 11 and 8 bits of mantissa, added at random; of
gradients in float32 those of the pass back as well."""

SLACK = 4.0
"""How many times as far from the truth as the CPU, in bfloat16, a module may be on CUDA that
decides by comparing (regions of RANet): a rounding may change what it decides on any device."""

_GRADIENTS_EVERY = 4
_LEAST = 3.0  # seconds for a case


def check(setting: Setting) -> Iterator[Finding]:
    """One finding a case, in each precision; every fourth with the gradients of its inputs.

    The error is that of norms: |y - y64| / |y64|, the largest over the outputs.
    """
    cases = list(_cases(SIDES[setting.device]))
    for number, (label, case, search_path) in enumerate(cases):
        if setting.left() < _LEAST:
            yield left_out(len(cases) - number)
            return
        try:
            subject = Checked(case, search_path)
            errors = subject.errors(setting.device)
            if number % _GRADIENTS_EVERY == 0:
                errors["gradients"] = subject.gradient_error(setting.device)
        except Exception as error:  # of one module: the others are checked all the same
            yield of_error(label, error)
            continue
        decides = setting.device == "cuda"
        passed = all(
            found <= LIMITS[name] or (decides and found <= SLACK * subject.rounding(name))
            for name, found in errors.items()
        )
        said = ", ".join(f"{name} {found:.1e}" for name, found in errors.items())
        yield judged(label, passed, said, **errors)


def _cases(side: int) -> Iterator[tuple[str, Case, tuple[str, ...]]]:
    """Distinct cases, small; the first of each module before the second of any."""
    seen: set[str] = set()
    cases: list[tuple[int, str, Job, Case]] = []
    times: dict[str, int] = {}
    for name in SUITES:
        for job in load(Path(name)).all_jobs():
            case = small(job.case, side)
            if case.key not in seen:
                seen.add(case.key)
                times[case.module] = times.get(case.module, 0) + 1
                cases.append((times[case.module], f"{name}: {job.label}", job, case))
    cases.sort(key=lambda each: each[0])
    for _, round_ in groupby(cases, key=lambda each: each[0]):
        yield from ((label, case, job.search_path) for _, label, job, case in round_)


def small(case: Case, side: int) -> Case:
    """The case in float32 on the CPU, its maps scaled to so many positions at most."""
    return replace(
        case, device="cpu", dtype="float32", pass_="inference", inputs=scaled(case.inputs, side)
    )


class Checked:
    """A module with the truth of its outputs: itself in float64 on the CPU.

    Args:
        case: of the CPU and float32.
        search_path: of its module.
    """

    def __init__(self, case: Case, search_path: tuple[str, ...] = ()) -> None:
        self._case = case
        self._subject = real_subject(case, 0, search_path)
        with torch.no_grad():
            for parameter in self._subject.module.parameters():
                # A gamma that begins with zero hides what it scales.
                if parameter.numel() == 1 or not parameter.any():
                    parameter.normal_(0, 0.1)
        self._truth = self._outputs("cpu", torch.float64)

    def _module(self, device: Device, dtype: torch.dtype) -> nn.Module:
        return copy.deepcopy(self._subject.module).to(device, dtype)

    def _inputs(self, device: Device, dtype: torch.dtype) -> list[Tensor]:
        given = self._subject.inputs
        return [x.to(device, dtype) if x.is_floating_point() else x.to(device) for x in given]

    def _outputs(self, device: Device, dtype: torch.dtype, float32: Float32 | None = None) -> Any:
        case = replace(self._case, device=device, float32=float32)
        with torch.no_grad(), float32_products(case):
            return _floating(self._module(device, dtype)(*self._inputs(device, dtype)))

    def errors(self, device: Device) -> dict[str, float]:
        """Relative error by precision; on the CPU, which has no TF32, of float32 and bfloat16."""
        kinds: dict[str, Callable[[], Any]] = {
            "ieee": lambda: self._outputs(device, torch.float32, "ieee"),
            "bfloat16": lambda: self._outputs(device, torch.bfloat16),
        }
        if device == "cuda":
            kinds["tf32"] = lambda: self._outputs(device, torch.float32, "tf32")
        return {name: relative_error(run(), self._truth) for name, run in kinds.items()}

    def rounding(self, precision: str) -> float:
        """What the CPU loses in a precision; 0 where that is not asked of it.

        In place of TF32 it is what bfloat16, which is coarser, loses: it rounds decisions at least
        as often.
        """
        if precision not in {"tf32", "bfloat16"}:
            return 0.0
        return relative_error(self._outputs("cpu", torch.bfloat16), self._truth)

    def gradient_error(self, device: Device) -> float:
        """Of the gradients of the inputs in float32."""
        return relative_error(
            self._gradients(device, torch.float32), self._gradients("cpu", torch.float64)
        )

    def _gradients(self, device: Device, dtype: torch.dtype) -> list[Tensor]:
        inputs = [x.detach().requires_grad_() for x in self._inputs(device, dtype)]
        with float32_products(replace(self._case, device=device, float32="ieee")):
            outputs = _floating(self._module(device, dtype)(*inputs))
            scalar_loss([x * x for x in outputs]).backward()
        return [x.grad for x in inputs if x.grad is not None]


def _floating(out: object) -> list[Tensor]:
    return [x for x in outputs_of(out) if x.is_floating_point()]


def relative_error(found: list[Tensor], truth: list[Tensor]) -> float:
    """The largest |x - y| / |y| over pairs of tensors; infinite where their number differs."""
    if len(found) != len(truth):
        return math.inf
    pairs = [(x.double().cpu(), y.double().cpu()) for x, y in zip(found, truth, strict=True)]
    errors = [float((x - y).norm() / y.norm().clamp_min(1e-300)) for x, y in pairs]
    return max((math.inf if math.isnan(each) else each for each in errors), default=0.0)
