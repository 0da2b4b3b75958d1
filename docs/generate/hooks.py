"""MkDocs hooks: generated parts in place of their markers, formulas as MathML.

A marker is a line `<!-- generated: NAME -->`. What it stands for is made from the code, so that the
site cannot say anything else than the command does.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import columns
import command_line
import figures
import kept
import noises
import simulation
import suite_keys
from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError

MARKER = re.compile(r"^<!-- generated: ([\w-]+) -->$", re.MULTILINE)
BLOCK = re.compile(r"^```math\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"\$`([^`]+)`\$")

PARTS: dict[str, Callable[[], str]] = {
    "columns": columns.reference,
    "commands": command_line.reference,
    "suite-keys": suite_keys.reference,
    "conventions": figures.conventions,
    "conventions-side-by-side": figures.side_by_side,
    "counters": figures.counters,
    "memory": figures.memory,
    "median-coverage": figures.median_coverage,
    "replicates": simulation.replicates,
    "gate-noises": noises.gate_table,
    "runs-noises": noises.runs_table,
    "benjamini-hochberg": figures.benjamini_hochberg,
    "mechanisms": kept.mechanisms,
    "orders": kept.orders,
    "explained": partial(figures.reasons, "explained"),
    "not-reproducible": partial(figures.reasons, "not_reproducible"),
    "modules": figures.modules,
}
"""Name of a marker: what makes its Markdown."""


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Fill in what is generated; formulas in the notation that GitHub shows become MathML.

    Raises:
        PluginError: a page asks for something that nothing here makes.
    """

    def part(match: re.Match[str]) -> str:
        make = PARTS.get(match[1])
        if make is None:
            known = ", ".join(PARTS)
            raise PluginError(f"{page.file.src_uri}: nothing makes {match[1]!r}; known: {known}")
        return make()

    return formulas(MARKER.sub(part, markdown))


def formulas(markdown: str) -> str:
    """Markdown with every formula as MathML, which browsers draw without a script."""
    blocks = BLOCK.sub(lambda match: f"<div>{convert(match[1], display='block')}</div>", markdown)
    return INLINE.sub(lambda match: convert(match[1]), blocks)
