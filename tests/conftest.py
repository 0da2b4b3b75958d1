import os
import shutil
import signal

import pytest
from hypothesis import settings

# Kernels in Triton run on the CPU in its interpreter. Before anything imports Triton: its own
# functions are made for a GPU or for the interpreter when it is imported.
os.environ["TRITON_INTERPRET"] = "1"

# The same examples in every run: what fails in CI fails here. With HYPOTHESIS_PROFILE=default the
# search goes on.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(scope="session", autouse=True)
def own_locks(tmp_path_factory):
    """Timed cases of the test processes beside this one are no reason to wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _as_in_a_terminal():
    """`nohup make test` and `make test &` of a script have signals ignored by all they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _own_signals():
    """The end of `main` leaves signals ignored; a test that calls it is no reason for the next."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser():
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser is installed (looked for {', '.join(BROWSERS)})")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        # A container has neither the name spaces of the sandbox nor much shared memory.
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        started = running.chromium.launch(executable_path=path, args=options)
        yield started
        started.close()
