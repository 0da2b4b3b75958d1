"""A Ray cluster on this machine, with a token: a head that runs no cases, two nodes of a core."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from harness_user import User, wait_for
from lab import Lab

STORE = 80_000_000  # bytes; Ray takes no less


class RayLab(Lab):
    fate_shared = True
    nodes = 2

    def __init__(self) -> None:
        # Not pytest's folder: Ray puts sockets there, whose paths may have 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="ray-"))
        self.keeper = User(self.folder)  # its marker finds every process of the cluster
        token = self.folder / "token"
        token.touch(0o600)
        token.write_text(secrets.token_hex(32))
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",
            "RAY_raylet_start_wait_time_s": "120",  # of a busy machine
            "HARNESS_LOCK_DIR": str(self.folder / "locks"),
        }
        self.address = ""
        self._count = 0

    def begin(self) -> None:
        # Ports of Ray's own choice: several test runs share this machine.
        self._start(
            0, "--head", "--port=0", "--include-dashboard=false", f"--temp-dir={self.folder}"
        )
        found = self.folder / "ray_current_cluster"
        wait_for(lambda: found.exists() and found.read_text().strip())
        self.address = found.read_text().strip()
        self.arguments = ("--engine", "ray", "--address", self.address)
        self.heal()

    def heal(self) -> None:
        while len(self._raylets()) < 1 + self.nodes:
            self._start(1, f"--address={self.address}")

    def _start(self, cores: int, *arguments: str) -> None:
        """Ray's own script, so that no `ray` of another environment is found."""
        self._count += 1
        node = {"HARNESS_TEST_NODE": str(self._count), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "ray.scripts.scripts", "start", f"--num-cpus={cores}",
             f"--object-store-memory={STORE}", "--disable-usage-stats", *arguments],
            env={**self.keeper.environment, **self.environment, **node},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def engine(self):
        from harness.engines.ray.engine import RayEngine

        return RayEngine(self.address, patience=self.patience)

    def lose_node(self, name: str) -> None:
        """Kill a raylet; its workers see that and go, as all would at a loss of power.

        Never the head's, which the command line is connected to: that would be its own machine.
        """
        wanted = f"HARNESS_TEST_NODE={name}".encode()
        for pid in self._raylets():
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                os.kill(pid, signal.SIGKILL)
                return
        raise AssertionError(f"no node {name}")

    def _raylets(self) -> list[int]:
        found = []
        for pid in self.keeper.processes():
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]
            if command.endswith(b"/raylet"):
                found.append(pid)
        return sorted(found)

    def end(self) -> list[int]:
        """Stop the cluster; what is left of it."""
        self.keeper.leave()
        left = self.keeper.survivors()
        shutil.rmtree(self.folder, ignore_errors=True)
        return left
