"""Whatever a stranger's module can do to a harness; tests copy this file beside a suite."""

import ctypes
import gc
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import torch
from torch import nn

LONG = 600


class Saboteur(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(in_channels))

    def forward(self, x):
        out = self.act(x)
        return x * 2 if out is None else out

    def act(self, x):
        raise NotImplementedError


class Raises(Saboteur):
    def act(self, x):
        raise ValueError("on purpose\nsecond line")


class RaisesHugely(Saboteur):
    def act(self, x):
        raise RuntimeError(
            "\n\n  \x1b[31mgrün \u202e 日本 " + "very long " * 100_000 + "\nmore" * 1000
        )


class RaisesSurrogates(Saboteur):
    def act(self, x):
        raise KeyError("\udcff\x00\r\x07")


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no words")


class RaisesUnspeakable(Saboteur):
    def act(self, x):
        raise Unspeakable


class Interrupts(Saboteur):
    def act(self, x):
        raise KeyboardInterrupt


class Exits(Saboteur):
    def act(self, x):
        sys.exit(7)


class LeavesAtOnce(Saboteur):
    def act(self, x):
        os._exit(3)


class LeavesQuietly(Saboteur):
    def act(self, x):
        os._exit(0)


class Aborts(Saboteur):
    def act(self, x):
        os.abort()


class Segfaults(Saboteur):
    def act(self, x):
        ctypes.string_at(0)


class KillsItself(Saboteur):
    def act(self, x):
        os.kill(os.getpid(), signal.SIGKILL)


class KillsGroup(Saboteur):
    def act(self, x):
        os.killpg(0, signal.SIGKILL)


class KillsParent(Saboteur):
    def act(self, x):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(LONG)


class KillsForkServer(Saboteur):
    def act(self, x):
        stat = Path(f"/proc/{os.getppid()}/stat").read_text()
        os.kill(int(stat.rpartition(")")[2].split()[1]), signal.SIGKILL)
        time.sleep(LONG)


class StopsParent(Saboteur):
    def act(self, x):
        os.kill(os.getppid(), signal.SIGSTOP)
        time.sleep(LONG)


class StopsItself(Saboteur):
    def act(self, x):
        os.kill(os.getpid(), signal.SIGSTOP)


class Hangs(Saboteur):
    def act(self, x):
        time.sleep(LONG)


class HangsDeaf(Saboteur):
    def act(self, x):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        while True:
            pass


class PrintsForever(Saboteur):
    def act(self, x):
        while True:
            os.write(1, b"spam\n" * 10_000)


class Recurses(Saboteur):
    def act(self, x):
        return self.act(x)


class AllocatesOverflow(Saboteur):
    def act(self, x):
        return torch.empty(2**62)


class AllocatesReal(Saboteur):
    def act(self, x):
        return torch.empty(2**55)


class RaisesMemoryError(Saboteur):
    def act(self, x):
        raise MemoryError


class HitsLimit(Saboteur):
    def act(self, x):
        resource.setrlimit(resource.RLIMIT_AS, (1, 1))
        gc.collect()
        return torch.ones(1 << 30)


class ReturnsNaN(Saboteur):
    def act(self, x):
        return x / 0


class ReturnsNothing(Saboteur):
    def forward(self, x):
        return None


class ReturnsText(Saboteur):
    def forward(self, x):
        return "text"


class ReturnsOtherShape(Saboteur):
    def act(self, x):
        return x.flatten()[:3]


class LacksOperator(Saboteur):
    def act(self, x):
        return torch.linalg.cholesky(torch.eye(3).half())


class Noise(Saboteur):
    def act(self, x):
        for stream in (1, 2):
            os.write(stream, os.urandom(200_000))
        os.write(1, b"\nlast words \x1b[2J\xff\n")
        raise ValueError("after noise")


class ClosesStreams(Saboteur):
    def act(self, x):
        os.close(1)
        os.close(2)


class ClosesEverything(Saboteur):
    def act(self, x):
        os.closerange(0, 4096)


class ReplacesStreams(Saboteur):
    def act(self, x):
        sys.stdout, sys.stderr = None, object()
        sys.__stdout__ = sys.__stderr__ = 3


class ChangesFolder(Saboteur):
    def act(self, x):
        os.chdir("/")


