"""Runs states of projects, each in a fresh process as a case's worker: `python mutate.py FILE`.

The file has, pickled, a list of names, jobs and files; how each ended is written beside it. The
processes are forked from this one, which has imported what a worker needs and computed nothing.
"""

import os
import pickle
import sys
from pathlib import Path

import safetensors.torch
from torch import nn

import harness.engines.process.preload
import harness.measure.forecast
import harness.training.accuracy
import harness.training.data.scenes
from harness.engines.process.worker import work
from harness.environment.source import source_digest
from harness.training.network import build_network
from harness.training.trainer import Trainer

# ruff: noqa: F401


def run(job, files):
    """The messages of a worker, once the files are there."""
    for name, content in files.items():
        path = Path(job.search_path[0], name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    reading, writing = os.pipe()
    if not (child := os.fork()):
        said = []
        try:
            work(job, lambda *message: said.append(message))
        finally:
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(said, pipe)
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pickle.load(pipe)
    os.waitpid(child, 0)
    return said


if __name__ == "__main__":
    path = Path(sys.argv[1])
    source_digest(nn.Identity(), [Trainer, build_network])  # our own files are read once for all
    states = pickle.loads(path.read_bytes())
    ended = [(name, run(job, files)) for name, job, files in states]
    path.with_suffix(".ended").write_bytes(pickle.dumps(ended))
