"""A case that fits into what is free is measured, with every metric, beside somebody's memory."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from harness.selfcheck.finding import Finding, judged
from harness.selfcheck.setting import CommandError, Setting

FREE = 2000 * 2**20
"""Bytes that are left on the GPU; the context of a process takes some 500 MiB of them."""

_SUITE = """\
suite: room
input: [1, 512, 96, 96]
measure: [params, memory, allocator, latency, memory_model]
latency: {max_time: 1, min_time: 0.1}
cases:
  - {label: fits, module: non_local, with: {key_channels: 64}}
  - {label: does not fit, module: non_local, with: {key_channels: 64}, input: [1, 512, 224, 224]}
"""

# What stands on the GPU meanwhile: all but `FREE`.
_BALLAST = """\
import sys, torch
free, _ = torch.cuda.mem_get_info()
held = torch.empty(max(0, free - int(sys.argv[1])), dtype=torch.uint8, device="cuda")
print("held", flush=True)
sys.stdin.read()
"""


def check(setting: Setting) -> Iterator[Finding]:
    """The case of 0.7 GB is measured, that of 20 GB is `oom` with its prediction beside it."""
    with _ballast():
        records = setting.measured("room", _SUITE)
    fits, larger = records["fits"], records["does not fit"]
    said = f"{fits.status} ({fits.cause or 'all metrics'})"
    yield judged("fits beside another process", fits.status == "ok", said)
    foreseen = larger.status == "oom" and "predicted" in (larger.cause or "")
    yield judged("does not fit", foreseen, f"{larger.status} ({larger.cause or 'no cause'})")


@contextmanager
def _ballast() -> Iterator[None]:
    holder = subprocess.Popen(
        [sys.executable, "-c", _BALLAST, str(FREE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        if holder.stdout.readline().strip() != "held":
            raise CommandError("the process that takes the rest of the GPU's memory has failed")
        yield
    finally:
        holder.kill()
        holder.communicate()
