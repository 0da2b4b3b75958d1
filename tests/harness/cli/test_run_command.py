"""`harness run`: what it prints where, what it keeps, how it ends."""

import json
import os
import re
import subprocess

import pytest
from harness_user import MINI

STORED = {
    "label",
    "status",
    "params",
    "conv_macs",
    "matmul_macs",
    "elementwise_ops",
    "uncounted_ops",
    "flops",
    "live_peak_bytes",
    "param_bytes",
    "latency_seconds",
    "latency_low_seconds",
    "latency_high_seconds",
    "reported",
    "verdict",
}
HEADS = """
suite: heads
measure: [flops]
cases:
  - {label: PPM, module: ppm, input: [1, 2048, 128, 128]}
  - {label: RCCA, module: ppm, input: [1, 2048, 64, 64]}
reference: {paper: ocnet, table: table4}
tables: [{columns: [label, flops, verdict]}]
"""
TABLE = "tables: [{columns: [label, params, flops, status, conv_macs, matmul_macs, pass, dtype]}]"


def test_a_run_and_its_files(user):
    user.write("mini.yaml", MINI + f"    {TABLE}\n    plots: [{{kind: bar, y: params}}]\n")
    done = user.run("run", "mini.yaml", "--dtype", "bfloat16", "--threads", "1", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout, parse_constant=pytest.fail)
    assert [row["label"] for row in rows] == ["A", "B", "C"]
    for row in rows:
        assert set(row) >= STORED
        assert (row["status"], row["dtype"], row["threads"]) == ("ok", "bfloat16", 1)
        assert row["param_bytes"] == 2 * row["params"]
        assert row["flops"] == 2 * (row["conv_macs"] + row["matmul_macs"]) > 0
    assert user.survivors() == []

    (run,) = user.runs()
    assert (run.parent / "latest").resolve() == run
    assert {p.name for p in run.iterdir()} == {"run.json", "records.jsonl", "tables", "plots"}
    assert {p.suffix for p in (run / "tables").iterdir()} == {".md", ".csv", ".tex"}
    assert {p.suffix for p in (run / "plots").iterdir()} == {".pdf", ".png", ".svg", ".txt"}
    # Static cases run two at a time and are recorded as they end.
    assert sorted(r["label"] for r in user.records()) == ["A", "B", "C"]
    described = json.loads((run / "run.json").read_text(), parse_constant=pytest.fail)
    assert [job["label"] for job in described["suite"]["jobs"]] == ["A", "B", "C"]
    assert described["suite"]["jobs"][0]["dtype"] == "bfloat16"
    assert {"machine", "machine_key", "python", "libraries", "git"} <= set(described["environment"])
    assert "run mini.yaml --dtype bfloat16" in described["command"]

    plain = done.stderr.splitlines()
    assert plain[0] == "mini: 3 cases, cpu, 1 thread, bfloat16 (Ctrl-C keeps what is done)"
    assert re.fullmatch(r"\[3/3\] mini: 3 of 3 ok, \d+ s", plain[1])
    assert "\x1b" not in done.stderr
    # Eight columns stand side by side where no terminal sets a width.
    assert sum("Label" in line for line in plain) == 1
    assert str(run.relative_to(user.folder)) in done.stderr


def test_tables_go_to_stdout_and_progress_to_stderr(user):
    user.write("mini.yaml", MINI + f"    {TABLE}\n")
    done = user.call("run", "mini.yaml", "--only", "C", "--only", "A", "--metrics", "params")
    assert done.returncode == 0, done.stderr
    assert "Label" in done.stdout
    assert "Label" not in done.stderr
    assert "[2/2]" in done.stderr
    assert sorted(r["label"] for r in user.records()) == ["A", "C"]
    assert user.records()[0]["metrics"] == ["params"]
    assert user.records()[0]["values"].keys() == {
        *("params", "frozen_params", "param_bytes", "buffer_bytes")
    }


