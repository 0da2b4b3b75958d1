"""Engines by the names that `harness run --engine` takes."""

import importlib
from collections.abc import Callable, Mapping
from typing import cast

from harness.engines.engine import Engine, EngineError

LOCAL = "local"
ENGINES: dict[str, str] = {
    "ray": "harness.engines.ray:from_options",
    "slurm": "harness.engines.slurm:from_options",
}
"""Name: function that makes the engine from its options. `local` is what the runner has anyway."""

FromOptions = Callable[[Mapping[str, str]], Engine]


def make_engine(name: str, options: Mapping[str, str], mix_machines: bool = False) -> Engine | None:
    """The engine of a name; `None` for `local`, which the runner fits to its cases.

    Args:
        name: `local`, or one of `ENGINES`.
        options: of that engine, as text.
        mix_machines: whether timed cases of one suite may run on machines of different kinds; the
            option `mix_machines=true` of engines that place cases on several.

    Raises:
        EngineError: unknown name or option, or the engine's package is not installed.
    """
    if name == LOCAL:
        require_known(LOCAL, options, ())
        return None
    if name not in ENGINES:
        raise EngineError(f"--engine {name}: unknown; choose {', '.join((LOCAL, *ENGINES))}")
    module, _, function = ENGINES[name].partition(":")
    try:
        make = cast(FromOptions, getattr(importlib.import_module(module), function))
        return make({**options, **({"mix_machines": "true"} if mix_machines else {})})
    except ModuleNotFoundError as error:
        raise EngineError(
            f"--engine {name}: the package {error.name} is missing; "
            f"install it with: pip install 'context-harness[{name}]'"
        ) from error


def require_known(engine: str, options: Mapping[str, str], known: tuple[str, ...]) -> None:
    """Refuse options that an engine does not have.

    Raises:
        EngineError: names the first of them, and what there is.
    """
    for name in options:
        if name not in known:
            cure = f"it has {', '.join(known)}" if known else "it has none"
            raise EngineError(f"--engine-option {name}: engine {engine} has no such option; {cure}")
