"""Cases that fail in every way known: each is its own row, and the case after it is measured."""

from collections.abc import Iterator

from harness.selfcheck.finding import Finding, judged
from harness.selfcheck.setting import Setting

# Of the hanging case; a context on CUDA takes seconds of it.
_TIMEOUT = {"cpu": 4, "cuda": 15}

_MODULES = '''\
import os, signal, time
import torch
from torch import nn


class Fine(nn.Module):
    def __init__(self, in_channels):
        super().__init__()

    def forward(self, x):
        return x.relu()


class Raises(Fine):
    def forward(self, x):
        raise ValueError("as meant")


class Memory(Fine):
    def forward(self, x):
        return x + torch.ones(1 << 50, device=x.device, dtype=torch.uint8)[0]


class NotANumber(Fine):
    def forward(self, x):
        return x * float("nan")


class Killed(Fine):
    def forward(self, x):
        os.kill(os.getpid(), signal.SIGKILL)


class Hangs(Fine):
    def forward(self, x):
        if x.is_cuda:
            torch.cuda._sleep(1 << 50)
            return x + 1
        time.sleep(3600)


class OutOfBounds(Fine):
    """A device-side assertion, after which no call of the process succeeds."""

    def forward(self, x):
        return x.flatten()[torch.full((8,), 1 << 40, device=x.device)] + 0
'''

# What each case ends as.
_ENDS = {
    "Raises": "error",
    "Memory": "oom",
    "NotANumber": "invalid",
    "Killed": "killed",
    "Hangs": "timeout",
}
_ON_CUDA = {"OutOfBounds": "error"}


def check(setting: Setting) -> Iterator[Finding]:
    """One finding for each way to fail."""
    ends = _ENDS | (_ON_CUDA if setting.device == "cuda" else {})
    setting.write("failing.py", _MODULES)
    cases = []
    for name in ends:
        cases += [f'  - {{label: {name}, module: "failing:{name}"}}']
        cases += [f'  - {{label: after {name}, module: "failing:Fine"}}']
    records = setting.measured(
        "failures",
        "suite: failures\ninput: [1, 8, 16, 16]\nmeasure: [params, latency]\n"
        f"timeout: {_TIMEOUT[setting.device]}\nlatency: {{criterion: fixed, samples: 3}}\n"
        "cases:\n" + "\n".join(cases) + "\n",
        "--force",  # what is foreseen not to fit is tried: the allocator's refusal is looked at
    )
    for name, expected in ends.items():
        failed, after = records[name], records[f"after {name}"]
        said = f"{failed.status} ({failed.cause or 'no cause'}), the next case {after.status}"
        passed = (failed.status, after.status) == (expected, "ok") and bool(failed.cause)
        yield judged(name, passed, said, expected=expected, status=failed.status)
