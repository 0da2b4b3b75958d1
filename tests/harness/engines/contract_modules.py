"""Modules that cases of the contract tests run; each says on disk what happened to it."""

import fcntl
import os
import signal
import time
from pathlib import Path

import torch
from torch import nn

_HELD: list[int] = []  # descriptors of locks, until the process ends


def note(folder, name, text):
    """Append a line, whole, whoever else writes."""
    file = os.open(Path(folder) / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.write(file, f"{text}\n".encode())
    os.close(file)


class Acts(nn.Module):
    """Does one thing in its first pass."""

    def __init__(self, in_channels, act="nothing", folder=".", name="", seconds=0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(in_channels))
        self.act, self.folder, self.name, self.seconds = act, folder, name, seconds
        self.done = False
        if act == "counted":
            note(folder, "counted.log", f"{name} {os.getpid()}")

    def forward(self, x):
        if not self.done:
            self.done = True
            getattr(self, self.act)()
        return x * 2

    def nothing(self):
        pass

    counted = nothing

    def raises(self):
        raise ValueError("on purpose")

    def exits(self):
        os._exit(3)

    def dies(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def hangs(self):
        note(self.folder, "hanging.log", os.getpid())
        time.sleep(600)

    def lost_once(self):
        """Wait for the node to be lost; the second time all is well."""
        first = not (Path(self.folder) / "waiting.log").exists()
        note(self.folder, "waiting.log", os.environ.get("HARNESS_TEST_NODE", "here"))
        if first:
            time.sleep(600)

    def alone(self):
        """Hold the node and the machine as long as the process lives; nobody else may."""
        node = os.environ.get("HARNESS_TEST_NODE", "here")
        if _HELD:  # this process has done it, in another copy of the module
            return
        for name in ("machine", f"node-{node}"):
            file = os.open(Path(self.folder) / f"{name}.lock", os.O_WRONLY | os.O_CREAT)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails where another is
            _HELD.append(file)
        note(self.folder, "timed.log", f"{self.name} {node} {os.getpid()}")
        time.sleep(self.seconds)
