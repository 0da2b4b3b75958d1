"""A user's file may do anything when it is imported, but not to whoever wants to import it."""

import re

import pytest

from harness.engines.process.imports import SECONDS_VARIABLE, probe
from harness.messages import HarnessError

STAT = "open(f'/proc/{os.getppid()}/stat').read().rpartition(')')[2].split()[1]"
# name of a file: what it does, and why it is refused
FILES = {
    "good": ("from torch import nn", None),
    "leaves": ("os._exit(0)", r"ends the process that imports it, with exit code 0"),
    "leaves_with_three": ("os._exit(3)", r"ends .* with exit code 3"),
    "hangs": ("time.sleep(600)", r"is not imported within 4 s"),
    "segfaults": ("ctypes.string_at(0)", r"kills the process that imports it \(SIGSEGV\)"),
    "signals": ("os.kill(os.getpid(), signal.SIGRTMIN + 3)", r"kills .* \(SIGRTMIN\+3\)"),
    "kills_group": ("os.killpg(0, 9)", r"kills the process that imports it \(SIGKILL\)"),
    "kills_parent": ("os.kill(os.getppid(), 9); time.sleep(600)", r"kills the processes around .*"),
    "stops_server": (f"os.kill(int({STAT}), signal.SIGSTOP)", None),
    "interrupts": ("raise KeyboardInterrupt", r"raises KeyboardInterrupt when it is imported"),
    "raises_hostile": ("raise type('B', (BaseException,), {'__str__': exit})", r"raises B when .*"),
    "forks": ("os.fork()", r"forks the process that imports it"),
    "closes": ("os.closerange(0, 4096)", r"ends .* with exit code 0"),
    "writes": (
        "for d in range(3, 99):\n    with suppress(OSError):\n        os.write(d, b'\\n[3]\\n')",
        r"writes into the pipes of the process that imports it",
    ),
    "raises": ("raise ValueError('as ever')", None),  # who imports it says so better
    "exits": ("raise SystemExit(3)", None),
    "good_too": ("import good", None),
}


def write(folder, files=FILES):
    for name, (text, _) in files.items():
        lines = ("import ctypes, os, signal, time", "from contextlib import suppress", text)
        (folder / f"{name}.py").write_text("\n".join(lines) + "\n")


@pytest.fixture
def patient(monkeypatch):
    monkeypatch.setenv(SECONDS_VARIABLE, "4")


def test_each_file_is_judged_by_itself(tmp_path, patient):
    write(tmp_path)
    path = (str(tmp_path),)
    refused = probe([(path, name) for name in (*FILES, "absent")])
    assert refused.keys() == {(path, name) for name, (_, cause) in FILES.items() if cause}
    for (_, name), error in refused.items():
        assert re.fullmatch(f"{name} {FILES[name][1]}", error.what), error
        assert "into functions" in error.cure


def test_a_limit_that_is_none_is_one_line(monkeypatch):
    monkeypatch.setenv(SECONDS_VARIABLE, "soon")
    with pytest.raises(HarnessError, match="write a number of seconds"):
        probe([((), "good")])


SUITE = """
    suite: mini
    input: [1, 8, 6, 6]
    cases:
      - {label: A, module: se, with: {reduction: 2}}
      - {label: B, grid: {module: ["leaves:M", "segfaults:M"]}}
      - {label: C, module: se, with: {reduction: 2}, measure: [params, "hangs:measure"]}
"""


@pytest.mark.parametrize("command", ["validate", "run"])
def test_a_suite_that_names_them_is_refused(user, command):
    write(user.folder)
    user.write("mini.yaml", SUITE)
    user.environment[SECONDS_VARIABLE] = "4"
    done = user.run(command, "mini.yaml")
    assert done.returncode == 2
    assert done.stdout == ""
    found = [re.sub(r"; move .*", "", line) for line in done.stderr.splitlines()]
    assert found == [
        "mini.yaml:6:32: cases.1.grid.module.0: leaves ends the process that imports it, with "
        "exit code 0",
        "mini.yaml:6:44: cases.1.grid.module.1: segfaults kills the process that imports it "
        "(SIGSEGV)",
        "mini.yaml:7:68: cases.2.measure.1: hangs is not imported within 4 s",
    ]
    assert not (user.folder / "results").exists()
    assert user.survivors() == []
