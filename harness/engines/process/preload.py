"""What the fork server imports once, so that each case starts in milliseconds.

Imports only. A server that computed would start OpenMP's threads, and a fork after that hangs.
"""

import gc

import torch
import torch._dynamo
import torch._subclasses.fake_tensor
import torch.utils.flop_counter
from fvcore.nn import FlopCountAnalysis

import context_modules.catalog
import harness.engines.process.supervisor
import harness.measure.energy
import harness.measure.latency
import harness.measure.memory
import harness.measure.operations
import harness.measure.witness
from harness.environment.searching import restore_environment

# ruff: noqa: F401


restore_environment()

# What was imported is never garbage: a collector that need not walk it is quicker in every case,
# and leaves its pages shared between the processes.
gc.freeze()
