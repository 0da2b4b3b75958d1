import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.judge.verdict import annotate
from harness.suite.document import SuiteError
from harness.suite.loader import RESIZED, InputError, load, require_inputs
from harness.suite.suite import Overrides, suite_of

PLAIN = """
    suite: plain
    title: A title
    note: of the suite
    input: [2, 16, 9, 7]
    measure: [params, latency]
    with: {scale: 2}
    timeout: 30
    convention: macs
    cases:
      - {label: A, module: "blocks:Block"}
      - label: B
        module: blocks:Sized
        with: {width: 3}
        input: [[1, 4, 5, 6], [1, 4]]
        measure: static
        dtype: bfloat16
        pass: training
        threads: 2
        seed: 7
        timeout: 1.5
        note: of the case
        device: cpu
    tables: [{columns: [label, params]}]
    plots: [{kind: scatter, x: latency, y: memory}]
    reference: {paper: ocnet, table: table4}
"""


def test_a_case_takes_its_own_word_then_the_suites_then_the_default(write):
    suite = load(write("plain.yaml", PLAIN))
    a, b = suite.jobs
    assert (suite.name, suite.title, suite.convention) == ("plain", "A title", "macs")
    assert (a.suite, a.label, a.metrics, a.timeout) == ("plain", "A", ("params", "latency"), 30.0)
    assert (a.threads, a.seed, a.factors) == (None, 0, {})
    assert a.case.inputs == ((2, 16, 9, 7),)
    assert (a.case.dtype, a.case.pass_) == ("float32", "inference")
    assert a.case.arguments == {"scale": 2}
    assert b.case.inputs == ((1, 4, 5, 6), (1, 4))
    assert b.metrics == ("params", "flops", "memory", "memory_kept", "witness")
    assert (b.case.dtype, b.case.pass_, b.case.device) == ("bfloat16", "training", "cpu")
    assert (b.threads, b.seed, b.timeout) == (2, 7, 1.5)
    assert b.case.arguments == {"width": 3}  # Sized has no argument scale
    assert suite.notes == {"B": "of the case"}


def test_the_search_path_of_a_users_class_is_the_suites_folder_then_the_current(write, folder):
    write("sub/local.py", "from torch import nn\nclass Local(nn.Module): pass\n")
    path = write(
        "sub/s.yaml",
        """
        suite: s
        input: [1, 2]
        cases:
          - {module: "local:Local"}
          - {module: "blocks:Bare"}
        """,
    )
    before = list(sys.path)
    paths = {job.search_path for job in load(path).jobs}
    assert paths == {(str((folder / "sub").resolve()), str(folder.resolve()))}
    assert sys.path == before


def test_two_folders_may_have_files_of_one_name(write):
    for name in ("one", "two"):
        code = f"from torch import nn\nclass {name.title()}(nn.Module): pass\n"
        write(f"{name}/same.py", code)
        text = f"suite: {name}\ninput: [1, 2]\ncases: [{{module: 'same:{name.title()}'}}]\n"
        write(f"{name}/s.yaml", text)
    suite = load(write("all.yaml", "suite: all\ninclude: [one/s.yaml, two/s.yaml]\n"))
    assert [job.label for job in suite.all_jobs()] == ["same:One", "same:Two"]


def test_a_grid_is_the_product_less_what_is_excluded_zip_advances_together(write):
    suite = load(
        write(
            "g.yaml",
            """
            suite: g
            module: blocks:Block
            label: "k={kernel_size} m={mode} {input} {dtype}"
            grid: {kernel_size: [3, 5], mode: [sum, concat]}
            zip: {input: [[1, 8, 4, 4], [1, 8, 6, 6]], dtype: [float32, float64]}
            exclude: [{kernel_size: 5, mode: concat}, {kernel_size: 3, dtype: float64}]
            """,
        )
    )
    assert [job.label for job in suite.jobs] == [
        "k=3 m=sum 1x8x4x4 float32",
        "k=3 m=concat 1x8x4x4 float32",
        "k=5 m=sum 1x8x4x4 float32",
        "k=5 m=sum 1x8x6x6 float64",
    ]
    last = suite.jobs[-1]
    assert last.case.arguments == {"kernel_size": 5, "mode": "sum"}
    assert (last.case.inputs, last.case.dtype) == (((1, 8, 6, 6),), "float64")
    assert last.factors == {
        "kernel_size": 5,
        "mode": "sum",
        "input": [1, 8, 6, 6],
        "dtype": "float64",
    }


