"""Figures of the explanations, measured and computed while the site is built."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from md_table import code, table

from context_modules.catalog import CATALOG
from harness.case import Job
from harness.judge.statistics.intervals import median_interval
from harness.judge.statistics.significance import adjusted
from harness.judge.verdict import reference_table
from harness.measure.convention import CONVENTIONS, ConventionSpec, operations
from harness.measure.kept import measure_kept
from harness.measure.memory import measure_memory
from harness.measure.operations import Tally, layer_costs, measure_operations, measure_params
from harness.records.quantities.derived import sum_of_outputs
from harness.suite.loader import load
from harness.suite.suite import Suite

SUITES = Path(__file__).parents[2] / "suites"
COUNTED, HELD = "ISA", "Non-local"
"""Of suites/conventions.yaml: the example of counting, whose five figures all differ, and that of
memory, whose peak can be added up by hand."""

DEPTH = 4
"""Levels of the example's tree that have lines of their own; what is below is added to them."""

PRINTED_BY = {
    "flops": "OCNet, CCNet",
    "macs": "RANet; fvcore, thop",
    "torchstat": "SRNet, Table 3; EMANet",
    "toolbox": "SRNet, Table 5 (Mask R-CNN)",
    "gibi_macs": "GGCF; HRNet",
}
MIB, GIGA = 2**20, 1e9


@cache
def cases() -> Mapping[str, Job]:
    """The cases of the suite of conventions, by label."""
    return {job.label: job for job in load(SUITES / "conventions.yaml").all_jobs()}


@cache
def measured(label: str) -> Mapping[str, Any]:
    """Static figures of a case."""
    job = cases()[label]
    return measure_params(job) | measure_operations(job) | measure_memory(job) | measure_kept(job)


def counters() -> str:
    """The three counters of the example, layer by layer."""
    job = cases()[COUNTED]
    parts: dict[str, tuple[str, Tally]] = {}
    for layer in layer_costs(job):
        path = ".".join(layer.path.split(".")[:DEPTH])
        shape = "x".join(map(str, layer.output))
        parts.setdefault(path, (shape, Tally()))[1].merge(layer.tally)
    rows = [
        (
            code(path) if path else "(itself)",
            shape,
            _millions(tally.conv_macs),
            _millions(tally.matmul_macs),
            _kinds(tally.elementwise),
        )
        for path, (shape, tally) in parts.items()
        if tally.conv_macs or tally.matmul_macs or tally.elementwise
    ]
    figures = measured(COUNTED)
    macs = (_millions(figures["conv_macs"]), _millions(figures["matmul_macs"]))
    rows.append(("all", "", *macs, _kinds(figures["elementwise_ops"])))
    heads = ("Layer", "Output", "Convolution MMACs", "Matmul MMACs", "Elementwise operations (M)")
    return table(heads, rows)


def _millions(count: int) -> str:
    return f"{count / 1e6:,.3f}" if count else ""


def _kinds(elementwise: Mapping[str, int]) -> str:
    return ", ".join(f"{name(kind)} {n / 1e6:,.2f}" for kind, n in sorted(elementwise.items()))


def name(kind: str) -> str:
    """A stored name as words."""
    return kind.replace("_", " ")


def conventions() -> str:
    """The same counters under every convention, with the arithmetic."""
    figures = measured(COUNTED)
    macs = figures["conv_macs"] + figures["matmul_macs"]
    rows = [
        (
            code(key),
            _sum(spec, figures),
            f"**{_result(figures, spec):.3f}** {spec.unit_name}",
            f"{_result(figures, spec) * GIGA / macs:.3f}",
            PRINTED_BY[key],
        )
        for key, spec in CONVENTIONS.items()
    ]
    return table(("Convention", "Arithmetic", "Result", "Over GMACs", "Used by"), rows)


def side_by_side() -> str:
    """Every case of the suite under every convention."""
    rows = [
        (label, *(f"{_result(measured(label), spec):.3f}" for spec in CONVENTIONS.values()))
        for label in cases()
    ]
    return table(("512 x 97 x 97", *map(code, CONVENTIONS)), rows, numbers=True)


