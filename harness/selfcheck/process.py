"""The process of a section: `python -m harness.selfcheck.process MODULE DEVICE SECONDS FOLDER`.

A crash of the device (an illegal address, say) ends every later call of the process that met it, so
no two sections share one. What was found is written down finding by finding, one line of JSON each.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import cast

from harness.case import Device
from harness.engines.devices import alone_on
from harness.messages import HarnessError
from harness.records.record import finite
from harness.selfcheck.finding import Finding
from harness.selfcheck.setting import Setting

Check = Callable[[Setting], Iterator[Finding]]

FINDINGS = "findings.jsonl"
"""In the section's folder."""


ALONE = "alone"
"""Last argument of a section that measures itself."""


def main(module: str, device: Device, seconds: float, folder: Path, *, alone: bool) -> None:
    """Check one section, and stop where its time is over."""
    check = cast("Check", importlib.import_module(module).check)
    work = folder / "work"
    work.mkdir()
    holder = f"harness selfcheck, {module}"
    lock = alone_on(device, holder, _say) if alone else nullcontext()
    with (folder / FINDINGS).open("w", encoding="utf-8") as out, lock:
        # What somebody else had the device for is not taken from the section's time.
        for finding in check(Setting(device, work, time.monotonic() + seconds)):
            out.write(json.dumps(finite(vars(finding))) + "\n")
            out.flush()


def _say(waiting: str) -> None:
    """Who has the device: the reason, where the section waits for it in vain."""
    sys.stderr.write(f"waiting: {waiting}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    module, device, seconds, folder, *how = sys.argv[1:]
    try:
        main(module, cast("Device", device), float(seconds), Path(folder), alone=ALONE in how)
    except HarnessError as error:
        sys.exit(str(error))
