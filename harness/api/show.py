"""What one module takes and costs, layer by layer: `harness.show`."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

from harness.api.measure import OptionError, shapes_of
from harness.case import Case, Job, Pass
from harness.measure.inputs import StructureError, call_of, shapes
from harness.messages import HarnessError, printable

if TYPE_CHECKING:
    import pandas as pd

    from harness.measure.operations import LayerCost


DEFAULT_INPUT = (1, 512, 97, 97)
PASSES = ("inference", "training")


@dataclass(frozen=True)
class Argument:
    """One argument of a module's constructor."""

    name: str  # keyword
    type: str  # of its values, in words
    required: bool  # whether it has no default
    default: Any  # of one that is not required


@dataclass(frozen=True)
class Description:
    """What a module is and takes."""

    module: str  # its name in a suite
    target: str  # where its class is: `package.file:Class`
    paper: str | None  # that it comes from; `None` outside the catalog
    summary: str  # first line of its description
    arguments: tuple[Argument, ...]  # of its constructor, in order


@dataclass(frozen=True)
class ModuleCosts:
    """What a module costs at a size."""

    description: Description  # what it is and takes
    case: Case  # arguments, inputs and pass
    # cost of every submodule that works or has parameters, its children's left out
    layers: "tuple[LayerCost, ...]"
    # stored names and values: params, flops, conv_macs, matmul_macs, live_peak_bytes, coverage,
    # uncounted_ops,
    totals: Mapping[str, Any]

    def frame(self) -> "pd.DataFrame":
        """One line per layer: path, class, output shape, calls, params, conv and matmul MACs."""
        import pandas as pd

        lines = [
            {
                "layer": layer.path,
                "class": layer.kind,
                "output": "x".join(map(str, layer.output)),
                "calls": layer.calls,
                "params": layer.params,
                "conv_macs": layer.tally.conv_macs,
                "matmul_macs": layer.tally.matmul_macs,
            }
            for layer in self.layers
        ]
        names = ("layer", "class", "output", "calls", "params", "conv_macs", "matmul_macs")
        kinds = {name: "string" if name in names[:3] else "Int64" for name in names}
        return pd.DataFrame(lines, columns=pd.Index(names)).astype(kinds)

    def _repr_html_(self) -> str:
        return str(self.frame().to_html(index=False))


def show(
    module: str | type | FunctionType,
    input: Sequence[Any] | Mapping[str, Any] = DEFAULT_INPUT,  # noqa: A002 - the word of suites
    arguments: Mapping[str, Any] | None = None,
    *,
    pass_: Pass = "inference",
) -> ModuleCosts:
    """Cost of a module at a size, in all and layer by layer, counted on fake tensors.

    Args:
        module: a name of the catalog, `package.file:Class`, or a class, or a function that returns
            a module, that can be imported.
        input: shape of the input, batch first, one shape per argument of `forward`, or a structure
            as suites have it.
        arguments: of the constructor.
        pass_: `inference` or `training`.

    Raises:
        HarnessError: the module, an argument or the input is wrong.
    """
    from harness.instantiate import name_of

    name = module if isinstance(module, str) else name_of(module)
    if pass_ not in PASSES:
        raise OptionError(f"pass {pass_}: no such pass; write inference or training")
    try:
        call = None if isinstance(input, str) else call_of(input)
    except StructureError as error:
        raise OptionError(f"input: {error}") from error
    given = shapes(input) if call or isinstance(input, Mapping) else shapes_of(input)
    case = Case(name, dict(arguments or {}), given, pass_=pass_, call=call)
    return costs(describe(name), case)


def describe(module: str) -> Description:
    """What a module is and takes.

    Raises:
        ModuleError: it is unknown or cannot be imported.
    """
    from context_modules.catalog import BY_NAME
    from harness.instantiate import parameters_of, resolve, type_name

    maker: Any = resolve(module, search_path())
    entry = BY_NAME.get(module)
    declared = inspect.signature(maker).parameters
    return Description(
        module,
        f"{maker.__module__}:{maker.__qualname__}",
        entry.paper if entry else None,
        (maker.__doc__ or "no description").strip().partition("\n")[0],
        tuple(
            Argument(
                name,
                type_name(parameter.hint),
                parameter.required,
                declared[name].default if name in declared else None,
            )
            for name, parameter in parameters_of(maker).parameters.items()
        ),
    )


def costs(description: Description, case: Case) -> ModuleCosts:
    """Cost of a described module.

    Raises:
        HarnessError: it does not run on that input.
    """
    from harness.measure.memory import measure_memory
    from harness.measure.operations import layer_costs, measure_operations, measure_params

    job = Job("show", case.module, case, (), 0.0, search_path=search_path())
    try:
        layers = layer_costs(job)
        totals = measure_params(job) | measure_operations(job) | measure_memory(job)
    except HarnessError:
        raise
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        shapes = "; ".join(",".join(map(str, shape)) for shape in case.inputs)
        reason = " ".join(printable(str(error)).split())[:300] or type(error).__name__
        raise OptionError(
            f"{case.module} does not run on {shapes}: {reason}; give another input or argument"
        ) from error
    return ModuleCosts(description, case, tuple(layers), totals)


def search_path() -> tuple[str, ...]:
    """Folders of a user's own modules."""
    return (str(Path.cwd()),)
