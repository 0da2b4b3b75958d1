"""`harness calibrate`: the ceilings of this machine, for the roofline columns and plot."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from harness.cli.options import chosen_device
from harness.cli.output import console, say
from harness.engines.devices import alone_on
from harness.measure.roofline.calibration import DEFAULT_FOLDER, Calibration, Entry, load, save
from harness.measure.roofline.ceilings import Rate


def calibrate(
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads; PyTorch's number if absent.")
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the calibrations, one per machine.")
    ] = DEFAULT_FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Measure peak FLOP/s by data type and the memory's bandwidth; keep them for this machine.

    Tables and plots of runs on this machine, earlier ones too, then show the share of the roof.
    """
    import torch

    from harness.measure.roofline.calibration import calibrate as measure

    chosen = chosen_device(device)
    count = threads or torch.get_num_threads()
    errors = console(stderr=True)

    def waiting(said: str) -> None:
        say(f"waiting: {said}", errors)

    with (
        errors.status(f"calibrating {chosen}, under 30 s"),
        alone_on(chosen, "harness calibrate", waiting),
    ):
        entry = measure(chosen, count)
    key = str(entry.environment["machine_key"])
    earlier = load(key, (out,)) or Calibration(key)
    path = save(earlier.with_entry(entry), out)
    if as_json:
        sys.stdout.write(json.dumps({"machine_key": key, **asdict(entry)}, indent=1) + "\n")
    else:
        console().print(_table(entry))
    for warning in entry.environment.get("warnings", ()):
        say(f"warning: {warning}", errors, style="yellow")
    say(f"kept: {path}", errors)


def _table(entry: Entry) -> Table:
    threads = "" if entry.threads is None else f", {entry.threads} threads"
    table = Table(
        title=f"Ceilings of {entry.device}{threads}", title_justify="left", header_style="bold"
    )
    for head in ("ceiling", "median", "95 % interval", "measured with"):
        table.add_column(head, justify="right" if head in ("median", "95 % interval") else "left")
    for dtype, peak in entry.ceilings.peaks.items():
        if peak.rate is None:
            table.add_row(f"{dtype} peak", "–", "", Text(peak.cause or ""))
        else:
            how = f"matrix product of side {peak.side}, {peak.rate.samples} runs"
            table.add_row(f"{dtype} peak", *_texts(peak.rate, "FLOP/s"), how)
    size = entry.ceilings.array_bytes / 2**20
    how = f"copy of {size:.0f} MiB, read + written, {entry.ceilings.bandwidth.samples} runs"
    table.add_row("bandwidth", *_texts(entry.ceilings.bandwidth, "B/s"), how)
    return table


def _texts(rate: Rate, unit: str) -> tuple[str, str]:
    scale, prefix = next(
        ((factor, name) for factor, name in ((1e12, "T"), (1e9, "G")) if rate.median >= factor),
        (1e6, "M"),
    )
    middle, low, high = (f"{value / scale:.3g}" for value in (rate.median, rate.low, rate.high))
    return f"{middle} {prefix}{unit}", f"{low} to {high}"