class ForksSleeper(Saboteur):
    def act(self, x):
        for _ in range(3):
            if os.fork() == 0:
                time.sleep(LONG)
                os._exit(0)


class Daemonises(Saboteur):
    def act(self, x):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for number in (signal.SIGTERM, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)
                os.closerange(0, 4096)
                time.sleep(LONG)
            os._exit(0)
        os.wait()


class StartsProgram(Saboteur):
    def act(self, x):
        subprocess.Popen(["sleep", str(LONG)], start_new_session=True)


class DaemonisesAndHangs(Daemonises):
    def act(self, x):
        super().act(x)
        time.sleep(LONG)


class DaemonisesAndDies(Daemonises):
    def act(self, x):
        super().act(x)
        os.kill(os.getpid(), signal.SIGKILL)


class StartsThreads(Saboteur):
    def act(self, x):
        for _ in range(3):
            threading.Thread(target=time.sleep, args=(LONG,)).start()


def descriptors():
    found = (int(path.name) for path in Path("/proc/self/fd").iterdir())
    return [descriptor for descriptor in found if descriptor > 2]


def write_everywhere(content):
    for descriptor in descriptors():
        with suppress(OSError):
            os.write(descriptor, content)


class WritesEverywhere(Saboteur):
    def act(self, x):
        write_everywhere(b"\x00\xffgarbage\n\n[]\n")


class WritesHalfAndHangs(Saboteur):
    def act(self, x):
        write_everywhere(b'\xff\xff\xff\xff["values", ')
        time.sleep(LONG)


class WritesOtherJson(Saboteur):
    def act(self, x):
        write_everywhere(b'["values", 3]\n["nonsense"]\n["exited"]\n["values", 1, 2, 3]\n')


class WritesOtherTypes(Saboteur):
    def act(self, x):
        write_everywhere(b'["values", "params", {"warnings": [3]}, 0.1]\n')


class FloodsPipe(Saboteur):
    def act(self, x):
        for descriptor in descriptors():
            with suppress(OSError):
                for _ in range(1500):
                    os.write(descriptor, b"x" * 65536)


class ConstructorRaises(Saboteur):
    def __init__(self, in_channels: int) -> None:
        raise LookupError("while it was built")


class ConstructorExits(Saboteur):
    def __init__(self, in_channels: int) -> None:
        sys.exit("no")


class RaisesStopIteration(Saboteur):
    def act(self, x):
        raise StopIteration


class ForksItself(Saboteur):
    """Parent and child both go on measuring."""

    def act(self, x):
        os.fork()


class BlocksSignals(Saboteur):
    def act(self, x):
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        time.sleep(LONG)


class BreaksJson(Saboteur):
    def act(self, x):
        json.dumps = None
        json.JSONEncoder.encode = None


# What a module can say in the worker's place.


class Forges(Saboteur):
    line = b""

    def act(self, x):
        write_everywhere(b"\n" + self.line + b"\n")


class ForgesOtherPart(Forges):
    line = b'["failed", "error", "c", 5]'


class ForgesWordAsExit(Forges):
    line = b'["exited", "zero", ["x"]]'


class ForgesNumberAsOutput(Forges):
    line = b'["exited", 3, 7]'


class ForgesListAsStatus(Forges):
    line = b'["failed", ["error"], "c", ["x"]]'


class ForgesSuccess(Forges):
    line = b'["failed", "ok", "c", []]'


class ForgesNoise(Forges):
    line = b'["failed", "error", "\\u001b[2J\\nnoise \\u202e", ["\\u001b[31m\\n"]]'


class ForgesExit(Forges):
    line = b'["exited", 0, ["\\u001b[2J"]]'


class ForgesRealTimeExit(Forges):
    line = b'["exited", -37, []]'


class ForgesUnknownSignal(Forges):
    line = b'["exited", -4000, []]'


class ForgesEnd(Forges):
    line = b'["done"]'


class ForgesDepth(Forges):
    line = b'["values", "flops", {"x": ' + b"[" * 600 + b"]" * 600 + b"}, 1]"


class ForgesManyDigits(Forges):
    line = b'["values", "flops", {"conv_macs": ' + b"9" * 4200 + b"}, 1]"


