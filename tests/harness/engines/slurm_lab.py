"""The Slurm engine with the cluster of `fake_slurm`."""

import os
import subprocess
import time

from fake_slurm import Cluster
from harness_user import ROOT
from lab import Lab

from harness.engines.slurm.engine import SlurmEngine
from harness.engines.slurm.scheduler import parse_options


class SlurmLab(Lab):
    """A cluster of processes on this machine."""

    def __init__(self, folder, **options):
        self.folder = folder
        self.cluster = Cluster(folder / "cluster", **options).start()
        path = f"{self.cluster.root / 'bin'}{os.pathsep}{os.environ['PATH']}"
        locks = folder / "locks"
        self.environment = {
            "PATH": path,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
            "HARNESS_LOCK_DIR": str(locks),
        }
        self.arguments = (
            "--engine", "slurm",
            "--engine-option", f"folder={folder / 'shared'}",
            "--engine-option", "poll=0.5",
            "--engine-option", "per_task=1000",
        )  # fmt: skip

    def engine(self, settle=0.5, **given):
        options = {"folder": str(self.folder / "shared"), "poll": "0.5", "per_task": "1000"}
        return SlurmEngine(parse_options(options | given), settle=settle)

    def close(self):
        self.cluster.stop()
        shared = self.folder / "shared"
        left = list(shared.iterdir()) if shared.exists() else []
        assert not [path for path in left if (path / "tasks.jsonl").exists()]


def wait_until(condition, patience=60.0):
    limit = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.02)


def has_setarch():
    try:
        done = subprocess.run(["setarch", "i686", "uname", "-m"], capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.strip() == b"i686"
