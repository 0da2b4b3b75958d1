"""Modules of other libraries as installed, measured from the suite of other-libraries.md alone.

What is known of them independently: parameters of an instance made by hand, and the operations that
PyTorch's own counter finds while it runs on real tensors.
"""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import timm
import torch
from mmseg.models import decode_heads
from ruamel.yaml import YAML
from timm.models.vision_transformer import Block
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import SegformerConfig, SegformerForSemanticSegmentation

import harness

FOLDER = Path(__file__).parent
SUITE = FOLDER / "ecosystem.yaml"
CONSTRAINTS = FOLDER.parent / "constraints-ecosystem.txt"
PAGE = FOLDER.parent / "docs" / "guides" / "other-libraries.md"
CASES = {case["label"]: case for case in YAML(typ="safe").load(SUITE)["cases"]}

# The first test waits for the whole run.
pytestmark = pytest.mark.timeout(1200)


def head(label):
    return getattr(decode_heads, label)(**CASES[label]["with"])


MADE = {
    **{label: head for label in CASES if label.endswith("Head")},
    "ViT block": lambda _: Block(192, 3, qkv_bias=True),
    "ViT-Ti/16": lambda _: timm.create_model("vit_tiny_patch16_224"),
    "SegFormer-B0": lambda _: SegformerForSemanticSegmentation(SegformerConfig(num_labels=150)),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return harness.run(SUITE, out=tmp_path_factory.mktemp("runs"), threads=2)


@pytest.fixture(scope="module")
def rows(run):
    return {row["label"]: row for row in run.rows()}


@pytest.fixture(params=CASES)
def label(request):
    return request.param


def given(label):
    """Arguments of `forward` on real tensors."""
    said = CASES[label]["input"]
    if isinstance(said, list):
        return [torch.randn(said)], {}
    if "kwargs" in said:
        return [], {name: torch.randn(shape) for name, shape in said["kwargs"].items()}
    return [[torch.randn(shape) for shape in said["args"][0]]], {}


def witnesses(row):
    """What fvcore found at a small size, beside ours."""
    return [row["witness"][kind] for kind in ("conv", "matmul")]


def test_every_row_is_measured_on_fake_tensors_and_without_an_unknown_operator(label, rows):
    row = rows[label]
    assert (row["status"], row["cause"]) == ("ok", None)
    assert row["uncounted_ops"] == {}
    assert not [each for each in row["warnings"] if "real tensors" in each]
    assert all(kind["agree"] is not False for kind in witnesses(row))
    assert row["latency_seconds"] > 0


def test_parameters_are_those_of_an_instance_made_by_hand(label, rows):
    made = MADE[label](label)
    assert rows[label]["params"] == sum(each.numel() for each in made.parameters())


def test_operations_are_those_of_the_counter_of_pytorch_on_real_tensors(label, rows):
    made = MADE[label](label).eval()
    args, kwargs = given(label)
    # That counter knows no fused kernel of attention on the CPU.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        made(*args, **kwargs)
    row = rows[label]
    assert 2 * (row["conv_macs"] + row["matmul_macs"]) == counter.get_total_flops()


def test_the_page_shows_the_suite():
    page = PAGE.read_text(encoding="utf-8")
    assert f'```yaml title="ecosystem.yaml"\n{SUITE.read_text(encoding="utf-8")}```\n' in page


def test_the_table_of_the_page_is_the_run(run):
    command = [sys.executable, "-m", "harness", "show", str(run.directory.path)]
    options = ["--table", "figures", "--format", "markdown"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    table = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert "\n".join(table) in PAGE.read_text(encoding="utf-8")


def test_the_function_of_the_page_makes_the_same_model(rows, tmp_path, monkeypatch):
    source = re.search(
        r'```python title="segformer.py"\n(.*?)```', PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    assert source
    (tmp_path / "segformer.py").write_text(source[1], encoding="utf-8")
    case = CASES["SegFormer-B0"] | {"module": "segformer:segformer", "with": {"num_labels": 150}}
    monkeypatch.chdir(tmp_path)
    (row,) = harness.run(
        {"suite": "own", "measure": ["params", "flops", "memory"], "cases": [case]}, out="runs"
    ).rows()
    for name in ("params", "conv_macs", "matmul_macs", "live_peak_bytes"):
        assert row[name] == rows["SegFormer-B0"][name]


def test_the_page_has_the_versions_that_are_installed():
    page = PAGE.read_text(encoding="utf-8")
    for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines():
        name, _, wanted = line.partition("==")
        if wanted:
            assert version(name).partition("+")[0] == wanted
        if name in ("mmsegmentation", "mmcv-lite", "mmengine", "timm", "transformers", "torch"):
            assert wanted in page


def test_an_operator_that_is_not_compiled_says_so():
    from mmcv.ops import CrissCrossAttention, point_sample  # noqa: F401 - a name imports
    from mmcv.ops.roi_align import ext_module

    with pytest.raises(NotImplementedError, match="roi_align_forward is not compiled"):
        ext_module.roi_align_forward()


def test_a_module_of_another_library_from_the_command_line_alone(tmp_path):
    """`in_features` is the last size of the input."""
    command = [
        *(sys.executable, "-m", "harness", "run", "timm.layers:Mlp", "--input", "1,196,768"),
        *("--with", "hidden_features=3072", "--grid", "drop=0,0.1", "--metrics", "params,flops"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = harness.load("mlp", root=tmp_path / "results" / "runs").rows()
    assert [row["label"] for row in rows] == ["Mlp (drop=0)", "Mlp (drop=0.1)"]
    by_hand = timm.layers.Mlp(768, 3072)
    assert {row["params"] for row in rows} == {sum(each.numel() for each in by_hand.parameters())}
    assert {row["matmul_macs"] for row in rows} == {2 * 196 * 768 * 3072}
