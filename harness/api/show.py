"""What one module takes and costs, layer by layer: `harness.show`."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import fill
from types import FunctionType
from typing import TYPE_CHECKING, Any

from harness.api.measure import shapes_of
from harness.case import Case, Job, Pass
from harness.engines.process.imports import probe
from harness.engines.process.user_line import user_line
from harness.measure.inputs import StructureError, as_call
from harness.messages import HarnessError, OptionError, printable
from harness.suite.imports import require_importable

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table

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


@dataclass(frozen=True, repr=False)
class ModuleCosts:
    """What a module costs at a size; printed, or shown by a notebook, it is a table of layers."""

    description: Description  # what it is and takes
    case: Case  # arguments, inputs and pass
    # cost of every submodule that works or has parameters, its children's left out
    layers: "tuple[LayerCost, ...]"
    # stored names and values: params, flops, conv_macs, matmul_macs, live_peak_bytes, coverage,
    # uncounted_ops, ...
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

    to_frame = frame
    """The same, as other libraries call it."""

    def __rich_console__(
        self, console: "Console", options: "ConsoleOptions"
    ) -> "Iterator[RenderableType]":
        """The layers that do something, then the totals; without lines where room is scarce."""
        from rich.measure import Measurement
        from rich.text import Text

        table = self._table()
        wide = options.update(max_width=10_000)
        if Measurement.get(console, wide, table).maximum > options.max_width:
            table.box, table.padding, table.pad_edge = None, (0, 1, 0, 0), False
            for column in table.columns:
                column.header = str(column.header).replace(" ", "\n")
        yield table
        for line in _totals(self.totals):
            yield Text(fill(line, options.max_width, subsequent_indent=" " * 16))

    def _table(self) -> "Table":
        from rich.table import Table
        from rich.text import Text

        table = Table(header_style="bold")
        for head in ("layer", "class", "output", "calls", "params", "conv MMACs", "matmul MMACs"):
            left = head in ("layer", "class", "output")
            # Names break where they must; a number that does cannot be read.
            table.add_column(
                head,
                justify="left" if left else "right",
                overflow="fold",
                no_wrap=head not in ("layer", "class"),
            )
        for layer in self.layers:
            tally = layer.tally
            if not (layer.params or tally.conv_macs or tally.matmul_macs or tally.elementwise):
                continue
            table.add_row(
                Text(layer.path or "(itself)"),
                Text(layer.kind),
                Text("x".join(map(str, layer.output))),
                str(layer.calls),
                f"{layer.params:,}",
                _millions(tally.conv_macs),
                _millions(tally.matmul_macs),
            )
        return table

    def __repr__(self) -> str:
        from harness.present.console import as_text

        return f"{self._head()}\n{as_text(self)}"

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{escape(line)}</li>" for line in _totals(self.totals))
        return f"<p>{escape(self._head())}</p>{self.frame().to_html(index=False)}<ul>{lines}</ul>"

    def _head(self) -> str:
        shapes = ", ".join("x".join(map(str, shape)) for shape in self.case.inputs)
        on = f" on {shapes}" if shapes else ""
        return f"{self.description.module}{on}, {self.case.pass_}"


def _millions(macs: int) -> str:
    return f"{macs / 1e6:,.2f}" if macs else ""


def _totals(totals: Mapping[str, Any]) -> list[str]:
    params, flops = totals["params"], totals["flops"]
    prefix, size = ("G", 1e9) if not flops or flops >= 1e8 else ("M", 1e6)
    lines = [
        f"parameters      {params / 1e6:.3f} M" if params >= 1e5 else f"parameters      {params:,}",
        f"operations      {flops / size:.3f} {prefix}FLOPs (2 per MAC), "
        f"{flops / 2 / size:.3f} {prefix}MACs: {totals['conv_macs'] / size:.3f} of convolutions, "
        f"{totals['matmul_macs'] / size:.3f} of matrix products",
    ]
    if "algorithmic_macs" in totals:
        macs = totals["algorithmic_macs"] / size
        lines.append(f"algorithmic     {macs:.3f} {prefix}MACs (closed form)")
    training = totals["live_peak_training_bytes"]
    trained = f", {_memory(training)} forward + backward" if training is not None else ""
    lines += [
        f"live peak       {_memory(totals['live_peak_bytes'])} inference{trained} "
        "(input and parameters apart)",
        f"coverage        {totals['coverage']:.2%} of the elements written",
    ]
    if totals["uncounted_ops"]:
        calls = ", ".join(f"{name} x{n}" for name, n in totals["uncounted_ops"].items())
        lines.append(f"uncounted       {calls}")
    return lines + [f"note            {each}" for each in totals.get("warnings", ())]


def _memory(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 or not size else f"{size / 2**10:.1f} KiB"


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
        given, call = ((), None) if isinstance(input, str) else as_call(input)
    except StructureError as error:
        raise OptionError(f"input: {error}") from error
    given = given if call or isinstance(input, Mapping) else shapes_of(input)
    case = Case(name, dict(arguments or {}), given, pass_=pass_, call=call)
    return costs(describe(name, imported=not isinstance(module, str)), case)


def describe(module: str, *, imported: bool = False) -> Description:
    """What a module is and takes.

    Args:
        module: its name in a suite.
        imported: whether its file is imported here already; else that is tried in a process of its
            own first, which it may end.

    Raises:
        ModuleError: it is unknown or cannot be imported.
    """
    from context_modules.catalog import BY_NAME
    from harness.instantiate import file_of, resolve, target_of
    from harness.signature import parameters_of, type_name

    target = target_of(module)
    if not imported and (file := file_of(target)) is not None:
        require_importable(probe([(search_path(), file)]), search_path(), target)
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
    from harness.measure.operations import count_case, measure_params

    metrics = ("params", "flops", "memory")
    job = Job("show", case.module, case, metrics, 0.0, search_path=search_path())
    try:
        params, counted = measure_params(job), count_case(job)
        totals = params | counted.figures | measure_memory(job)
    except HarnessError:
        raise
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        shapes = "; ".join(",".join(map(str, shape)) for shape in case.inputs)
        reason = " ".join(printable(str(error)).split())[:300] or type(error).__name__
        if line := user_line(error):
            reason += f" ({line})"
        raise OptionError(
            f"{case.module} does not run on {shapes}: {reason}; give another input or argument"
        ) from error
    return ModuleCosts(description, case, tuple(counted.layers), totals)


def search_path() -> tuple[str, ...]:
    """Folders of a user's own modules."""
    return (str(Path.cwd()),)
