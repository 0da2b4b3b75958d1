"""Squeeze Reasoning of SRNet (Li et al. 2021)."""

from collections.abc import Sequence
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn

from context_modules.attention import attend
from context_modules.layers import ConvBNReLU, one_of

Squeeze = Literal["gap", "ghp"]
Reasoning = Literal["none", "fc", "gcn", "sa"]


class SqueezeReasoning(nn.Module):
    """Squeeze Reasoning module (SRNet, Eq. 3 to 7, Figure 2): (B, C, H, W) -> (B, C, H, W).

    Three steps. Node squeezing: the map, reduced to C / ratio channels, becomes one global vector.
    Node graph reasoning: the vector is K nodes of M channels, K * M = C / ratio, among which a
    small graph exchanges information. Feature reconstruction: the reasoned vector scales the
    channels of the reduced map, which a 1x1 convolution brings back to C; the input is added.

    Complexity: 2 * H * W * C^2 / ratio MACs of 1x1 convolutions (3 * with `ghp`), O(C * H * W) of
    squeezing and scaling, K * M * (K + M) of reasoning. The affinity takes O(K^2 + M^2) memory,
    whatever H and W (SRNet, Table 1).

    What the paper leaves open: the convolutions are followed by batch norm and no ReLU, which
    gives the printed 0.26 M and 0.40 M parameters of Table 3 together with its FLOPs; the gate is
    the ReLU of the reasoning, without a sigmoid; `none` scales by the squeezed vector itself.

    The first author's public code is another function under the same name, so that its weights
    do not fit: three reductions, a grouped expansion with group norm, a Hadamard sum, Z plus
    ReLU(BN(A Z)), and channels in another order between squeeze and gate. The equations explain the
    printed memory of Table 3 better: 110.75 printed, 109.75 by them, 91.3 by that code.

    Args:
        in_channels: C.
        squeeze: `gap` global average pooling, `ghp` global Hadamard pooling (Eq. 4).
        reasoning: `gcn` graph convolution with a learned adjacency (Eq. 5), `sa` self-attention
            (Eq. 6), `fc` one fully connected layer, `none` (Table 2).
        nodes: K; 16 in the paper.
        reduction: ratio of C to the channels that are squeezed; 2 in the paper.
        hadamard: `mean` over the positions, or `sum`, as Eq. 4 prints it. The sum grows with H * W,
            so that a module trained at one size means something else at another.
        sa_softmax: normalise the affinity of `sa`; Eq. 6 prints none.

    Raises:
        ValueError: an argument is not one of its choices, or the channels do not divide.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        squeeze: Squeeze = "ghp",
        reasoning: Reasoning = "gcn",
        nodes: int = 16,
        reduction: int = 2,
        hadamard: Literal["mean", "sum"] = "mean",
        sa_softmax: bool = False,
    ) -> None:
        super().__init__()
        one_of("squeeze", squeeze, get_args(Squeeze))
        one_of("reasoning", reasoning, get_args(Reasoning))
        one_of("hadamard", hadamard, ("mean", "sum"))
        _require_division(in_channels, reduction, nodes)
        reduced = in_channels // reduction
        self.squeeze = squeeze
        self.hadamard = hadamard
        self.reasoning = reasoning
        self.nodes = nodes
        self.channels = reduced // nodes
        self.reduce = ConvBNReLU(in_channels, reduced, relu=False)
        if squeeze == "ghp":
            self.reduce_other = ConvBNReLU(in_channels, reduced, relu=False)
        self.reason = _reasoning(reasoning, nodes, reduced // nodes, sa_softmax)
        self.restore = ConvBNReLU(reduced, in_channels, relu=False)  # W_R of Eq. 7

    def forward(self, x: Tensor) -> Tensor:
        """Refine features by reasoning in node space: (B, C, H, W) -> (B, C, H, W) (Eq. 7)."""
        reduced = self.reduce(x)  # (B, K M, H, W)
        gate = self._gate(x, reduced)  # (B, K M, 1, 1)
        return x + cast(Tensor, self.restore(reduced * gate))

    def node_activations(self, x: Tensor) -> Tensor:
        """The reasoned map before it is brought back to C channels, for pictures (Figure 5).

        Args:
            x: (B, C, H, W).

        Returns:
            (B, K, M, H, W): the M channels of each of the K nodes.
        """
        reduced: Tensor = self.reduce(x)
        activations = reduced * self._gate(x, reduced)
        batch, _, height, width = activations.shape
        return activations.view(batch, self.nodes, -1, height, width)

    def affinity_elements(self, input_shape: Sequence[int]) -> int:  # noqa: ARG002 - of any size
        """Elements of the relations of the reasoning, batch 1, whatever H and W.

        K^2 of the nodes (the learned A_g of Eq. 5, the product in Eq. 6) and M^2 of the channels
        within a node (W_g, rho): O(K^2 + M^2) in SRNet's Table 1. One layer over all nodes (`fc`)
        relates (K M)^2 pairs of channels; without reasoning there is no relation.

        Args:
            input_shape: (B, C, H, W).
        """
        match self.reasoning:
            case "none":
                return 0
            case "fc":
                return (self.nodes * self.channels) ** 2
            case _:
                return self.nodes**2 + self.channels**2

    def _gate(self, x: Tensor, reduced: Tensor) -> Tensor:
        vector = self._squeeze(x, reduced)  # g, (B, K M)
        graph = vector.reshape(vector.shape[0], self.nodes, -1)  # (B, K, M)
        return cast(Tensor, self.reason(graph)).flatten(1)[:, :, None, None]

    def _squeeze(self, x: Tensor, reduced: Tensor) -> Tensor:
        if self.squeeze == "gap":
            return reduced.mean(dim=(2, 3))
        product: Tensor = reduced * self.reduce_other(x)  # b_i o c_i of Eq. 4
        return product.mean(dim=(2, 3)) if self.hadamard == "mean" else product.sum(dim=(2, 3))


class GraphConvolution(nn.Module):
    """Reasoning over a learned graph (SRNet, Eq. 5): (B, K, M) -> (B, K, M).

    ReLU(W_g G (I - A_g)), where G is the nodes as columns, M x K. W_g mixes the channels within a
    node, A_g the nodes; both are 1x1 convolutions without bias.

    Args:
        nodes: K.
        channels: M.
    """

    def __init__(self, nodes: int, channels: int) -> None:
        super().__init__()
        # Over rows of nodes: Conv1d(K, K) computes A_g^T from the left, one matrix either way.
        self.adjacency = nn.Conv1d(nodes, nodes, 1, bias=False)
        self.weight = nn.Conv1d(channels, channels, 1, bias=False)

    def forward(self, graph: Tensor) -> Tensor:
        """Propagate over the Laplacian I - A_g: (B, K, M) -> (B, K, M)."""
        propagated = graph - self.adjacency(graph)  # (B, K, M)
        return cast(Tensor, self.weight(propagated.transpose(1, 2)).transpose(1, 2)).relu()


class NodeAttention(nn.Module):
    """Reasoning by self-attention among the nodes (SRNet, Eq. 6): (B, K, M) -> (B, K, M).

    ReLU(rho(G) [phi(G)^T theta(G)]), G being M x K. The product sums over the index of phi, which
    therefore plays the part of the keys here, although the text calls it the query.

    Args:
        channels: M.
        softmax: normalise each node's affinities over the nodes that it gathers from; Eq. 6
            prints none.
    """

    def __init__(self, channels: int, *, softmax: bool = False) -> None:
        super().__init__()
        self.softmax = softmax
        self.phi = nn.Linear(channels, channels, bias=False)
        self.theta = nn.Linear(channels, channels, bias=False)
        self.rho = nn.Linear(channels, channels, bias=False)

    def forward(self, graph: Tensor) -> Tensor:
        """Exchange information by correlation: (B, K, M) -> (B, K, M)."""
        phi, theta, rho = self.phi(graph), self.theta(graph), self.rho(graph)  # (B, K, M) each
        if self.softmax:
            return attend(theta, phi, rho, scale=1.0).relu()
        affinity = torch.bmm(theta, phi.transpose(1, 2))  # (B, K, K)
        return torch.bmm(affinity, rho).relu()


class FullyConnected(nn.Module):
    """One fully connected layer over all nodes and ReLU (SRNet, Table 2): (B, K, M) -> (B, K, M).

    Args:
        nodes: K.
        channels: M.
    """

    def __init__(self, nodes: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(nodes * channels, nodes * channels)

    def forward(self, graph: Tensor) -> Tensor:
        """Mix every channel of every node: (B, K, M) -> (B, K, M)."""
        return cast(Tensor, self.linear(graph.flatten(1))).relu().view_as(graph)


def _reasoning(name: Reasoning, nodes: int, channels: int, softmax: bool) -> nn.Module:
    match name:
        case "gcn":
            return GraphConvolution(nodes, channels)
        case "sa":
            return NodeAttention(channels, softmax=softmax)
        case "fc":
            return FullyConnected(nodes, channels)
        case "none":
            return nn.Identity()


def _require_division(in_channels: int, reduction: int, nodes: int) -> None:
    if reduction < 1 or in_channels % reduction:
        raise ValueError(
            f"reduction must divide in_channels, but {in_channels} / {reduction} is not an integer"
        )
    reduced = in_channels // reduction
    if nodes < 1 or reduced % nodes:
        raise ValueError(
            f"nodes must divide in_channels / reduction = {reduced}, so that all nodes have as "
            f"many channels, but {reduced} / {nodes} is not an integer"
        )
