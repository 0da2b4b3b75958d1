"""A finished run of a few networks that were trained for moments, in this process."""

import textwrap
from pathlib import Path

import pytest

from harness.case import Outcome
from harness.records.record import Record
from harness.records.run_directory import RunDirectory
from harness.suite.loader import load
from harness.training.accuracy import measure_accuracy
from harness.training.checkpoint import CHECKPOINTS_VARIABLE

SUITE = """
    suite: inner
    input: [1, 16, 16, 16]
    device: cpu
    threads: 1
    measure: [accuracy]
    recipe: grid
    data:
      {name: scenes, root: data, size: 32, gap: 4, key_size: 5, ring_width: 1, region_size: [4, 6],
       margin: 4, train: 8, val: 5}
    recipe_changes:
      steps: 3
      batch: 4
      network:
        width: 16
        backbone_arguments: {width: 16, output_stride: 2, stem_convs: 1, stem_width: 8}
    evaluation: {boundary: [], seeds: 1}
    cases:
      - label: Prior
        module: context_prior
        with: &prior {out_channels: 8, context_channels: 8, kernel_size: 3}
      - label: Prior (BCE)
        module: context_prior
        with: *prior
        recipe_changes:
          steps: 3
          batch: 4
          network:
            width: 16
            backbone_arguments: {width: 16, output_stride: 2, stem_convs: 1, stem_width: 8}
          loss: {affinity_global: 0.0}
      - {label: Nodes, module: squeeze_reasoning, with: {nodes: 4}, evaluation: {seeds: 2}}
      - label: Regions
        module: region_attention
        with: {channels: 8, out_channels: 8, end_points: true, representatives: 2}
      - label: ISA
        module: base_oc
        with: {out_channels: 8, context_channels: 8, groups: [4, 4]}
      - {label: GRID, module: graph_guided, with: {heads: [GRID_3], concatenate: true}}
      - {label: Costs, module: fcn, with: {channels: 8}, measure: [params]}
"""


def run_with_trainings(folder: Path) -> Path:
    """Its directory, `results/runs/inner/<time>`; its trainings are in `results/checkpoints`."""
    (folder / "inner.yaml").write_text(textwrap.dedent(SUITE), encoding="utf-8")
    suite = load(folder / "inner.yaml")
    directory = RunDirectory.create(
        folder / "results" / "runs", suite.name, {"suite": suite.describe()}
    )
    with pytest.MonkeyPatch.context() as patch, directory.writer() as writer:
        patch.setenv(CHECKPOINTS_VARIABLE, str(folder / "results" / "checkpoints"))
        for job in suite.jobs:
            values = measure_accuracy(job) if "accuracy" in job.metrics else {"params": 1}
            writer.append(Record.of(job, Outcome("ok", values=values), "here"))
    directory.mark_latest()
    return directory.path
