"""CUDA graphs: what can be captured is, in training too, and what cannot says so."""

from collections.abc import Iterator

from harness.selfcheck.finding import Finding, judged
from harness.selfcheck.setting import Setting

_SUITE = """\
suite: graphs
measure: [params, latency]
latency: {cuda_graph: true, max_time: 1, min_time: 0.05}
pass: training
cases:
  - {label: ISA, module: interlaced, input: [1, 512, 64, 64]}
  - {label: APNB with dropout, module: asymmetric_non_local, input: [[1, 1024, 33, 33], [1, 2048, 33, 33]]}
  - {label: RANet, module: region_attention, with: {max_regions: 24}, input: [1, 512, 33, 33]}
"""  # noqa: E501 - a case a line

_MAY_BE = {"RANet": ("ok", "unsupported")}  # its regions are found by steps that ask the GPU


def check(setting: Setting) -> Iterator[Finding]:
    """A finding a case."""
    for label, record in setting.measured("graphs", _SUITE).items():
        said = f"{record.status} ({record.cause or 'captured and replayed'})"
        yield judged(label, record.status in _MAY_BE.get(label, ("ok",)), said)
