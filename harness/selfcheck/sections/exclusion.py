"""Two runs at once: one waits for the other, and neither measures beside it."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Timer

from harness.engines.devices import alone_on
from harness.selfcheck.finding import Finding, judged
from harness.selfcheck.setting import Setting

_MODULE = '''\
import os, time
from torch import Tensor, nn


class Witness(nn.Module):
    """Writes down when it ran on real tensors."""

    def __init__(self, in_channels, log):
        super().__init__()
        self.log = log

    def forward(self, x):
        if type(x) is Tensor:
            with open(self.log, "a") as log:
                log.write(f"[{os.getpid()}, {time.monotonic()}]\\n")
        return x.relu()
'''


_HELD = 30.0
"""Seconds after which the device is given back to a run that has not said that it waits."""


def check(setting: Setting) -> Iterator[Finding]:
    """The passes of both runs, by the clock of the system: all of one before all of the other."""
    setting.write("witness.py", _MODULE)
    log = setting.folder / "passes.log"
    setting.write(
        "pair.yaml",
        "suite: pair\ninput: [1, 64, 32, 32]\nmeasure: [latency]\n"
        "latency: {criterion: budget, max_time: 1.5}\n"
        "cases:\n  - label: W\n    module: witness:Witness\n"
        f"    with: {{log: {json.dumps(str(log))}}}\n",
    )
    both = [_started(setting, number) for number in (1, 2)]
    ends = [setting.finish(each) for each in both]
    failed = [each.last for each in ends if each.code]
    yield judged("both end", not failed, "; ".join(failed) or "both measured their case")
    spans = spans_of(log)
    apart = len(spans) == 2 and (spans[0][1] < spans[1][0] or spans[1][1] < spans[0][0])
    said = ", ".join(f"{end - start:.2f} s" for start, end in spans) or "no pass was written down"
    yield judged("one after the other", apart, f"passes of each over {said}")
    log.unlink(missing_ok=True)
    yield _waiting(setting, log)


def _started(setting: Setting, number: int) -> "subprocess.Popen[str]":
    return setting.start("run", "pair.yaml", "--device", setting.device, "--out", f"runs{number}")


def _waiting(setting: Setting, log: Path) -> Finding:
    """A run that finds the device taken says who has it, and measures nothing meanwhile."""
    holder = "harness selfcheck, exclusion"
    with ExitStack() as held:
        held.enter_context(alone_on(setting.device, holder, lambda _: None))
        run = _started(setting, 3)
        assert run.stderr is not None
        given_back = Timer(_HELD, held.close)
        given_back.start()
        said = next((line.strip() for line in run.stderr if holder in line), "nothing was said")
        early = log.exists()
        given_back.cancel()
    done = setting.finish(run)
    passed = holder in said and not early and done.code == 0 and log.exists()
    return judged("the one that waits says so", passed, said)


def spans_of(log: Path) -> list[tuple[float, float]]:
    """First and last pass of each process."""
    times: dict[int, list[float]] = {}
    if log.exists():
        for line in log.read_text().splitlines():
            process, now = json.loads(line)
            times.setdefault(process, []).append(now)
    return [(min(each), max(each)) for each in times.values()]