def test_overrides_of_input_and_metrics(user):
    user.write("mini.yaml", MINI)
    done = user.call("run", "mini.yaml", "--input", "2,8,5,3", "--metrics", "static", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {tuple(row["input"][0]) for row in rows} == {(2, 8, 5, 3)}
    assert all(row["flops"] > 0 and row["live_peak_bytes"] > 0 for row in rows)
    assert all(row["latency_seconds"] is None for row in rows)
    assert all(row["witness"] is None for row in rows)  # this suite asks for no second witness

    user.write("asked.yaml", MINI.replace("[params, flops]", "[params, witness]"))
    asked = user.call("run", "asked.yaml", "--metrics", "static", "--json")
    assert all(row["witness"]["conv"]["agree"] for row in json.loads(asked.stdout))


NOISY = """
    import os, sys, threading
    from torch import nn

    print("noise of Python")
    os.system("echo noise of a shell")
    os.chdir("/")
    sys.stdout = None

    class Block(nn.Module):
        def __init__(self, in_channels: int):
            super().__init__()
            print("noise of a constructor")
        def forward(self, x):
            print("noise of a pass")
            return x
        def algorithmic_macs(self, shape):
            return 7
"""


def test_stdout_is_ours_whatever_a_module_prints(user):
    user.write("noisy.py", NOISY)
    user.write(
        "noisy.yaml",
        "suite: noisy\ninput: [1, 8, 6, 6]\nmeasure: [params, flops]\nmodule: noisy:Block\n",
    )
    done = user.run("run", "noisy.yaml", "--json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout, parse_constant=pytest.fail)
    assert row["algorithmic_macs"] == 7
    assert "noise of Python" in done.stderr
    assert "noise of a shell" in done.stderr
    assert "noise of a pass" not in done.stderr
    assert len(user.runs("noisy")) == 1  # under the folder the user stood in


def one_line(done, *parts):
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.strip().splitlines()
    for part in parts:
        assert part in line
    return line


def test_a_gpu_that_is_not_there_is_one_line(user):
    environment = user.environment | {"CUDA_VISIBLE_DEVICES": ""}
    user.write("mini.yaml", MINI)
    done = user.run("run", "mini.yaml", "--device", "cuda", "--metrics", "latency", env=environment)
    one_line(done, "'A' and 2 more: device cuda", "no GPU", "--device cpu")
    assert done.stdout == ""
    assert not (user.folder / "results").exists()


@pytest.mark.parametrize("out", ["file", "/proc/nowhere", "/dev/null"])
def test_a_place_that_cannot_be_written_is_one_line(user, out):
    user.write("mini.yaml", MINI)
    user.write("file", "text")
    done = user.call("run", "mini.yaml", "--out", out)
    one_line(done, f"{out}/mini/", "cannot create the run directory", "--out")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--resume"], ["no run of these cases here", "without --resume"]),
        (["--only", "D"], ["no case is labelled D"]),
        (["--metrics", "speed"], ["metrics", "speed"]),
        (["--input", "1,x"], ["--input 1,x", "whole numbers"]),
        (["--input", "1,8,0,6"], ["--input 1,8,0,6", "at least 1"]),
        (["--input", ";"], ["--input ;", "at least 1"]),
        (["--dtype", "int8"], ["dtype"]),
        (["--threads", "0"], ["threads"]),
    ],
)
def test_mistakes_are_one_line(user, arguments, parts):
    user.write("mini.yaml", MINI)
    one_line(user.call("run", "mini.yaml", *arguments), *parts)


def test_a_module_that_raises_at_import_is_one_line(user):
    user.write("broken.py", "raise RuntimeError('at import\\nsecond line')")
    user.write("s.yaml", "suite: s\ninput: [1, 8, 6, 6]\nmodule: broken:Block\n")
    one_line(user.call("run", "s.yaml"), "s.yaml:3:", "RuntimeError: at import second line")


BROKEN_THERE = """
    import multiprocessing
    from torch import nn

    if multiprocessing.parent_process() is not None:
        raise RuntimeError("only in a worker")

    class Block(nn.Module):
        pass
"""


def test_a_module_that_fails_to_import_in_the_worker_is_a_row(user):
    user.write("broken.py", BROKEN_THERE)
    user.write("s.yaml", "suite: s\ninput: [1, 8, 6, 6]\nmeasure: params\nmodule: broken:Block\n")
    done = user.call("run", "s.yaml", "--json")
    assert done.returncode == 1, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["status"] == "error"
    assert "RuntimeError: only in a worker" in row["cause"]


