"""What the fork server imports once, so that each case starts in milliseconds.

Imports only. A server that computed would start OpenMP's threads, and a fork after that hangs.
"""

# ruff: noqa: E402, F401

# What was imported is never garbage. A collector that walks it again and again takes a fifth of the
# time of the imports; frozen, it need not walk it in any case, and its pages stay shared between
# the processes.
import gc

gc.disable()

import ctypes
import signal
import warnings
from contextlib import suppress

import torch
import torch._dynamo
import torch._subclasses.fake_tensor
import torch.utils.flop_counter

import context_modules.catalog
import harness.engines.process.imports
import harness.engines.process.supervisor
import harness.engines.process.worker
import harness.measure.energy
import harness.measure.forecast
import harness.measure.latency
import harness.measure.memory
import harness.measure.operations
import harness.measure.precision
import harness.measure.witness
from harness.engines.process.supervisor import PR_SET_CHILD_SUBREAPER
from harness.environment.searching import restore_environment

restore_environment()

# What a case leaves behind whose supervisor was killed comes to the server, where the engine finds
# and ends it, and not to the first process of the machine. The server knows none of them.
with suppress(OSError, AttributeError):  # Linux only
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
warnings.filterwarnings("ignore", "forkserver: waitpid returned unexpected pid")

# The server was started deaf to Ctrl-C; the processes of cases get Python's usual answer.
signal.signal(signal.SIGINT, signal.default_int_handler)

gc.freeze()
gc.enable()
