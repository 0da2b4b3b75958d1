"""Graph Guided Context Fusion (GGCF; Li, Yang, Chen and Wen)."""

from collections.abc import Sequence
from typing import ClassVar, get_args

import torch
from torch import Tensor, nn

from context_modules.attention import AnyKernel
from context_modules.context_pruning import ContextPruning, Order
from context_modules.graph_attention import graph_attend
from context_modules.head_graph import TRAINABLE, expand_heads, parse_head
from context_modules.layers import flatten_positions, one_of, unflatten_positions
from context_modules.trainable_edges import TrainableEdges


class GraphHead(nn.Module):
    """One head: W_k of the attention along the edges of E_k (Figure 2, left).

    Args:
        in_channels: C of the map x.
        graph: name of E_k: `FULL`, `LOCAL_S`, `GRID_T` or `TRAINABLE`.
        key_channels: d of theta and phi.
        value_channels: channels of g.
        out_channels: channels behind W_k.
        edge_hidden: hidden units of the trainable E.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        graph: str,
        key_channels: int,
        value_channels: int,
        out_channels: int,
        edge_hidden: int = 16,
    ) -> None:
        super().__init__()
        self.name = graph.upper()
        self.graph = parse_head(graph)
        self.theta = nn.Conv2d(in_channels, key_channels, 1, bias=False)
        self.phi = nn.Conv2d(in_channels, key_channels, 1, bias=False)
        self.fuse = nn.Conv2d(value_channels, out_channels, 1, bias=False)  # W_k
        self.edges = TrainableEdges(edge_hidden) if self.name == TRAINABLE else None

    def forward(
        self,
        x: Tensor,
        g: Tensor,
        *,
        scale: float | None,
        kernel: AnyKernel,
        block_keys: int,
        pruning: ContextPruning | None,
    ) -> Tensor:
        """The head's term of Eq. 3.

        Args:
            x: (B, C, H, W), channels last in memory.
            g: (B, N, value_channels).
            scale: as in `graph_attend`; likewise `kernel`, `block_keys`, `pruning`.
            kernel: see `scale`.
            block_keys: see `scale`.
            pruning: see `scale`.

        Returns:
            (B, out_channels, H, W).
        """
        height, width = (int(side) for side in x.shape[2:])  # a tracer gives tensors
        context = graph_attend(
            flatten_positions(self.theta(x)),
            flatten_positions(self.phi(x)),
            g,
            self.graph,
            (height, width),
            scale=scale,
            kernel=kernel,
            block_keys=block_keys,
            pruning=pruning,
            edge_table=None if self.edges is None else self.edges(height, width),
        )
        fused: Tensor = self.fuse(unflatten_positions(context, height, width))
        return fused

    def macs(self, height: int, width: int, pruning: ContextPruning | None) -> int:
        """Multiply-accumulates of one image by the edges of the graph, projections included."""
        neighbours = self.graph.neighbours(height, width)
        edges = sum(n * positions for n, positions in neighbours.items())
        summed = edges
        if pruning is not None:
            summed = sum(pruning.kept(n) * positions for n, positions in neighbours.items())
        d, dv = self.theta.out_channels, self.fuse.in_channels
        projections = self.theta.weight.numel() + self.phi.weight.numel()
        macs = height * width * (projections + self.fuse.weight.numel()) + edges * d + summed * dv
        return macs if self.edges is None else macs + self.edges.macs(height, width)


class GraphGuidedContextFusion(nn.Module):
    """Context of several heads, each along its own graph: (B, C, H, W) -> (B, C', H, W).

    y_i = sum_k W_k / C_ik sum_j E_k(i, j) A_k(x_i, x_j) g(x_j)      (Eq. 3)
    A_k(x_i, x_j) = exp(x_i^T W_theta,k^T W_phi,k x_j)               (Eq. 1, embedded Gaussian)
    C_ik = sum_j E_k(i, j) A_k(x_i, x_j)                             (Section 3.5)

    theta and phi belong to a head, g is shared (Section 3.5). FULL is E = 1, LOCAL_S Eq. 4, GRID_T
    Eq. 5. TRAINABLE is FULL with E from a network (Section 4.2).

    Complexity: with E edges per head and K heads, sum_k E_k (d + d_v) for the attention and
    N C (2 K d + d_v) + K N d_v C' for the projections. At 256x128x256 {LOCAL,GRID}_{8,16,24} has
    62.90 Gi multiply-accumulates of attention (the printed 63) and 38.00 Gi of projections, which
    the paper leaves out there; FULL has 512.00 + 8.00 Gi (the printed 520), where it counts them.

    What the paper leaves open, or this differs in:
        * exp() is taken after subtracting each row's maximum, which the normalisation by C cancels.
        * S is a radius as Eq. 4 says, and the window is cut at the border.
        * LOCAL heads run in tiles, so that a counter sees more than `algorithmic_macs`.
        * Context Pruning keeps its share of each position's own neighbours and normalises over the
          kept; it acts in eval mode alone ("for inference"), and the affinities count in full.
        * The concatenation with x in front of the classifier is the network's, or `concatenate`.

    Args:
        in_channels: C.
        heads: graphs, one per head: `FULL`, `LOCAL_8`, `GRID_8`, `TRAINABLE`; braces as in the
            paper's tables stand for several: `{LOCAL,GRID}_{8,16,24}` is six heads.
        key_channels: d of theta and phi; `None` means C.
        value_channels: d_v of g; `None` means C.
        out_channels: C' behind W_k; `None` means C.
        scaled: divide the logits by sqrt(d), which the paper does not.
        prune_rate: share of contexts that Context Pruning drops, in [0, 1).
        prune_keep: N contexts that it keeps, instead of a share.
        prune_order: `affinity`, or `random` for the paper's control.
        edge_hidden: hidden units of the trainable E.
        concatenate: return (y, x) concatenated, C' + C channels, as the classifier takes it.
        kernel: `fused`, `triton` or `explicit`, see `context_modules.attention`; pruned and
            trainable heads are always explicit.
        block_keys: keys gathered at once; more is faster on a GPU, less takes less memory.

    Attributes:
        evaluation_arguments: arguments that act in eval mode alone, so that networks which differ
            only in them share one training (Section 3.4 prunes for inference).

    Raises:
        ValueError: no or unknown heads, or numbers out of range.
    """

    evaluation_arguments: ClassVar[tuple[str, ...]] = ("prune_rate", "prune_keep", "prune_order")

    def __init__(
        self,
        in_channels: int,
        *,
        heads: tuple[str, ...] = ("{LOCAL,GRID}_{8,16,24}",),
        key_channels: int | None = None,
        value_channels: int | None = None,
        out_channels: int | None = None,
        scaled: bool = False,
        prune_rate: float = 0.0,
        prune_keep: int | None = None,
        prune_order: Order = "affinity",
        edge_hidden: int = 16,
        concatenate: bool = False,
        kernel: AnyKernel = "fused",
        block_keys: int = 2**14,
    ) -> None:
        super().__init__()
        names = expand_heads(heads)
        if not names:
            raise ValueError("heads is empty; name at least one graph, e.g. FULL")
        one_of("kernel", kernel, get_args(AnyKernel))
        if block_keys < 1:
            raise ValueError(f"block_keys is {block_keys}; it must be at least 1")
        pruning = ContextPruning(prune_rate, prune_keep, prune_order)
        self.pruning = pruning if prune_rate or prune_keep is not None else None
        out = _channels("out_channels", out_channels, in_channels)
        self.out_channels = out + in_channels if concatenate else out
        self.concatenate = concatenate
        self.scale = None if scaled else 1.0
        self.kernel: AnyKernel = kernel
        self.block_keys = block_keys
        d_v = _channels("value_channels", value_channels, in_channels)
        self.g = nn.Conv2d(in_channels, d_v, 1, bias=False)
        self.heads = nn.ModuleList(
            GraphHead(
                in_channels,
                graph=name,
                key_channels=_channels("key_channels", key_channels, in_channels),
                value_channels=d_v,
                out_channels=out,
                edge_hidden=edge_hidden,
            )
            for name in names
        )

    def forward(self, x: Tensor) -> Tensor:
        """Fuse the context of all heads.

        Args:
            x: (B, C, H, W).

        Returns:
            (B, C', H, W), or (B, C' + C, H, W) with `concatenate`.
        """
        # Channels last, a position's features are one run of memory, which the heads gather.
        rows_first = x.contiguous(memory_format=torch.channels_last)
        g = flatten_positions(self.g(rows_first))  # (B, N, d_v)
        y = None
        for head in self.heads:
            term = head(
                rows_first,
                g,
                scale=self.scale,
                kernel=self.kernel,
                block_keys=self.block_keys,
                pruning=None if self.training else self.pruning,
            )
            y = term if y is None else y.add_(term)
            del term
        assert y is not None, "there is at least one head"
        return torch.cat((y, x), dim=1) if self.concatenate else y.contiguous()

    def algorithmic_macs(self, input_shape: Sequence[int]) -> int:
        """Multiply-accumulates by the edges of the graphs, in eval mode, projections included.

        Smaller than what is executed where a LOCAL head computes whole tiles, and where pruned
        contexts are still multiplied by zero.

        Args:
            input_shape: (B, C, H, W).
        """
        batch, _, height, width = input_shape
        heads = [head for head in self.heads if isinstance(head, GraphHead)]
        terms = sum(head.macs(height, width, self.pruning) for head in heads)
        tables = sum(head.edges.macs(height, width) for head in heads if head.edges is not None)
        # The table of edges is one for the whole batch.
        return batch * (height * width * self.g.weight.numel() + terms - tables) + tables

    def mean_contexts(self, height: int, width: int) -> dict[str, float]:
        """Contexts per position before pruning, by graph: the figures of Section 4.2."""
        means = {}
        for head in self.heads:
            if isinstance(head, GraphHead):
                neighbours = head.graph.neighbours(height, width)
                means[head.name] = sum(n * at for n, at in neighbours.items()) / (height * width)
        return means


def _channels(name: str, given: int | None, default: int) -> int:
    if given is None:
        return default
    if given < 1:
        raise ValueError(f"{name} is {given}; it must be at least 1, or null for the input's")
    return given