def _result(figures: Mapping[str, Any], spec: ConventionSpec) -> float:
    total = operations(figures, spec)
    assert total is not None, "the counters were measured"
    return total / spec.unit


def _sum(spec: ConventionSpec, figures: Mapping[str, Any]) -> str:
    """`2 x 3.083 + 2 x 50.993` in units of the convention, parts that are 0 left out."""
    elementwise = spec.elementwise_of(figures)
    parts = [
        (spec.conv, figures["conv_macs"], "convolution"),
        (spec.transposed, figures["transposed_conv_macs"], "transposed"),
        (spec.matmul, figures["matmul_macs"], "matmul"),
        *((w, elementwise.get(kind, 0), name(kind)) for kind, w in spec.elementwise.items()),
    ]
    return " + ".join(
        (f"{weight:g} x " if weight != 1 else "") + f"{count / spec.unit:.4f} ({what})"
        for weight, count, what in parts
        if weight and count
    )


def memory() -> str:
    """What of the five numbers is known without running anything."""
    job, figures = cases()[HELD], measured(HELD)
    positions = job.case.inputs[0][-1] * job.case.inputs[0][-2]
    relation = positions**2 * 4
    rows = [
        ("input", figures["input_bytes"]),
        ("parameters", figures["param_bytes"]),
        ("one relation, N x N in float32", relation),
        ("live peak, inference", figures["live_peak_bytes"]),
        ("live peak, forward and backward", figures["live_peak_training_bytes"]),
        ("live peak, inference, names kept", figures["kept_peak_bytes"]),
        ("sum of outputs", sum_of_outputs(figures) or 0.0),
    ]
    heads = (f"{HELD} at N = {positions:,}", "MiB")
    return table(heads, [(name, f"{n / MIB:,.1f}") for name, n in rows], numbers=True)


def median_coverage() -> str:
    """Ranks and exact coverage of the median's interval."""
    rows = []
    for n in (5, 6, 10, 20, 50, 100, 1000):
        found = median_interval(list(range(1, n + 1)))
        rows.append(
            (f"{n}", f"{found.low:g} and {found.high:g}", f"{100 * found.confidence:.2f} %")
        )
    return table(("Samples", "Ranks of the ends", "Coverage"), rows, numbers=True)


P_VALUES = (0.001, 0.014, 0.015, 0.03, 0.2, 0.6)


def benjamini_hochberg() -> str:
    """Adjusted p values of six made cases."""
    rows = [
        (f"{p:g}", f"{len(P_VALUES)} x {p:g} / {rank} = {len(P_VALUES) * p / rank:.4g}", f"{q:.4g}")
        for rank, (p, q) in enumerate(zip(P_VALUES, adjusted(P_VALUES), strict=True), 1)
    ]
    return table(("p", "m p / rank", "adjusted"), rows, numbers=True)


def reasons(verdict: str) -> str:
    """Every printed figure of which suites say `explained` or `not_reproducible`, and why."""
    rows = [row for path in sorted(SUITES.glob("*.yaml")) for row in _reasons(load(path), verdict)]
    return table(("Suite", "Row", "Figure", "Printed", "Why"), rows)


def _reasons(suite: Suite, verdict: str) -> Iterator[tuple[str, ...]]:
    reference = suite.reference
    if reference is None:
        return
    printed = reference_table(suite)
    assert printed is not None

    def row(label: str, figure: str, why: str) -> tuple[str, ...]:
        name = reference.rows.get(label, label)
        found = next((r for r in printed.rows if r.name == name), None)
        value = found.figures.get(figure) if found else None
        return (code(suite.name), label, figure or "all", value.text if value else "", why)

    for label, why in getattr(reference, verdict).items():
        yield row(label, "", why)
    for figure, spec in reference.figures.items():
        for label, why in getattr(spec, verdict).items():
            yield row(label, figure, why)


def modules() -> str:
    """The catalog."""
    rows = [(code(entry.name), entry.paper, entry.description) for entry in CATALOG]
    return table(("Module", "Paper", "What it is"), rows)
