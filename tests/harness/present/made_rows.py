"""Rows as a run would leave them: OCNet Table 4 with counted figures and made latencies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from harness.judge.part import Context
from harness.judge.verdict import annotate
from harness.measure.convention import ConventionSpec
from harness.present import table
from harness.present.formats import Table
from harness.present.plots import plot
from harness.present.plots.sheet import PAGE, Sheet
from harness.present.plots.view import View
from harness.present.write import named_plots, table_names, write_tables
from harness.suite.presentation import (
    FigureSpec,
    PlotSpec,
    ReferenceSpec,
    TableSpec,
)

Rows = Sequence[Mapping[str, Any]]
REPOSITORY = Path(__file__).resolve().parents[3]
TITLED = replace(PAGE, titled=True)
FLOPS = ConventionSpec(name="flops", unit_name="GFLOPs", conv=2, matmul=2)

# Label, parameters in M, 2 x MACs in G, live peak + parameters in MiB, made latency in ms.
COUNTED = (
    ("PPM", 23.074, 618.580, 504.0, 3.21),
    ("ASPP", 15.535, 491.775, 235.3, 2.52),
    ("DANet", 23.925, 1110.249, 2307.3, 7.94),
    ("RCCA", 23.924, 804.233, 323.3, 5.11),
    ("CGNL", 12.586, 412.350, 272.0, 2.09),
    ("Efficient Attention", 9.964, 330.712, 214.3, 1.68),
    ("Base-OC (SA)", 10.489, 618.475, 2168.0, 4.86),
    ("Base-OC (ISA)", 11.540, 386.010, 252.0, 2.11),
    ("Pyramid-OC (SA)", 15.219, 880.040, 2186.1, 8.02),
    ("Pyramid-OC (ISA)", 17.85, 595.31, 650.8, 4.83),
    ("ASP-OC (SA)", 19.894, 656.325, 251.9, 3.40),
    ("ASP-OC (ISA)", 20.190, 650.553, 253.0, 3.37),
)


def row(
    label: str, params: float, gflops: float, memory: float, latency: float, **more: Any
) -> dict[str, Any]:
    """A measured row of its figures in the units of the paper."""
    param_bytes = round(params * 1e6) * 4
    seconds = latency * 1e-3
    return {
        "suite": "ocnet-table4",
        "label": label,
        "status": "ok",
        "cause": None,
        "module": label.lower(),
        "arguments": {},
        "input": [[1, 2048, 128, 128]],
        "device": "cuda",
        "dtype": "float32",
        "pass": "inference",
        "factors": {},
        "params": round(params * 1e6),
        "param_bytes": param_bytes,
        "conv_macs": round(gflops * 1e9 / 2),
        "matmul_macs": 0,
        "algorithmic_macs": None,
        "elementwise_ops": {"relu": 1000},
        "uncounted_ops": {},
        "coverage": 1.0,
        "flops": round(gflops * 1e9),
        "operations": gflops * 1e9,
        "live_peak_bytes": round(memory * 2**20) - param_bytes,
        "live_peak_training_bytes": None,
        "resident_peak_bytes": None,
        "latency_seconds": seconds,
        "latency_low_seconds": seconds * 0.995,
        "latency_high_seconds": seconds * 1.006,
        "latency_q1_seconds": seconds * 0.98,
        "latency_q3_seconds": seconds * 1.02,
        "warnings": [],
        **more,
    }


def failed(label: str, status: str, cause: str, **more: Any) -> dict[str, Any]:
    """A row of a case that did not come back with values."""
    return {
        "suite": "ocnet-table4",
        "label": label,
        "status": status,
        "cause": cause,
        "input": [[1, 2048, 128, 128]],
        "device": "cuda",
        "dtype": "float32",
        "pass": "inference",
        "factors": {},
        "warnings": [],
        **more,
    }


def table4() -> list[dict[str, Any]]:
    """All twelve rows, measured."""
    return [row(*figures) for figures in COUNTED]


@dataclass
class Suite:
    """A suite, as far as its presentation goes."""

    name: str = "ocnet-table4"
    title: str | None = None
    path: Path | None = REPOSITORY / "suites" / "ocnet-table4.yaml"
    tables: tuple[TableSpec, ...] = ()
    plots: tuple[PlotSpec, ...] = ()
    reference: ReferenceSpec | None = None
    convention: ConventionSpec | str = FLOPS
    note: str | None = None


def reference(**more: Any) -> ReferenceSpec:
    """OCNet Table 4, its memory read as live peak with parameters in MiB."""
    memory = FigureSpec(
        value="live_peak_with_params_bytes",
        unit="MiB",
        tolerance=0.02,
        not_reproducible={"PPM": "the paper's convolution kept a filter buffer of 288 MiB"},
    )
    return ReferenceSpec(
        **{"paper": "ocnet", "table": "table4", "figures": {"memory_mb": memory}, **more}
    )


COLUMNS = ("label", "params", "flops", "memory", "latency", "verdict")


def ocnet(**more: Any) -> Suite:
    """The suite of OCNet Table 4."""
    return Suite(
        **{
            "reference": reference(),
            "tables": (TableSpec(columns=COLUMNS),),
            "plots": (
                PlotSpec(kind="scatter", x="latency", y="memory"),
                PlotSpec(kind="bar", y="flops"),
            ),
            **more,
        }
    )


# Tables and plots of rows that are judged first, as a run does it.


def make(spec: TableSpec, part: Suite, rows: Rows, context: Context | None = None) -> Table:
    return table.make(spec, part, annotate(rows, part), context)


def draw(
    spec: PlotSpec, part: Suite, rows: Rows, context: Context | None = None, to: Sheet = TITLED
) -> Figure:
    return plot.draw(spec, part, annotate(rows, part), context, to)


def look(spec: PlotSpec, part: Suite, rows: Rows, context: Context | None = None) -> View:
    return plot.look(spec, part, annotate(rows, part), context)


def write_all_tables(part: Suite, rows: Rows, folder: Path) -> list[Path]:
    """The tables that a suite asks for, on disk."""
    made = [make(spec, part, rows) for spec in part.tables]
    return write_tables(dict(zip(table_names(part), made, strict=True)), folder)


def write_all_plots(part: Suite, rows: Rows, folder: Path) -> list[Path]:
    """The plots that a suite asks for, on disk."""
    return plot.write_plots(named_plots(part), part, annotate(rows, part), folder / "plots")
