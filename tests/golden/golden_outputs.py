"""What the harness says of kept runs and of suites, as text that has to stay as it is.

`expected/` has one file per output. After a change that is meant, write them again and read the
difference before it is committed:

    python tests/golden/golden_outputs.py

Only the command line and the public names of `harness` are called. Outputs are made in an empty
folder, without settings of a terminal; absolute paths become <root> and <here>, and what a live run
cannot say twice (`VOLATILE`) is left out by name.
"""

import contextlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

from ruamel.yaml import YAML
from typer.testing import CliRunner

import harness
from harness.cli.app import app

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXPECTED = HERE / "expected"
SUITES = ROOT / "suites"
ABLATIONS = ROOT / "results" / "ablations"

EFFICIENCY = ROOT / "results" / "efficiency"
"""The run that `harness run efficiency` has kept."""
WIDTHS = (80, 100, 120, 200)
"""Columns of terminals."""
TIMED = ABLATIONS / "ablation-ocnet-attentions"
"""A run with latencies and trainings."""
SMALL = ABLATIONS / "ablation-ranet-k"
"""A smaller one, all of whose samples are exported."""
MACHINE = "492be8573315"
"""Of these runs."""

SUFFIXES = {"markdown": "md", "latex": "tex", "csv": "csv"}
FULL = ("--format", "latex", "--full", "--columns", "1")
LIVE = ("conventions", "ocnet_figure4")
MODULES = ("self_attention", "ppm", "region_attention")
EXPORTS = {
    "csv": "csv",
    "bencher": "json",
    "github-action-benchmark": "json",
    "pytest-benchmark": "json",
}
PLANS = {
    "efficiency": (SUITES / "efficiency.yaml", EFFICIENCY, "--metrics", "static"),
    "ranet-table3": (SUITES / "ranet_table3.yaml", EFFICIENCY),
    "ablation-ranet-k": (SUITES / "ablations" / "ranet_k.yaml", ABLATIONS),
}
COMMANDS = (
    "show no_such_module",
    "show self_attention --with key_channels",
    "show self_attention --input 1,8,x,6",
    "show self_attention --pass sideways",
    "show self_attention --table x",
    "show nowhere/run",
    "show {run} --format markdwn",
    "show {run} --table nosuch",
    "show {run} --best",
    "show {run} --format csv --columns 2",
    "show {run} --input 1,2",
    "validate nowhere.yaml",
    "run {suite} --only Nobody",
    "run {suite} --metrics latancy",
    "run {suite} --device gpu",
    "run {suite} --dtype float33",
    "run {suite} --input 1,2,0",
    "run {suite} --engine rey",
    "plan {suite} --budget -1",
    "export {run} --to cvs",
    "export nowhere --to csv",
    "compare nowhere {run}",
    "compare {run}",
    "report nowhere",
    "history --metric latancy",
    "history --min-change -1",
)
"""Command lines with a mistake; {run} and {suite} are the kept run and its suite."""

