"""Suites under pytest, as users run them: real sessions, the plugin found by its entry point."""

import json
import subprocess
import sys

import pytest
from harness_user import User
from installed_user import install

from harness.environment.machine import describe_machine, machine_key
from harness.measure.operations import measure_operations, measure_params
from harness.suite.loader import load

MINI = """
    suite: mini
    input: [1, 8, 6, 6]
    measure: [params, flops, latency]
    latency: {criterion: fixed, samples: 5}
    threads: 1
    repeats: 2
    cases:
      - {label: A, module: self_attention}
      - {label: "B [2]", module: self_attention, with: {key_channels: 2}}
      - {label: T, module: self_attention, pass: training, latency: {samples: 2, cache: cold}}
"""

NAP = """
    import os
    import time

    from torch import nn

    class Nap(nn.Module):
        def forward(self, x):
            time.sleep(float(os.environ["NAP"]))
            return x

    class OtherNap(nn.Module):
        def forward(self, x):
            time.sleep(float(os.environ["OTHER_NAP"]))
            return x
"""

NAPPING = """
    suite: napping
    input: [1, 2, 3, 3]
    measure: latency
    latency: {criterion: fixed, samples: 3}
    cases:
      - {label: Nap, module: "nap:Nap"}
      - {label: Other, module: "nap:OtherNap"}
"""


@pytest.fixture
def installed(user: User) -> User:
    """A user of the installed package."""
    install(user)
    user.write("pytest.ini", "[pytest]\naddopts = -p no:cacheprovider\n")
    return user


def run_pytest(user: User, *arguments: str, **environment: str):
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=user.folder,
        env=user.environment | environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def listed(done) -> list[str]:
    return [line for line in done.stdout.splitlines() if ".yaml::" in line]