def test_tables_that_cannot_be_written_keep_the_records(user):
    user.write("mini.yaml", MINI + f"    {TABLE}\n")
    # A full disk for everything above 3 KB: the records fit, the description of the run as well.
    script = 'ulimit -f 16; exec "$@"'
    user.write("mini.yaml", MINI + f"    {TABLE}\n    plots: [{{kind: bar, y: params}}]\n")
    command = ["bash", "-c", script, "bash", *_command(), "run", "mini.yaml"]
    done = subprocess.run(
        command, cwd=user.folder, env=user.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "plots/" in last
    assert "the records are kept in results/runs/mini/" in last
    assert "Label" in done.stdout  # what was measured is shown all the same
    assert len(user.records()) == 3


def _command():
    from harness_user import COMMAND

    return COMMAND


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.slow
def test_a_full_disk_is_one_line_and_loses_nothing(user):
    disk = user.folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("this container may not mount")
    try:
        labels = "\n".join(f"  - {{label: L{n}, module: se}}" for n in range(24))
        user.write(
            "mini.yaml",
            f"suite: mini\ninput: [1, 32, 4, 4]\nmeasure: params\ncases:\n{labels}\n",
        )
        done = user.run("run", "mini.yaml", "--out", "disk", "--verbose")
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert "No space left on device" in done.stderr.strip().splitlines()[-1]
        (run,) = [p for p in (disk / "mini").iterdir() if not p.is_symlink()]
        content = (run / "records.jsonl").read_bytes()
        kept = [json.loads(line)["label"] for line in content.split(b"\n")[:-1]]
        assert content.endswith(b"\n")
        assert len(kept) == done.stderr.count(": ok, ")
        assert user.survivors() == []
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_reader_that_leaves_early_is_no_crash(user):
    script = f"{' '.join(_command())} list | head -n 1"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=user.folder, env=user.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("redirected", "code", "said"),
    [
        ("2>/dev/full", 0, ""),
        (">/dev/full", 1, "stdout cannot be written: No space left on device"),
    ],
)
def test_an_output_that_cannot_be_written_costs_no_result(user, redirected, code, said):
    user.write("mini.yaml", MINI + f"    {TABLE}\n")
    script = f"exec {' '.join(_command())} run mini.yaml {redirected}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=user.folder, env=user.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code
    assert len(user.records()) == 3
    assert list((user.runs()[-1] / "tables").iterdir())
    assert "".join(done.stderr.splitlines()[-1:]) == said


def test_a_deleted_folder_is_one_line(user):
    script = f"mkdir gone; cd gone; rmdir ../gone; exec {' '.join(_command())} list"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=user.folder, env=user.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    line = "the current folder was deleted or moved; change to another one\n"
    assert done.stderr == line


def test_an_output_without_unicode_is_no_crash(user):
    user.write("mini.yaml", MINI.replace("label: A", "label: Größe 日本") + f"    {TABLE}\n")
    environment = user.environment | {"PYTHONIOENCODING": "ascii"}
    done = user.run("run", "mini.yaml", env=environment)
    assert done.returncode == 0, done.stderr
    assert "Gr??e" in done.stdout
    assert "printed figures" not in done.stdout  # there are none, and nothing is said of them
    user.write("heads.yaml", HEADS)
    done = user.run("run", "heads.yaml", env=environment)
    assert re.search(r"PPM .* 618\.580 +619 +-0\.07 a +reproduced$", done.stdout, re.MULTILINE)
    assert re.search(r"RCCA .* +804 +-80\.76 d +0 of 1 agree$", done.stdout, re.MULTILINE)
    assert "1 of 2 judged figures agree a, 1 differs d" in done.stdout
    assert "?" not in done.stdout
    assert done.stdout.splitlines()[-1] == (
        "6 printed figures: 1 agrees, 1 differs, 0 explained, 0 not reproducible, 4 not judged"
    )


def test_no_text_becomes_an_emoji(user):
    filler = "\n" * (99 - MINI.count("\n"))
    user.write("mini.yaml", f"{MINI}{filler}    convention: [1]\n")
    done = user.call("validate", "mini.yaml")
    assert re.search(r"mini\.yaml:100:\d+: convention", done.stderr), done.stderr
    user.write("fire.yaml", MINI.replace("A", ":fire:", 1))
    done = user.call("run", "fire.yaml", "--metrics", "params", "--verbose")
    assert ":fire:: ok" in done.stderr
    assert ":fire:" in done.stdout


def test_how_long_a_shipped_suite_takes_is_said_of_it_as_it_is(user):
    """Not of other inputs, for which nobody has measured that."""
    small = user.call("run", "ocnet_figure4", "--input", "1,512,8,8")
    assert small.returncode == 0, small.stderr
    assert small.stderr.startswith("ocnet-figure4: 2 cases, cpu, float32 (Ctrl-C")
    counted = user.call("run", "srnet_table1")
    assert re.match(r"srnet-table1: 30 cases, cpu, float32; about \d+ s \(", counted.stderr)
