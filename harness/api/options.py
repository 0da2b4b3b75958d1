"""Options of a run as Python values, and what they make of a suite."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.case import Shape
from harness.errors import HarnessError
from harness.present.check import check
from harness.suite import Overrides, Suite, load
from harness.suite.weights import with_weights

SuiteLike = str | Path | Mapping[str, Any] | Suite
"""A suite file, the same as a mapping, or a suite that is loaded."""


class OptionError(HarnessError):
    """An option that cannot be used."""


def validate(
    suite: SuiteLike,
    *,
    input: Sequence[Any] | None = None,  # noqa: A002 - the word of suites
    only: str | Iterable[str] | None = None,
    metrics: str | Iterable[str] | None = None,
    device: str | None = None,
    dtype: str | None = None,
    threads: int | None = None,
    weights: str | Path | None = None,
    data_root: str | Path | None = None,
    force: bool = False,
) -> Suite:
    """Read a suite and check all that it names: modules, arguments, columns, printed figures.

    Args:
        suite: the path of a YAML file, or the same as a mapping of plain values; in a mapping a
            class that other processes can import may stand for its name, and paths are taken from
            the current directory.
        input: shape of every case's input, batch first, or one shape per argument of `forward`.
        only: labels of the cases to keep.
        metrics: names, or `static`; a text may hold several, separated by commas.
        device: `auto`, `cpu` or `cuda`, of every case.
        dtype: `float32`, `float64`, `float16` or `bfloat16`, of every case.
        threads: CPU threads of every case.
        weights: file of backbone weights (safetensors, or a torch file).
        data_root: folder of the images that accuracy is measured on.
        force: run also what is predicted not to fit into the free memory.

    Returns:
        The suite with every case written out.

    Raises:
        SuiteError: with every mistake of every file, one line each with its place and cure.
        OptionError: options beside a suite that is loaded already.
    """
    overrides = Overrides(
        inputs=None if input is None else shapes_of(input),
        metrics=_names(metrics),
        device=device,
        dtype=dtype,
        threads=threads,
        only=(only,) if isinstance(only, str) else None if only is None else tuple(only),
        force=force,
        data_root=None if data_root is None else Path(data_root),
    )
    loaded = _loaded(suite, overrides)
    return loaded if weights is None else with_weights(loaded, Path(weights))


def _loaded(suite: SuiteLike, overrides: Overrides) -> Suite:
    if isinstance(suite, Suite):
        if overrides != Overrides():
            raise OptionError(
                f"suite {suite.name} is loaded already, which options come too late for; "
                "give them to harness.validate, or give the path of its file here"
            )
        return suite
    source = suite if isinstance(suite, Mapping) else Path(suite)
    loaded = load(source, overrides)
    # A reference may speak of cases that `only` leaves out.
    check(loaded if overrides.only is None else load(source))
    return loaded


def shapes_of(given: Sequence[Any]) -> tuple[Shape, ...]:
    """One shape, or several, as a tuple of shapes.

    Raises:
        OptionError: it is text.
    """
    if isinstance(given, str):
        raise OptionError(f"input {given}: write numbers, such as input=(1, 2048, 64, 96)")
    several = bool(given) and isinstance(given[0], Sequence)
    return tuple(tuple(shape) for shape in (given if several else [given]))


def _names(given: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """`params,flops` as a tuple; `None` stays."""
    if given is None or not isinstance(given, str):
        return None if given is None else tuple(given)
    return tuple(name.strip() for name in given.split(",") if name.strip()) or None