def test_a_grid_without_template_appends_its_axes_and_module_and_pass_are_axes(write):
    suite = load(
        write(
            "g.yaml",
            """
            suite: g
            input: [1, 8, 4, 4]
            with: {kernel_size: 3, width: 5}
            cases:
              - {label: x, module: "blocks:Block", grid: {rates: [[1, 2], [3]], scale: [1, 0.5]}}
              - grid: {module: ["blocks:Block", "blocks:Sized"], pass: [inference, training]}
            """,
        )
    )
    assert [job.label for job in suite.jobs] == [
        "x (rates=1x2, scale=1)",
        "x (rates=1x2, scale=0.5)",
        "x (rates=3, scale=1)",
        "x (rates=3, scale=0.5)",
        "blocks:Block (pass=inference)",
        "blocks:Block (pass=training)",
        "blocks:Sized (pass=inference)",
        "blocks:Sized (pass=training)",
    ]
    assert suite.jobs[-1].case.arguments == {"width": 5}
    assert suite.jobs[-1].case.pass_ == "training"


def test_parts_are_the_suites_with_jobs_depth_first(write):
    leaf = "suite: {0}\ninput: [1, 2]\ncases: [{{module: 'blocks:Bare', label: {0}}}]\n"
    write("sub/a.yaml", leaf.format("a") + "include: [b.yaml]\n")
    write("sub/b.yaml", leaf.format("b"))
    write("c.yaml", leaf.format("c"))
    suite = load(write("top.yaml", "suite: top\ninclude: [sub/a.yaml, c.yaml]\n"))
    assert [part.name for part in suite.parts()] == ["a", "b", "c"]
    assert [job.label for job in suite.all_jobs()] == ["a", "b", "c"]
    assert suite.jobs == ()


def test_overrides_apply_to_every_case_and_every_axis(write):
    path = write(
        "g.yaml",
        """
        suite: g
        module: blocks:Block
        device: cuda
        grid: {kernel_size: [1, 3], dtype: [float32, float64]}
        zip: {input: [[1, 8, 4, 4], [1, 8, 6, 6]]}
        """,
    )
    overrides = Overrides(
        inputs=((1, 3, 5, 5),),
        metrics=("static", "latency", "flops"),
        device="cpu",
        dtype="bfloat16",
        threads=3,
    )
    suite = load(path, overrides)
    assert [job.label for job in suite.jobs] == [
        "blocks:Block (kernel_size=1, dtype=bfloat16, input=1x3x5x5)",
        "blocks:Block (kernel_size=3, dtype=bfloat16, input=1x3x5x5)",
    ]
    for job in suite.jobs:
        assert (job.case.inputs, job.case.dtype) == (((1, 3, 5, 5),), "bfloat16")
        assert (job.case.device, job.threads) == ("cpu", 3)
        assert job.metrics == ("params", "flops", "memory", "memory_kept", "witness", "latency")


