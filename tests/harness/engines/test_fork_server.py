"""The server that forks the processes of cases: it may hang, or not be there at all."""

import subprocess
import sys
from multiprocessing import forkserver

from harness.engines.local import LocalEngine

HANGING = """
    import sys
    import time

    if any("forkserver" in argument for argument in sys.orig_argv):
        time.sleep(600)
"""
SCRIPT = """
    import harness
    from harness.engines.local import LocalEngine

    run = harness.run(
        {"suite": "mini", "input": [1, 8, 6, 6], "measure": ["params"],
         "cases": [{"module": "ppm"}, {"module": "se"}]},
        engine=LocalEngine(patience=0.3),
    )
    for record in run.records:
        print(record.status, record.cause)
"""
CURE = "end other work on this machine, then go on with --resume"


def test_one_that_never_answers_is_a_row_with_a_cause(user):
    user.write("sitecustomize.py", HANGING)
    user.environment["PYTHONPATH"] = f"{user.folder}:{user.environment['PYTHONPATH']}"
    done = subprocess.run(
        [sys.executable, str(user.write("script.py", SCRIPT))],
        cwd=user.folder, env=user.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    line = f"error no process could be started: no answer within 0.3 s; {CURE}"
    assert done.stdout.splitlines() == [line, line]
    assert user.survivors() == []


STOPPED = """
    import os
    import signal
    import threading
    from multiprocessing import forkserver

    import harness
    from harness.engines.process.server import start_server

    start_server()
    over = threading.Event()

    def stop():
        while not over.wait(0.4):
            os.kill(forkserver._forkserver._forkserver_pid, signal.SIGSTOP)

    threading.Thread(target=stop).start()
    try:
        run = harness.run(
            {"suite": "mini", "input": [1, 8, 6, 6], "measure": ["resident"],
             "cases": [{"module": name} for name in ("ppm", "aspp", "non_local", "danet")]},
        )
    finally:
        over.set()
    print(*[record.cause or record.status for record in run.records], sep="\\n")
"""


def test_one_that_is_stopped_again_and_again_goes_on(user):
    done = subprocess.run(
        [sys.executable, str(user.write("script.py", STOPPED))],
        cwd=user.folder, env=user.environment, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["ok"] * 4, done.stderr
    assert user.survivors() == []


def test_a_folder_for_temporary_files_with_a_long_name_is_said(user):
    folder = user.folder / ("x" * 120)
    folder.mkdir()
    user.environment["TMPDIR"] = str(folder)
    user.write("a.yaml", "suite: a\ninput: [1, 8, 6, 6]\nmeasure: [params]\nmodule: aspp\n")
    done = user.run("run", "a.yaml")
    assert done.returncode == 1
    assert "AF_UNIX path too long; set TMPDIR to a folder with a shorter name" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_engine_says_what_the_server_imports_whoever_starts_it(monkeypatch):
    # A version's process of the gate starts the server as soon as it has an engine.
    monkeypatch.setattr(forkserver._forkserver, "_preload_modules", ["__main__"])
    LocalEngine()
    assert forkserver._forkserver._preload_modules == ["harness.engines.process.preload"]
