"""A module and a suite of a user, small enough to be measured in a test."""

MODULE = """
    import torch
    from torch import Tensor, nn

    class Gate(nn.Module):
        def __init__(self, in_channels: int, *, maps: int = 1) -> None:
            super().__init__()
            self.score = nn.Conv2d(in_channels, maps, 1)

        def forward(self, x: Tensor) -> Tensor:
            return x * torch.sigmoid(self.score(x).mean(1, keepdim=True))
"""

SUITE = """
    suite: mine
    input: [1, 8, 9, 9]
    measure: [params, flops, latency]
    latency: {criterion: fixed, samples: 3}
    threads: 1
    cases:
      - {label: Gate, module: "gate:Gate"}
"""

NIGHTLY = """
    suite: mine
    input: [1, 8, 9, 9]
    measure: [params, latency]
    latency: {criterion: fixed, samples: 10}
    threads: 1
    repeats: 5
    cases:
      - {label: Gate, module: "gate:Gate"}
      - {label: Two maps, module: "gate:Gate", with: {maps: 2}}
"""