class ForgesNaN(Forges):
    line = b'["values", "flops", {"conv_macs": NaN}, 1]'


class ForgesInfinity(Forges):
    line = b'["values", "flops", {"coverage": 1e999}, 1]'


class ForgesText(Forges):
    line = b'["values", "flops", {"conv_macs": "many"}, 1]'


class ForgesTruth(Forges):
    line = b'["values", "flops", {"conv_macs": true}, 1]'


class ForgesName(Forges):
    line = b'["values", "flops", {"label": "x"}, 1]'


class ForgesDeclaration(Forges):
    line = b'["values", "flops", {"declared": {"x": {"unit": "1"}}}, 1]'


class ForgesOtherMetric(Forges):
    line = b'["metric", "latency"]'


class ForgesEarlierMetric(Forges):
    line = b'["values", "params", {"params": 1}, 1]'


class ForgesValues(Forges):
    """Right in form, so that those of the worker are the second ones."""

    line = b'["values", "flops", {"conv_macs": 1}, 1]'


class ForgesAll(Forges):
    line = b'["values", "flops", {"conv_macs": 1}, 1]\n["done"]'


class LiesHugely(Saboteur):
    def algorithmic_macs(self, shape):
        return 10**4200

    def act(self, x):
        return x


# What a module can do to the processes around it.


def fork_server():
    stat = Path(f"/proc/{os.getppid()}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[1])


class StopsForkServer(Saboteur):
    def act(self, x):
        os.kill(fork_server(), signal.SIGSTOP)


class StopsForkServerAndHangs(Saboteur):
    def act(self, x):
        os.kill(fork_server(), signal.SIGSTOP)
        time.sleep(LONG)


class StopsForkServerAndKillsParent(Saboteur):
    def act(self, x):
        os.kill(fork_server(), signal.SIGSTOP)
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(LONG)


class DaemonisesAndKillsParent(Daemonises):
    def act(self, x):
        super().act(x)
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(LONG)


class DiesOfRealTimeSignal(Saboteur):
    def act(self, x):
        os.kill(os.getpid(), signal.SIGRTMIN + 3)


class DiesOfHangup(Saboteur):
    def act(self, x):
        os.kill(os.getpid(), signal.SIGHUP)


class RingsAlarm(Saboteur):
    def act(self, x):
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        time.sleep(LONG)


# What it can do to its own process.


class Hostile(BaseException):
    def __str__(self):
        raise KeyboardInterrupt

    __repr__ = __str__


class RaisesHostile(Saboteur):
    def act(self, x):
        raise Hostile


class RaisesOddName(Saboteur):
    def act(self, x):
        raise type("\x1b[2J\n", (Exception,), {})


class RaisesGroup(Saboteur):
    def act(self, x):
        raise ExceptionGroup("several", [ValueError(1), ExceptionGroup("more", [OSError(2)])])


class ForgetsModules(Saboteur):
    def act(self, x):
        sys.modules.clear()


class BreaksTorch(Saboteur):
    def act(self, x):
        torch.Tensor.numel = torch.Tensor.size = None


class BreaksOs(Saboteur):
    def act(self, x):
        os.write = os.getpid = None


class NeverLeaves(Saboteur):
    def act(self, x):
        os._exit = lambda code: time.sleep(LONG)


class LimitsFiles(Saboteur):
    def act(self, x):
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


class LimitsSizes(Saboteur):
    def act(self, x):
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


class OpensEverything(Saboteur):
    def act(self, x):
        self.files = []
        with suppress(OSError):
            while True:
                self.files.append(os.open("/dev/null", os.O_RDONLY))


class EmptiesEnvironment(Saboteur):
    def act(self, x):
        os.environ.clear()
        os.umask(0o777)


class Traces(Saboteur):
    def act(self, x):
        sys.settrace(lambda *_: 1 / 0)


class DeletesItself(Saboteur):
    """Beside a suite in a file of its own: the others want theirs."""

    def act(self, x):
        Path(__file__).unlink()


class HasNoParameters(Saboteur):
    def parameters(self, recurse=True):
        raise LookupError("no parameters")


class ReturnsGenerator(Saboteur):
    def forward(self, x):
        return (each for each in [x])


class ReturnsItself(Saboteur):
    def forward(self, x):
        out = [x]
        out.append(out)
        return out
