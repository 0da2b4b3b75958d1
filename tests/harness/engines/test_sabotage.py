"""Whatever a module does, it is one row with a cause, and the others are measured."""

import json
import re
import shutil

import pytest
from harness_user import User

from harness.engines.devices import DeviceLock

PIPE = "the module wrote into the pipe of its measurements: "

# class: status, cause
STATIC = {
    "Raises": ("error", r"ValueError: on purpose"),
    "RaisesHugely": ("error", r"RuntimeError: \ufffd\[31mgrün \ufffd 日本 very long .*"),
    "RaisesSurrogates": ("error", r"KeyError: .*"),
    "RaisesUnspeakable": ("error", r"Unspeakable|RuntimeError: no words"),
    "Interrupts": ("error", r"KeyboardInterrupt"),
    "Exits": ("error", r"the module ended the process: exit code 7"),
    "LeavesAtOnce": (
        "error",
        r"the worker ended with exit code 3 without an answer, in metric flops",
    ),
    "LeavesQuietly": ("error", r"the worker ended with exit code 0 without an answer, .*"),
    "Aborts": ("killed", r"killed by SIGABRT, in metric flops"),
    "Segfaults": ("killed", r"killed by SIGSEGV, in metric flops"),
    "KillsItself": ("killed", r"killed by SIGKILL, in metric flops"),
    "KillsGroup": ("killed", r"killed by SIGKILL, in metric flops"),
    "KillsParent": ("killed", r"killed by SIGKILL, in metric flops"),
    "KillsForkServer": ("timeout", r"no answer within 1 s, in metric flops"),
    "StopsParent": ("timeout", r"no answer within 1 s, in metric flops"),
    "StopsItself": ("timeout", r"no answer within 1 s, in metric flops"),
    "Hangs": ("timeout", r"no answer within 1 s, in metric flops"),
    "HangsDeaf": ("timeout", r"no answer within 1 s, in metric flops"),
    "PrintsForever": ("timeout", r"no answer within 1 s, in metric flops"),
    "Recurses": ("error", r"RecursionError: .*"),
    "AllocatesOverflow": ("oom", r"out of memory: Storage size calculation overflowed.*"),
    "RaisesMemoryError": ("oom", r"out of memory: MemoryError"),
    "Noise": ("error", r"ValueError: after noise"),
    "ClosesStreams": ("ok", None),
    "ClosesEverything": ("error", r"the worker ended with exit code \d without an answer, .*"),
    "ReplacesStreams": ("ok", None),
    "ChangesFolder": ("ok", None),
    "ForksSleeper": ("ok", None),
    "Daemonises": ("ok", None),
    "DaemonisesAndHangs": ("timeout", r"no answer within 1 s, .*"),
    "DaemonisesAndDies": ("killed", r"killed by SIGKILL, .*"),
    "StartsProgram": ("ok", None),
    "StartsThreads": ("ok", None),
    "WritesEverywhere": ("error", r"the module wrote into the pipe of its measurements: .*"),
    "WritesHalfAndHangs": ("timeout", r"no answer within 1 s, .*"),
    "WritesOtherJson": ("error", r"the module wrote into the pipe of its measurements: .*"),
    "WritesOtherTypes": ("error", r"the module wrote into the pipe of its measurements: .*"),
    "FloodsPipe": ("error", r"the module wrote into the pipe of its measurements: .*"),
    "ReturnsOtherShape": ("ok", None),
    "ConstructorRaises": ("error", r"LookupError: while it was built"),
    "ConstructorExits": ("error", r"the module ended the process: exit code no"),
    "RaisesStopIteration": ("error", r"StopIteration"),
    "ForksItself": ("ok", None),
    "BlocksSignals": ("timeout", r"no answer within 1 s, in metric flops"),
    "BreaksJson": ("error", r".+"),
    "ForgesOtherPart": ("error", rf"{PIPE}'failed' is no answer of a worker: is wrong"),
    "ForgesWordAsExit": ("error", rf"{PIPE}'exited' is no answer of a worker: is wrong"),
    "ForgesNumberAsOutput": ("error", rf"{PIPE}'exited' is no answer of a worker: is wrong"),
    "ForgesListAsStatus": ("error", rf"{PIPE}'failed' is no answer of a worker: is wrong"),
    "ForgesSuccess": ("error", rf"{PIPE}'failed' is no answer of a worker: is wrong"),
    "ForgesNoise": ("error", r"\\x1b\[2J\\nnoise \\u202e"),
    "ForgesExit": ("error", r"the worker ended with exit code 0 without an answer, .*"),
    "ForgesRealTimeExit": ("killed", r"killed by SIGRTMIN\+3, in metric flops"),
    "ForgesUnknownSignal": ("killed", r"killed by signal 4000, in metric flops"),
    "ForgesEnd": ("error", rf"{PIPE}done without flops"),
    "ForgesDepth": ("error", rf"{PIPE}.* is no answer of a worker"),
    "ForgesManyDigits": ("error", rf"{PIPE}.* is no answer of a worker"),
    # NaN arrives as nothing, which is a value; the worker's own words come second.
    "ForgesNaN": ("error", rf"{PIPE}values of 'flops', which is not being measured"),
    "ForgesInfinity": ("error", rf"{PIPE}values of flops: coverage is wrong"),
    "ForgesText": ("error", rf"{PIPE}values of flops: conv_macs is wrong"),
    "ForgesTruth": ("error", rf"{PIPE}values of flops: conv_macs is wrong"),
    "ForgesName": ("error", rf"{PIPE}values of flops: flops stores no label"),
    "ForgesDeclaration": ("error", rf"{PIPE}values of flops: flops stores no declared"),
    "ForgesOtherMetric": ("error", rf"{PIPE}metric 'latency' was not asked for, or is over"),
    "ForgesEarlierMetric": ("error", rf"{PIPE}values of 'params', which is not being measured"),
    "ForgesValues": ("error", rf"{PIPE}values of 'flops', which is not being measured"),
    "ForgesAll": ("error", rf"{PIPE}'values' follows the last answer"),
    "LiesHugely": ("error", r".*4200 digits.*|.* is no answer of a worker"),
    "StopsForkServer": ("ok", None),
    "StopsForkServerAndHangs": ("timeout", r"no answer within 1 s, in metric flops"),
    "StopsForkServerAndKillsParent": ("killed", r"killed by SIGKILL, in metric flops"),
    "DaemonisesAndKillsParent": ("killed", r"killed by SIGKILL, in metric flops"),
    "DiesOfRealTimeSignal": ("killed", r"killed by SIGRTMIN\+3, in metric flops"),
    "DiesOfHangup": ("killed", r"killed by SIGHUP, in metric flops"),
    "RingsAlarm": ("killed", r"killed by SIGALRM, in metric flops"),
    "RaisesHostile": ("error", r"Hostile"),
    "RaisesOddName": ("error", r"\\x1b\[2J\\n"),
    "RaisesGroup": ("error", r"ExceptionGroup: several \(2 sub-exceptions\)"),
    "ForgetsModules": ("error", r".+"),
    "BreaksTorch": ("error", r"TypeError: .*"),
    "BreaksOs": ("error", r"the worker ended with exit code 0 without an answer, .*"),
    "NeverLeaves": ("ok", None),
    "LimitsFiles": ("ok", None),
    "LimitsSizes": ("ok", None),
    "OpensEverything": ("ok", None),
    "EmptiesEnvironment": ("ok", None),
    "Traces": ("error", r"ZeroDivisionError: .*"),
    "DeletesItself": ("ok", None),
    "HasNoParameters": ("error", r"LookupError: no parameters"),
}
# Only a real pass can tell.
REAL = {
    "AllocatesReal": (
        "oom",
        r"out of memory: .*can't allocate memory.*|predicted .* GB, .* free.*",
    ),
    "HitsLimit": ("oom", r"out of memory: .*"),
    "ReturnsNaN": ("invalid", r"288 of 288 output elements are NaN or infinite"),
    "ReturnsNothing": ("invalid", r"the module returned no tensor: NoneType"),
    "ReturnsText": ("invalid", r"the module returned no tensor: str"),
    "LacksOperator": ("unsupported", r".*not implemented for 'Half'"),
    "ReturnsGenerator": ("invalid", r"the module returned no tensor: generator"),
    "ReturnsItself": ("ok", None),
}
EXPECTED = STATIC | REAL
FILE = {"DeletesItself": "lost"}  # in which a class is looked for; the others are in `sabotage`
# Of a user's file: cases of the catalog share a process, and would all be over before the rest.
GOOD = "{{label: {}, module: 'good:Good'}}"
GOOD_FILE = """
    from torch import nn

    class Good(nn.Conv2d):
        def __init__(self, in_channels):
            super().__init__(in_channels, in_channels, 1)
"""
SLOW_ENOUGH = 60  # seconds for a case that answers, on a busy machine