def test_only_keeps_labels_and_names_the_nearest_of_unknown_ones(write):
    write("b.yaml", "suite: b\ninput: [1, 2]\ncases: [{label: Other, module: 'blocks:Bare'}]\n")
    path = write("plain.yaml", PLAIN + "    include: [b.yaml]\n")
    kept = load(path, Overrides(only=("Other", "B")))
    assert [job.label for job in kept.all_jobs()] == ["B", "Other"]
    with pytest.raises(SuiteError) as error:
        load(path, Overrides(only=("Othr", "B")))
    expected = "plain.yaml: option only: no case is labelled Othr; did you mean Other?"
    assert str(error.value) == expected


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (Overrides(inputs=((0, 3),)), "inputs: expected at least 1, not 0; correct the number"),
        (Overrides(metrics=("flop",)), 'metrics: unknown value "flop"; did you mean flops?'),
        (Overrides(device="gpu"), 'device: unknown value "gpu"; the values are auto, cpu, cuda'),
        (Overrides(dtype="float23"), 'dtype: unknown value "float23"; did you mean float32?'),
        (Overrides(threads=0), "threads: expected at least 1, not 0; correct the number"),
    ],
)
def test_wrong_overrides_are_one_line(write, overrides, message):
    with pytest.raises(SuiteError) as error:
        load(write("plain.yaml", PLAIN), overrides)
    assert str(error.value) == f"plain.yaml: option {message}"


def test_an_alias_repeats_a_value(write):
    text = """
        suite: s
        cases:
          - {label: A, module: "blocks:Bare", input: &shape [1, 4, 5, 5]}
          - {label: B, module: "blocks:Bare", input: *shape}
    """
    assert {job.case.inputs for job in load(write("s.yaml", text)).jobs} == {((1, 4, 5, 5),)}


def test_the_description_is_json_and_tells_all_that_was_resolved(write):
    suite = load(write("plain.yaml", PLAIN))
    described = json.loads(json.dumps(suite.describe()))
    assert described["suite"] == "plain"
    assert described["reference"] == {"paper": "ocnet", "table": "table4"}
    assert described["jobs"][0]["key"] == suite.jobs[0].case.key
    assert described["jobs"][1]["inputs"] == [[1, 4, 5, 6], [1, 4]]
    assert described["jobs"][1]["note"] == "of the case"
    described["reference"]["decides"] = "gflops"  # by which versions before judged the whole row
    assert suite_of(described).reference == suite.reference


def test_mistakes_of_the_file_itself_are_found_without_torch(write):
    path = write("s.yaml", "suite: s\ncases: [{modul: x}]\nx: y: z\n")
    code = (
        "import sys; from pathlib import Path\n"
        "from harness.suite.document import SuiteError\n"
        "from harness.suite.loader import load\n"
        "try: load(Path(sys.argv[1]))\n"
        "except SuiteError: print('torch' in sys.modules)\n"
    )
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", code, str(path)]
    result = subprocess.run(
        command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(root)}
    )
    assert result.stdout == "False\n"


@pytest.mark.parametrize(
    ("inputs", "unjudged"),
    [
        (((1, 512, 64, 64),), "measured at another input than the paper's"),
        (((1, 512, 128, 128),), None),
        (None, None),
    ],
)
def test_no_printed_figure_is_judged_at_another_size(inputs, unjudged):
    suite = load(Path("ocnet_figure4"), Overrides(inputs=inputs))
    assert suite.reference.unjudged == unjudged
    (table,) = suite.tables
    assert (table.reported, "verdict" in table.names) == ((unjudged is None,) * 2)
    rows = [{"label": job.label, "input": job.case.inputs, "flops": 1.0} for job in suite.jobs]
    reasons = {each["reason"] for row in annotate(rows, suite) for each in row["verdicts"].values()}
    assert (RESIZED in reasons) == (unjudged is not None)


def test_an_option_that_gives_a_module_too_few_inputs_is_a_mistake():
    suite = load(Path("ranet_table3"), Overrides(inputs=((1, 2048, 9, 9),)))
    with pytest.raises(InputError, match=r"input: Asymmetric NL takes 2 \(low, high\), not 1; "):
        require_inputs(suite, 1)
    require_inputs(load(Path("ranet_table3"), Overrides(only=("RANet",))), 1)