@pytest.mark.slow
def test_a_suite_is_benchmarked(installed):
    (installed.folder / "suites").mkdir()
    path = installed.write("suites/mini.yaml", MINI)
    done = run_pytest(installed, "suites/mini.yaml", "--benchmark-json", "out.json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((installed.folder / "out.json").read_text())["benchmarks"]
    # One item per case, however many processes the suite gives it elsewhere.
    assert [b["fullname"] for b in found] == [
        f"suites/mini.yaml::{label}" for label in ("A", "B [2]", "T")
    ]
    assert {b["group"] for b in found} == {"mini"}
    assert [b["stats"]["rounds"] for b in found] == [5, 5, 2]
    jobs = [job for job in load(path).jobs if job.replicate == 1]
    for benchmark, job in zip(found, jobs, strict=True):
        info = benchmark["extra_info"]
        assert info["case_key"] == job.case.key
        assert info["machine_key"] == machine_key(describe_machine())
        expected = measure_params(job) | measure_operations(job)
        expected.pop("warnings", None)
        assert {name: info[name] for name in expected} == json.loads(json.dumps(expected))
        assert (info["device"], info["dtype"], info["threads"]) == ("cpu", "float32", 1)
        assert "latency_seconds" not in info
    assert found[2]["extra_info"]["pass"] == "training"
    assert found[2]["extra_info"]["cache"] == "cold"
    assert "benchmark 'mini': 3 tests" in done.stdout
    assert installed.survivors() == []


@pytest.mark.slow
def test_compare_fails_a_slow_down_and_only_that(installed):
    installed.write("nap.py", NAP)
    installed.write("napping.yaml", NAPPING)
    base = run_pytest(
        installed, "napping.yaml", "--benchmark-save", "base", NAP="0.02", OTHER_NAP="0.06"
    )
    assert base.returncode == 0, base.stdout
    now = run_pytest(
        installed, "napping.yaml", "--benchmark-compare", "0001",
        "--benchmark-compare-fail=mean:50%", NAP="0.06", OTHER_NAP="0.02",
    )  # fmt: skip
    assert now.returncode not in (0, 2, 4, 5)
    said = (now.stdout + now.stderr).partition("Performance has regressed")[2]
    assert "Nap (0001_base)" in said
    assert "Other (0001_base)" not in said
    assert "Other (NOW)" in now.stdout


LIGHT = """
    suite: light
    input: [1, 8, 6, 6]
    measure: latency
    latency: {criterion: fixed, samples: 2}
    module: self_attention
    grid: {key_channels: [2, 4]}
    label: k={key_channels}
"""


@pytest.mark.parametrize(
    ("option", "passed", "skipped", "timed"),
    [
        ("--benchmark-only", 2, 1, True),
        ("--benchmark-skip", 1, 2, False),
        ("--benchmark-disable", 3, 0, False),
    ],
)
def test_options_of_pytest_benchmark(installed, option, passed, skipped, timed):
    installed.write("light.yaml", LIGHT)
    installed.write("test_other.py", "def test_other(): pass\n")
    done = run_pytest(installed, "light.yaml", "test_other.py", option)
    assert done.returncode == 0, done.stdout + done.stderr
    summary = done.stdout.strip().splitlines()[-1]
    assert f"{passed} passed" in summary
    assert (f"{skipped} skipped" in summary) == bool(skipped)
    assert ("benchmark 'light': 2 tests" in done.stdout) == timed


FAILING = """
    suite: failing
    input: [1, 2, 3, 3]
    measure: [params, flops, latency]
    latency: {criterion: fixed, samples: 2}
    cases:
      - {label: Raises, module: "bad:Raises"}
      - {label: Leaves, module: "bad:Leaves"}
      - {label: Crashes, module: "bad:Crashes"}
      - {label: Not finite, module: "bad:NotFinite"}
      - {label: Huge, module: "bad:Good", input: [1, 8, 200000, 200000]}
      - {label: Good, module: "bad:Good"}
"""

BAD = """
    import os, signal
    import torch
    from torch import nn

    class Good(nn.Module):
        def forward(self, x):
            return x + 1

    class Raises(nn.Module):
        def forward(self, x):
            raise ValueError("a mistake of mine")

    class Leaves(nn.Module):
        def forward(self, x):
            raise SystemExit(3)

    class Crashes(nn.Module):
        def forward(self, x):
            os.kill(os.getpid(), signal.SIGSEGV)

    class NotFinite(nn.Module):
        def forward(self, x):
            return x / 0
"""


@pytest.mark.slow
def test_cases_that_fail_are_failed_tests_with_their_cause(installed):
    installed.write("bad.py", BAD)
    installed.write("failing.yaml", FAILING)
    done = run_pytest(
        installed, "failing.yaml", "-W", "error::pytest_benchmark.logger.PytestBenchmarkWarning",
        "--benchmark-json", "out.json",
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    heads, causes = [], {}
    for line in done.stdout.splitlines():
        if line.startswith("____"):
            heads.append(line.strip("_ "))
        elif heads and line and heads[-1] not in causes:
            causes[heads[-1]] = line
    assert causes.keys() == {"Raises", "Leaves", "Crashes", "Not finite", "Huge"}
    assert "error: ValueError: a mistake of mine" in causes["Raises"]
    assert "error: the module ended the process: exit code 3" in causes["Leaves"]
    assert "killed: killed by SIGSEGV" in causes["Crashes"]
    assert "invalid: 18 of 18 output elements are NaN or infinite" in causes["Not finite"]
    assert "oom: predicted" in causes["Huge"]
    assert "1 passed" in done.stdout
    saved = json.loads((installed.folder / "out.json").read_text())["benchmarks"]
    assert [b["name"] for b in saved] == ["Good"]
    assert installed.survivors() == []


def test_mistakes_of_a_suite_are_one_line_each(installed):
    installed.write(
        "wrong.yaml",
        """
        suite: wrong
        inputt: [1, 8, 6, 6]
        cases:
          - {label: A, module: self_attentionn, input: [1, 8, 6, 6]}
          - {label: B, module: self_attention, input: [1, 8, 6, 6], pass: nothing}
        """,
    )
    installed.write("nameless.yaml", "cases: [{label: A, module: ppm, input: [1, 8, 6, 6]}]\n")
    done = run_pytest(installed, "wrong.yaml", "nameless.yaml")
    assert done.returncode == 2
    lines = [line for line in done.stdout.splitlines() if line.startswith(("wrong", "nameless"))]
    assert [line.split(": ")[0].split(":")[:2] for line in lines] == [
        ["wrong.yaml", "3"], ["wrong.yaml", "5"], ["wrong.yaml", "6"], ["nameless.yaml", "1"],
    ]  # fmt: skip
    assert "did you mean self_attention?" in lines[1]
    assert "Traceback" not in done.stdout
    assert "2 errors" in done.stdout


def test_included_suites_and_selection(installed):
    installed.write("part.yaml", MINI)
    installed.write(
        "main.yaml", "suite: main\nmodule: ppm\ninput: [1, 8, 6, 6]\ninclude: [part.yaml]\n"
    )
    chosen = run_pytest(
        installed, "main.yaml::mini::B [2]", "main.yaml::ppm", "--collect-only", "-q"
    )
    assert listed(chosen) == ["main.yaml::mini::B [2]", "main.yaml::ppm"]


def test_without_pytest_benchmark_it_says_what_to_install(installed):
    installed.write("mini.yaml", MINI)
    done = run_pytest(installed, "mini.yaml", "-p", "no:benchmark")
    assert done.returncode == 2
    assert "pip install pytest-benchmark" in done.stdout
    assert "Traceback" not in done.stdout


class TestCollectsOnlyWhatIsAsked:
    @pytest.fixture
    def folder(self, installed) -> User:
        (installed.folder / "suites" / "below").mkdir(parents=True)
        (installed.folder / "elsewhere").mkdir()
        installed.write("suites/mini.yaml", MINI)
        installed.write("suites/below/more.yml", MINI.replace("suite: mini", "suite: more"))
        installed.write("suites/recipe.yaml", "epochs: 3\n")
        installed.write("elsewhere/mini.yaml", MINI)
        installed.write("elsewhere/settings.yaml", "color: red\n")
        installed.write(
            "test_lean.py",
            """
            import sys

            def test_nothing_heavy_is_imported():
                heavy = {"torch", "pydantic", "ruamel.yaml", "harness.suite", "pandas"}
                assert not heavy & set(sys.modules)
                assert "harness.pytest_plugin" in sys.modules
            """,
        )
        return installed

    def test_folders_alone_give_no_suites_and_no_imports(self, folder):
        done = run_pytest(folder, ".", "suites", "-v")
        assert done.returncode == 0, done.stdout
        assert "1 passed" in done.stdout
        assert ".yaml" not in done.stdout

    def test_all_below_suites_when_asked(self, folder):
        done = run_pytest(folder, ".", "--harness-suites", "--collect-only", "-q")
        named = [line.split("::")[0] for line in done.stdout.splitlines() if "::" in line]
        assert set(named) == {"suites/mini.yaml", "suites/below/more.yml", "test_lean.py"}
        assert named.count("suites/mini.yaml") == 3

    def test_other_yaml_is_left_to_others(self, folder):
        done = run_pytest(folder, "elsewhere/settings.yaml")
        assert done.returncode == 4  # nobody collects it
        assert "not found" in done.stderr
