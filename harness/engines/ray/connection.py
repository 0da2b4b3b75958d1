"""The connection to a Ray cluster, quiet and polite: it prints nothing and leaves signals alone."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any

from harness.engines.engine import EngineError

_LOCAL = "local"


class Connection:
    """Connects to a cluster for as long as the statement lasts; one that was there stays.

    Args:
        address: see `RayEngine`.
    """

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._ray: Any = None
        self._own = False

    def __enter__(self) -> Any:
        import ray

        if self._address is not None and self._address.startswith("ray://"):
            raise EngineError(
                f"--address {self._address}: events cannot be streamed through a Ray client; start "
                "the command on a node of the cluster (with `ray start --num-cpus 0 --address ...` "
                "this machine becomes one that runs no cases) and give HOST:PORT"
            )
        self._ray, self._own = ray, not ray.is_initialized()
        if self._own:
            with _signals_kept():
                self._connect(ray)
            _silence(ray)
        return ray

    def _connect(self, ray: Any) -> None:
        # Ray asks for this word on what a task without GPUs sees; cases that need one name it.
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        # Its workers have niceness 15 otherwise; heard by a cluster that is started here only.
        os.environ.setdefault("RAY_worker_niceness", "0")
        address = self._address or os.environ.get("RAY_ADDRESS") or "auto"
        try:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level="ERROR",
                **({"include_dashboard": False} if address == _LOCAL else {}),
            )
        except ray.exceptions.AuthenticationError as error:
            raise EngineError(
                f"the Ray cluster at {address} does not accept this user's token; copy the "
                "token of the head node to ~/.ray/auth_token, or name it with RAY_AUTH_TOKEN_PATH"
            ) from error
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error)
            raise EngineError(
                f"no Ray cluster at {address}: {reason}; start one with `ray start --head`, or "
                "name another with --address HOST:PORT (--address local: one for this run)"
            ) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def end(self, stream: Any) -> None:
        """Kill a task with what it runs."""
        if self._ray is not None:
            with suppress(Exception):  # it has ended, or the cluster has
                self._ray.cancel(stream, force=True)

    def close(self) -> None:
        """Leave the cluster; may be called twice."""
        ray, self._ray = self._ray, None
        if ray is not None and self._own:
            ray.shutdown()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself and would end the process without a word."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _silence(ray: Any) -> None:
    """Keep Ray's remarks on lost workers off stdout, where `--json` writes.

    There is no option for them (`log_to_driver` is about the output of workers); what matters in
    them the engine says itself.
    """
    worker: Any = getattr(getattr(ray, "_private", None), "worker", None)
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda *_arguments, **_named: None
