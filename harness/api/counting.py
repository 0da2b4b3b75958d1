"""Counting what stands in a session: `harness.count`."""

from typing import Any

from harness.api.show import PASSES, Description, ModuleCosts
from harness.case import Case, Job, Pass
from harness.messages import OptionError


def count(module: Any, /, *inputs: Any, pass_: Pass = "inference", **named: Any) -> ModuleCosts:
    """Parameters, operations and live peak of a module, in all and layer by layer.

    Counted on fake tensors on the CPU, wherever the module is: no memory, and the same answer on
    every machine; on real ones where the module needs values, and `totals["warnings"]` says so. The
    module is afterwards as it was: parameters, buffers, gradients, mode, hooks, attributes.

        print(harness.count(net, (1, 3, 512, 512)))
        harness.count(lambda x: net(x).mean(), image).totals["flops"]

    Args:
        module: an `nn.Module`; a class of one, made without arguments but `in_channels` and
            `input_size` of the first input; a name of the catalog; or a function, lambda or
            partial, counted with the modules that it refers to.
        inputs: of `forward`: tensors; shapes (tuples or lists of whole numbers), also within lists
            and tuples, in the module's type; anything else is passed as it is.
        pass_: `inference` (no gradients, eval mode) or `training` (both directions, train mode).
        named: further inputs, passed as they are.

    Returns:
        Costs with `layers`, `totals` (operations, bytes) and `to_frame()`.

    Raises:
        HarnessError: it is no module, cannot be made, or does not run on these inputs; chained to
            what was raised.
    """
    from harness.measure.given import given
    from harness.measure.memory import live_peak, peaks
    from harness.measure.operations import count_params, count_pass
    from harness.measure.own_rules import rules_of
    from harness.measure.subject import Subject

    if pass_ not in PASSES:
        raise OptionError(f"pass_ {pass_}: no such pass; write inference or training")
    found = given(getattr(module, "_orig_mod", module), inputs, named)  # compiled: what it was

    def costs(subject: Subject) -> tuple[Any, ...]:
        params = count_params(subject.module)
        counted = count_pass(subject)
        return subject.case, counted.layers, params | counted.figures

    def peak(of: Pass) -> int:
        return found.on_fake_or_real(of, live_peak)[0]

    with found.named(), rules_of(Job("count", found.name, Case(found.name, {}, ()), (), 0.0)):
        (case, layers, totals), reason = found.on_fake_or_real(pass_, costs)
        memory = peaks(peak, pass_)
    notes: Any = memory.pop("warnings", [])
    warnings = [reason, *notes] if reason else notes
    totals |= memory | ({"warnings": warnings} if warnings else {})
    kind = type(found.module)
    text = (kind.__doc__ or "").strip().partition("\n")[0]
    about = Description(found.name, f"{kind.__module__}:{kind.__qualname__}", None, text, ())
    return ModuleCosts(about, case, tuple(layers), totals)