def suite(name: str, classes: dict[str, object], measure: str) -> str:
    lines = [f"suite: {name}", "input: [1, 8, 6, 6]", f"measure: {measure}", "cases:"]
    lines.append(f"  - {GOOD.format('before all')}")
    for cls, (status, _) in classes.items():
        limit = 1 if status == "timeout" else SLOW_ENOUGH
        file = FILE.get(cls, "sabotage")
        lines.append(f"  - {{label: {cls}, module: '{file}:{cls}', timeout: {limit}}}")
        lines.append(f"  - {GOOD.format(f'after {cls}')}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def sabotaged(tmp_path_factory, sabotage_file):
    """Rows by label of a run over everything hostile, what it printed, and what it left behind."""
    user = User(tmp_path_factory.mktemp("sabotaged"))
    temporary, locks = (tmp_path_factory.mktemp(name) for name in ("t", "locks"))
    user.environment |= {"TMPDIR": str(temporary), "HARNESS_LOCK_DIR": str(locks)}
    for name in ("sabotage", *FILE.values()):
        shutil.copy(sabotage_file, user.folder / f"{name}.py")
    user.write("good.py", GOOD_FILE)
    found, printed, left = {}, [], []
    for name, classes, measure in (
        ("static", STATIC, "[params, flops]"),
        ("real", REAL, "[resident]"),
    ):
        user.write(f"{name}.yaml", suite(name, classes, measure))
        done = user.run("run", f"{name}.yaml", "--json", "--verbose")
        assert done.returncode == 1, done.stderr
        rows = json.loads(done.stdout)
        labels = [label for cls in classes for label in (cls, f"after {cls}")]
        assert [row["label"] for row in rows] == ["before all", *labels]
        found.update({(row["label"]): row for row in rows})
        tails = {record["label"]: record["tail"] for record in user.records(name)}
        printed.append((done, tails))
        left += user.survivors()
    left += [path for path in temporary.iterdir() if not path.name.startswith("torch")]
    left += [path for path in locks.iterdir() if not DeviceLock(path.stem, "test", locks).take()]
    user.leave()
    return found, printed, left


@pytest.mark.slow
@pytest.mark.parametrize("cls", EXPECTED)
def test_one_row_with_status_and_cause(sabotaged, cls):
    status, cause = EXPECTED[cls]
    row = sabotaged[0][cls]
    assert row["status"] == status, row["cause"]
    if cause is None:
        assert row["cause"] is None
        return
    assert re.fullmatch(rf"(?:{cause})(?: \(sabotage\.py:\d+\))?", row["cause"])
    assert row["cause"].isprintable()
    assert len(row["cause"]) < 600


def test_the_other_cases_are_measured(sabotaged):
    others = {label: row for label, row in sabotaged[0].items() if label not in EXPECTED}
    assert {label: row["status"] for label, row in others.items()} == dict.fromkeys(others, "ok")
    assert len({row["params"] for row in others.values() if row["params"]}) == 1


def test_nothing_survives(sabotaged):
    assert sabotaged[2] == []


def test_what_finished_before_the_failure_is_kept(sabotaged):
    assert sabotaged[0]["Segfaults"]["params"] == 8


def test_the_terminal_sees_no_tracebacks_and_no_noise(sabotaged):
    for done, _ in sabotaged[1]:
        assert "Traceback" not in done.stderr
        assert "warn" not in done.stderr.replace("Warning,", "")
        lines = done.stderr.splitlines()
        assert all(line.isprintable() for line in lines)
        # A line a case, and one of the table.
        assert sum(bool(re.match(r"\[\d+/\d+\] ", line)) for line in lines) in (
            2 * len(STATIC) + 2,
            2 * len(REAL) + 2,
        )


def test_the_last_lines_are_kept_and_printable(sabotaged):
    tails = sabotaged[1][0][1]
    assert any("last words" in line for line in tails["Noise"])
    assert any("raise ValueError" in line for line in tails["Noise"])
    assert any("Segmentation fault" in line for line in tails["Segfaults"])
    assert "spam" in tails["PrintsForever"]
    for tail in tails.values():
        assert len(tail) <= 40
        # Spaces of other widths stay, of which bytes at random make one now and then.
        assert all("".join(line.split()).isprintable() and len(line) <= 500 for line in tail)