VOLATILE = {
    "commit", "dirty", "elapsed_seconds", "finished_at", "machine_key", "node", "seconds", "tail",
    "threads", "versions", "warnings",
}  # fmt: skip
TERMINAL = {"COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
OTHERS = {"HARNESS_CHECKPOINTS", "HARNESS_DATA_ROOT"}


def made(name: str, folder: Path) -> str:
    """An output, without settings of a terminal or of the harness.

    Args:
        name: of `OUTPUTS`.
        folder: empty; it has to last as long as this process, whose first run starts another there.
    """
    kept = {k: v for k, v in os.environ.items() if k not in TERMINAL | OTHERS}
    with contextlib.chdir(folder), mock.patch.dict(os.environ, kept, clear=True):
        return OUTPUTS[name]()


def said(*arguments: str | Path, codes: tuple[int, ...] = (0,)) -> bytes:
    """What a command prints on stdout."""
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code in codes, done.output
    return done.stdout_bytes


def text_of(*arguments: str | Path, codes: tuple[int, ...] = (0,)) -> str:
    """The same as text in which no path of this machine is left."""
    return placed(said(*arguments, codes=codes).decode())


def placed(text: str) -> str:
    """A text with names in place of absolute paths."""
    return text.replace(str(ROOT), "<root>").replace(str(Path.cwd()), "<here>")


def lines(data: object) -> str:
    """JSON of which a difference can be read."""
    return json.dumps(data, indent=1, ensure_ascii=False, default=str) + "\n"


def as_wide(width: int, *arguments: str | Path) -> str:
    """What a command prints where a terminal has so many columns."""
    with mock.patch.dict(os.environ, {"COLUMNS": str(width)}):
        return text_of(*arguments)


def live(suite: str) -> str:
    """The rows that `run --json` prints."""
    options = ("--metrics", "static", "--device", "cpu", "--json")
    rows = json.loads(said("run", SUITES / f"{suite}.yaml", *options))
    return lines([{k: v for k, v in row.items() if k not in VOLATILE} for row in rows])


def plan(suite: Path, runs: Path, *options: str) -> str:
    """What a suite will take by the times of kept runs, on the machine that made them."""
    arguments = ("--json", "--budget", "0", "--device", "cpu", "--machine", MACHINE, *options)
    return lines(json.loads(text_of("plan", suite, "--runs", runs, *arguments)))


def parquet(run: Path) -> str:
    """Schema, rows and metadata of the file."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(io.BytesIO(said("export", run, "--to", "parquet")))
    described = json.loads((table.schema.metadata or {})[b"context-harness"])
    return lines(
        {
            "schema": {field.name: str(field.type) for field in table.schema},
            "described": described,
            "rows": table.to_pylist(),
        }
    )


def compare(run: Path, *options: str) -> str:
    """A kept run with a copy that is slower, larger, broken and shorter by a case."""
    copy = Path("changed")
    copy.mkdir()
    shutil.copy(run / "run.json", copy)
    records = [json.loads(line) for line in (run / "records.jsonl").read_text("utf-8").splitlines()]
    text = "".join(json.dumps(record) + "\n" for record in changed(records))
    (copy / "records.jsonl").write_text(text, encoding="utf-8")
    return text_of("compare", run, copy, *options, codes=(1,))


def changed(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records of which the first four have changed and the last is gone."""
    slower, larger, smaller, broken, *same = records[:-1]
    for name, value in slower["values"].items():
        if name.startswith("latency_") and name.endswith("_seconds"):
            many = isinstance(value, list)
            slower["values"][name] = [1.5 * each for each in value] if many else 1.5 * value
    larger["values"]["params"] += 1
    smaller["values"]["live_peak_bytes"] //= 2
    broken |= {"status": "error", "cause": "RuntimeError: no", "values": {}}
    return [slower, larger, smaller, broken, *same]


def mistakes() -> str:
    """What is said of each suite of mistakes.yaml."""
    shutil.copy(HERE / "golden_blocks.py", ".")
    suites: Mapping[str, str] = YAML(typ="safe").load(HERE / "mistakes.yaml")
    found = []
    for name, text in suites.items():
        Path("s.yaml").write_text(text, encoding="utf-8")
        found.append(f"# {name}\n{refusal('validate', 's.yaml')}\n")
    return "\n".join(found)


def mistaken_commands() -> str:
    """What is said of each of `COMMANDS`."""
    places = {"run": EFFICIENCY, "suite": SUITES / "ranet_table3.yaml"}
    found = []
    for command in COMMANDS:
        words = [word.format(**places) for word in command.split()]
        found.append(f"# harness {command}\n{refusal(*words)}\n")
    return "\n".join(found)


def refusal(*arguments: str) -> str:
    """The error that ends a command, and its exit code."""
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, harness.HarnessError), (arguments, error)
    return placed(f"{error}\nexit code {error.exit_code}")


def outputs() -> dict[str, Callable[[], str]]:
    """Every output by the name of its file."""
    found: dict[str, Callable[[], str]] = {
        "list.txt": partial(text_of, "list"),
        "schema.json": partial(text_of, "schema"),
        "mistakes.txt": mistakes,
        "mistaken_commands.txt": mistaken_commands,
        "rows/efficiency.json": lambda: lines(harness.load(EFFICIENCY).rows()),
        "show/efficiency-full.tex": partial(text_of, "show", EFFICIENCY, *FULL),
    }
    for width in WIDTHS:
        found[f"show/efficiency-{width}.txt"] = partial(as_wide, width, "show", EFFICIENCY)
    for option in ("why", "notes"):
        found[f"show/efficiency-{option}.txt"] = partial(
            as_wide, 100, "show", EFFICIENCY, f"--{option}"
        )
    for run in (EFFICIENCY, *sorted(path for path in ABLATIONS.iterdir() if path.is_dir())):
        for form, suffix in SUFFIXES.items():
            found[f"show/{run.name}.{suffix}"] = partial(text_of, "show", run, "--format", form)
    for module in MODULES:
        found[f"show/{module}.txt"] = partial(text_of, "show", module)
    for suite in LIVE:
        found[f"run/{suite}.json"] = partial(live, suite)
    for name, arguments in PLANS.items():
        found[f"plan/{name}.json"] = partial(plan, *arguments)
    for form, suffix in EXPORTS.items():
        found[f"export/{form}.{suffix}"] = partial(text_of, "export", SMALL, "--to", form)
    found["export/parquet.json"] = partial(parquet, SMALL)
    found["export/efficiency.csv"] = partial(text_of, "export", EFFICIENCY, "--to", "csv")
    found["compare/efficiency.md"] = partial(compare, EFFICIENCY, "--markdown")
    found[f"compare/{TIMED.name}.md"] = partial(compare, TIMED, "--markdown")
    found[f"compare/{TIMED.name}.json"] = partial(compare, TIMED, "--json")
    return found


OUTPUTS = outputs()


def write() -> None:
    """Replace every expected output by what is printed now."""
    shutil.rmtree(EXPECTED, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(OUTPUTS):
            own = Path(folder, str(number))
            own.mkdir()
            (EXPECTED / name).parent.mkdir(parents=True, exist_ok=True)
            (EXPECTED / name).write_bytes(made(name, own).encode())


if __name__ == "__main__":
    write()
