"""What README shows of the main job, from the run of `harness run efficiency` that is kept.

After another one was put into `results/efficiency`, `python docs/generate/readme.py` writes its
tables and plots, README's parts and the picture anew. A test says where they are something else.
"""

import re
from io import BytesIO, StringIO
from pathlib import Path

import harness
from harness.cli.printed import print_run
from harness.present.console import PrintableConsole
from harness.present.console_table import ConsoleTable

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "results" / "efficiency"
README = ROOT / "README.md"
PICTURE = ROOT / "docs" / "images" / "ocnet-table4-memory-latency.png"
WIDTH = 100


def parts() -> dict[str, str]:
    """Name of a part of README: what stands between its marks."""
    run = harness.load(KEPT)
    shown = printed(run).splitlines()
    context = run.context
    return {
        "ocnet-table4": _block(_text(ConsoleTable(run.table("ocnet-table4"))).splitlines()),
        "figures": _block(shown[shown.index("Printed figures") : _end(shown)]),
        "machine": f"{context.machine['cpu']}, torch {context.versions['torch']}",
    }


def printed(run: harness.Run) -> str:
    """What `harness show` prints of a run at the width of README."""
    out = StringIO()
    print_run(run, PrintableConsole(file=out, width=WIDTH, color_system=None), below="needed")
    return out.getvalue()


def picture() -> bytes:
    """OCNet's memory against its latency, as a file of the run has it."""
    out = BytesIO()
    harness.load(KEPT).plot(PICTURE.stem).savefig(out, format="png")
    return out.getvalue()


def filled(text: str) -> str:
    """README's text with its parts as they are now."""
    for name, content in parts().items():
        between = re.compile(rf"(?<=<!-- {name} -->).*?(?=<!-- /{name} -->)", re.DOTALL)
        text = between.sub(content.replace("\\", r"\\"), text)
    return text


def _end(lines: list[str]) -> int:
    """Where tables end, and what can be done next begins."""
    return next(number for number, line in enumerate(lines) if line.startswith("run: ")) - 1


def _text(table: ConsoleTable) -> str:
    out = StringIO()
    PrintableConsole(file=out, width=WIDTH, color_system=None).print(table)
    return out.getvalue()


def _block(lines: list[str]) -> str:
    return "\n".join(["\n```text", *(line.rstrip() for line in lines), "```\n"])


if __name__ == "__main__":
    harness.load(KEPT).write()
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")
    PICTURE.write_bytes(picture())
