"""Printed tables of toolboxes and model zoos: rows of each suite, and what explains the others.

A run of `efficiency_more` judges every row; here are those that cost little. HRNet and training
memory are left to it.
"""

import pytest
from paper_rows import SUITES, row, suite
from ruamel.yaml import YAML

from harness.judge.printed import figure as printed
from harness.judge.verdict import annotate, reference_table, within

STRIDED = -3 * 256 * 128 * (56**2 - 28**2) / 1e9  # the same product at each of the three stages
# 128 channels at 56 x 56, 256 at 28 x 28 and 512 at 14 x 14, of each three quarters less.
NORMED = -2.5 * 0.75 * 128 * 56**2 * (1 + 1 / 2 + 1 / 4) / 1e9
# Weights of ResNet-50's convolutions, each kernel once.
PAIRS = 6_692_960 * 2
CLASSIFIERS = 2 * (512 * 19 + 19)

# Verdicts other than `agrees` of the rows below; for what is explained, what meets the printed
# figure when it is added to ours.
ROWS = {
    "torchvision_segmentation": {"fcn_resnet50": {}},
    "torchvision_backbones": {"resnet18": {}},
    "timm": {"resnet50d": {}},
    "mmsegmentation_flops": {"PSPNet R-50-D8": {}},
    "emanet_table1": {
        "ResNet-101": {},
        "DeeplabV3": {"memory_mb": 256 * 65 * 65 * 4 / 2**20},
        "PSANet": dict.fromkeys(("gflops", "params_m", "memory_mb")),
        "EMANet(256)": {"gflops": None, "params_m": 64 * 256 / 1e6, "memory_mb": None},
        "EMANet(512)": {"memory_mb": None},
    },
    "ccnet": {
        "Non-local": {},
        "CCA (R=1)": {},
        "RCCA (R=2) over Non-local": {"memory_ratio": None},
    },
    "imgclsmob_segmentation": {
        "DANet ResNet(D)-50b, 19 classes": {
            "params": CLASSIFIERS,
            "gflops_half": 2 * 512 * 19 * 60 * 60 / 1e9,
        },
    },
    "imgclsmob_blocks": {
        "ResNet-50": {"gflops_half": STRIDED + NORMED - PAIRS / 2e9},
    },
}


@pytest.mark.parametrize("name", sorted(ROWS))
def test_rows_agree_or_are_known_not_to(name):
    part = suite(f"printed/{name}")
    memory = "memory" in next(iter(part.jobs)).metrics
    rows = [row(f"printed/{name}", label, memory=memory) for label in ROWS[name]]
    for label, each in zip(ROWS[name], annotate(rows, part), strict=True):
        others = ROWS[name][label]
        assert each["verdicts"], label
        for figure, found in each["verdicts"].items():
            if found["verdict"] == "not judged":
                assert figure in ("miou", "miou_ms")
                continue
            more = others.get(figure, 0.0)
            spec = part.reference.figures.get(figure)
            own = spec.tolerance if spec is not None else None
            tolerance = part.reference.tolerance if own is None else own
            text = printed(found["printed_text"])
            if more is None:
                assert found["verdict"] == "not reproducible", (label, figure)
                assert not within(found["ours"], text, max(tolerance, 0.002)), (label, figure)
            else:
                word = "explained" if figure in others else "agrees"
                assert (label, figure, found["verdict"]) == (label, figure, word)
                assert within(found["ours"] + more, text, tolerance), (label, figure)


def test_every_printed_suite_runs_with_the_others_and_says_where_its_figures_are_from():
    parts = suite("efficiency_more").parts()
    assert {part.path for part in parts} == set((SUITES / "printed").glob("*.yaml"))
    for part in parts:
        table = reference_table(part)
        assert table.url
        held = YAML(typ="safe").load(table.path.read_text())["tables"][table.key]
        assert len(held["source"].split()) >= 3, table.key


def test_not_one_row_of_training_memory_is_called_reproduced():
    reference = suite("printed/mmsegmentation_memory").reference
    labels = {job.label for job in suite("printed/mmsegmentation_memory").jobs}
    assert set(reference.figures["memory_gb"].not_reproducible) == labels
