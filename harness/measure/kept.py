"""Live peak of code that keeps its intermediates by name: what each call of a module made or got.

In Python a tensor lives as long as a name holds it, and much published code gives every
intermediate a name of its own, which ends with the call. The live peak releases a tensor after its
last use; here it is released when the call that holds it returns. What code really holds lies
between both.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, UntypedStorage, nn

from harness.case import Device, Job
from harness.measure.memory import LivePeak
from harness.measure.subject import Subject, on_fake_or_real


class _Call:
    """A call of a module that has not returned."""

    def __init__(self, keeps: bool) -> None:
        self.keeps = keeps
        self.storages: set[int] = set()  # addresses of what it holds
        self.released_bytes = 0  # of what it held and nobody needs any more


class KeptPeak(LivePeak):
    """Follows storages as `LivePeak`, and keeps each until the call that holds it returns.

    A call holds what its operators make and what the modules return that it calls. `nn.Sequential`
    names nothing but what runs through it, so that its calls hold nothing.

    Args:
        ignored: tensors that do not count (the input, the parameters).
        device: whose kernels the pass is for.

    Attributes:
        kept_peak_bytes: the largest sum so far of live and kept storages.
    """

    def __init__(self, ignored: Iterable[Tensor] = (), device: Device = "cpu") -> None:
        super().__init__(ignored, device)
        self.kept_peak_bytes = 0
        self._kept_bytes = 0  # of storages that nobody needs any more
        self._calls = [_Call(keeps=True)]
        self._holders: dict[int, _Call] = {}

    def reached(self, size: int) -> None:
        """Note a sum of live storages, bytes."""
        super().reached(size)
        self.kept_peak_bytes = max(self.kept_peak_bytes, size + self._kept_bytes)

    def _follow(self, storage: UntypedStorage, least: int = 0) -> None:
        is_new = storage._cdata not in self._sizes
        super()._follow(storage, least)
        if is_new and storage._cdata in self._sizes:
            self._hold(storage._cdata, self._calls[-1])

    def _hold(self, address: int, call: _Call) -> None:
        call.storages.add(address)
        self._holders[address] = call

    def _release(self, address: int) -> None:
        size = self._sizes[address]
        super()._release(address)
        call = self._holders.pop(address)
        call.storages.discard(address)
        if call.keeps:
            call.released_bytes += size
            self._kept_bytes += size

    @contextmanager
    def attribute(self, module: nn.Module) -> Iterator[None]:
        """Follow the calls of `module` and its submodules while the context lasts."""

        def enter(called: nn.Module, _args: Any) -> None:
            self._calls.append(_Call(keeps=not isinstance(called, nn.Sequential)))

        def leave(_called: nn.Module, _args: Any, _out: Any) -> None:
            ended = self._calls.pop()
            self._kept_bytes -= ended.released_bytes
            for address in ended.storages:  # what still lives was returned
                self._hold(address, self._calls[-1])

        handles = []
        for each in module.modules():
            if not isinstance(each, torch.jit.ScriptModule):  # which takes no hooks
                handles.append(each.register_forward_pre_hook(enter))
                handles.append(each.register_forward_hook(leave, always_call=True))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def measure_kept(job: Job) -> dict[str, object]:
    """Predict the live peak of the inference of a case if names kept their tensors.

    Inputs, parameters and buffers are left out, as `measure_memory` leaves them out.

    Returns:
        `kept_peak_bytes`.
    """
    case = replace(job.case, pass_="inference")
    return {"kept_peak_bytes": on_fake_or_real(case, job.seed, job.search_path, kept_peak)[0]}


def kept_peak(subject: Subject) -> int:
    """Bytes of the live peak of one pass of a subject if names kept their tensors."""
    mode = KeptPeak((*subject.inputs, *subject.state), subject.case.device)
    with mode, mode.attribute(subject.module):
        subject.forward()
    return mode.kept_peak_bytes
