"""Context Prior Layer and Aggregation Module of CPNet (Yu et al. 2020)."""

from collections.abc import Mapping
from typing import Any, Literal, cast, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.aspp import ASPP
from context_modules.attention import AnyKernel
from context_modules.implicit_prior import ImplicitPrior, implicit_prior
from context_modules.layers import ConvBNReLU, flatten_positions, one_of, pair, unflatten_positions
from context_modules.pyramid_pooling import PyramidPooling

Aggregation = Literal["am", "ppm", "aspp"]
Branches = Literal["both", "intra", "inter", "none"]
Form = Literal["published", "exact"]


class AggregationModule(nn.Module):
    """Aggregation Module (CPNet, Section 3.3 and Figure 4): (B, C0, H, W) -> (B, C1, H, W).

    A 3x3 convolution, then two fully separable convolutions (separate in space and in depth) side
    by side that share its output. Each has the receptive field of a k x k convolution at 2k instead
    of k * k * C1 multiplications per output element. Figure 4 prints no normalisation between the
    two halves of a branch, so that batch norm and ReLU come once, after the sum.

    Complexity: H * W * C1 * (9 * C0 + 4 * k) MACs.

    Args:
        in_channels: C0.
        out_channels: C1.
        kernel_size: odd k; 11 in the paper (Section 4.1), 3 to 15 in its Table 2.
        depthwise_bias: whether the four depthwise convolutions have biases, as in the released
            code: 4 * C1 parameters more, felt at the border of the map alone, since batch norm
            takes out what is the same everywhere.

    Raises:
        ValueError: `kernel_size` is even or not positive.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        out_channels: int = 512,
        kernel_size: int = 11,
        depthwise_bias: bool = False,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(
                f"kernel_size must be odd and positive, so that the map keeps its size, "
                f"not {kernel_size}"
            )
        k = kernel_size
        self.reduce = ConvBNReLU(in_channels, out_channels, 3)
        self.rows_then_columns = _fully_separable(out_channels, (k, 1), (1, k), depthwise_bias)
        self.columns_then_rows = _fully_separable(out_channels, (1, k), (k, 1), depthwise_bias)
        self.activate = nn.Sequential(nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        """Aggregate the k x k surroundings of every position: (B, C0, H, W) -> (B, C1, H, W)."""
        x = self.reduce(x)  # (B, C1, H, W)
        x = self.rows_then_columns(x) + self.columns_then_rows(x)
        return cast(Tensor, self.activate(x))


class ContextPriorLayer(nn.Module):
    """Context Prior Layer (CPNet, Section 3.2 and Figure 2): (B, C0, H, W) -> (B, C, H, W).

    The prior map P, (B, N, N) with N = H * W, says for each query pixel (row) which pixels (column)
    are of its class. It selects the intra-class context Y = P X / N, and its reverse the
    inter-class context (1 - P) X / N, of the aggregated features X, (B, N, C1). Each context passes
    a 1x1 convolution; the input and the contexts are concatenated and fused by a 3x3 convolution.

    Complexity: N * (9 * C0 * C1 + C1 * N + 2 * C1^2 + 9 * (C0 + 2 * C1) * C) MACs of convolutions
    plus 2 * N^2 * C1 ("published") or N^2 * C1 ("exact") of context; memory O(N^2).

    Beyond the text of the paper, which writes Y = P X alone: the division by N, without which the
    contexts grow with the map, and the 1x1 convolutions on them, both after the authors' code.

    The channels of P are the positions of the map, so that the layer is bound to one map size;
    larger images are cut into crops. P is learned through
    `context_modules.affinity_loss.AffinityLoss`:

        output, prior = layer.forward_with_prior(features)
        loss = segmentation_loss(classifier(output), labels) + affinity_loss(prior, small_labels)

    Attributes:
        gives_extras: whether there is a prior for `forward_with_prior`.

    Args:
        in_channels: C0.
        input_size: (H, W) of the map, which fixes N.
        out_channels: C, channels of the output.
        context_channels: C1, channels of the aggregated features and of each context.
        aggregation: what gathers local context before the prior (CPNet, Table 3): `am` the
            Aggregation Module, `ppm` the Pyramid Pooling Module, `aspp` Atrous Spatial Pyramid
            Pooling.
        kernel_size: odd k of the Aggregation Module; the other two do not have it.
        aggregation_arguments: further arguments of the aggregation, such as rates of `aspp` for a
            small map, or `depthwise_bias` of `am`.
        branches: contexts in the output (Table 1): `both`, `intra`, `inter`, or `none`: the
            aggregation alone, as in the columns "w/o CP" of Tables 2 and 3.
        form: `published` multiplies by P and by the materialised 1 - P; `exact` uses
            (1 - P) X = colsum(X) - P X, the same function with one product and no second N x N
            map. In half precision its inter-class context carries the rounding of colsum(X).
        kernel: `explicit` holds the prior map. `fused` goes through its rows block by block and
            makes each block again in the backward, (1 - P) X as `exact` does in either form;
            `triton` goes through them by kernels, on a GPU. With both `forward_with_prior` still
            gives the map that it is asked for, `implicit_forward` what it is made of.

    Raises:
        ValueError: an argument is not one of its choices, `input_size` is not two positive
            integers, or `am` is given arguments of the others.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        input_size: tuple[int, int],
        out_channels: int = 512,
        context_channels: int = 512,
        aggregation: Aggregation = "am",
        kernel_size: int = 11,
        aggregation_arguments: Mapping[str, Any] | None = None,
        branches: Branches = "both",
        form: Form = "published",
        kernel: AnyKernel = "explicit",
    ) -> None:
        super().__init__()
        one_of("aggregation", aggregation, get_args(Aggregation))
        one_of("branches", branches, get_args(Branches))
        one_of("form", form, get_args(Form))
        one_of("kernel", kernel, get_args(AnyKernel))
        self.input_size = pair("input_size", input_size)
        self.branches = branches
        self.gives_extras = branches != "none"
        self.form = form
        self.kernel: AnyKernel = kernel
        # Without a prior nothing follows the aggregation, which then makes the output itself.
        aggregated = out_channels if branches == "none" else context_channels
        self.aggregate = _aggregation(
            aggregation, in_channels, aggregated, kernel_size, aggregation_arguments or {}
        )
        if branches == "none":
            return
        positions = self.input_size[0] * self.input_size[1]
        self.predict_prior = nn.Sequential(
            nn.Conv2d(context_channels, positions, 1, bias=False),
            nn.BatchNorm2d(positions),
        )
        if branches != "inter":
            self.intra = ConvBNReLU(context_channels, context_channels)
        if branches != "intra":
            self.inter = ConvBNReLU(context_channels, context_channels)
        contexts = 2 if branches == "both" else 1
        self.fuse = ConvBNReLU(in_channels + contexts * context_channels, out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Enrich features by their intra-class and inter-class context.

        Args:
            x: (B, C0, H, W), with the (H, W) given at construction.

        Returns:
            (B, C, H, W).

        Raises:
            ValueError: the map has another size.
            NotImplementedError: `kernel: triton` without a GPU or Triton, or in float64.
        """
        self._require_size(x)
        if self.kernel != "explicit" and self.branches != "none":
            # Nothing here names the prior, which goes as soon as it has been used.
            return self._joined(x, self._implicit_prior(x))
        features = self.aggregate(x)  # (B, C1, H, W)
        if self.branches == "none":
            return cast(Tensor, features)
        # The prior lives no longer than its products, since nothing here names it.
        contexts = self._contexts(features, self._prior(features))
        return cast(Tensor, self.fuse(torch.cat([x, *contexts], dim=1)))

    def forward_with_prior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The output of `forward` and the prior map that made it, for losses and pictures.

        Args:
            x: (B, C0, H, W).

        Returns:
            The output, (B, C, H, W), and P, (B, N, N) in [0, 1]: row = query pixel, column = the
            pixel that it looks at, both row-major.

        Raises:
            ValueError: the map has another size, or the layer was built with `branches="none"`.
        """
        self._require_prior()
        self._require_size(x)
        features = self.aggregate(x)
        prior = self._prior(features)
        contexts = self._contexts(features, prior)
        return self.fuse(torch.cat([x, *contexts], dim=1)), prior

    def forward_for_losses(self, x: Tensor) -> tuple[Tensor, dict[str, Tensor | ImplicitPrior]]:
        """The output of `forward`, and as `prior` what `FusedAffinityLoss` takes.

        The map P under `kernel: explicit`; else what it is made of, so that a training holds none.

        Args:
            x: (B, C0, H, W).

        Raises:
            ValueError: as `forward_with_prior`.
            NotImplementedError: as `forward`.
        """
        held = self.kernel == "explicit"
        out, prior = self.forward_with_prior(x) if held else self.implicit_forward(x)
        return out, {"prior": prior}

    def implicit_forward(self, x: Tensor) -> tuple[Tensor, ImplicitPrior]:
        """The output of `forward` and what the prior is made of, for `FusedAffinityLoss`.

        Args:
            x: (B, C0, H, W).

        Raises:
            ValueError: as `forward_with_prior`.
            NotImplementedError: as `forward`.
        """
        self._require_prior()
        self._require_size(x)
        prior = self._implicit_prior(x)
        return self._joined(x, prior), prior

    def _implicit_prior(self, x: Tensor) -> ImplicitPrior:
        by_triton = self.kernel == "triton"
        return implicit_prior(self.aggregate(x), self.predict_prior, by_triton=by_triton)

    def _joined(self, x: Tensor, prior: ImplicitPrior) -> Tensor:
        """The output from the input and what the prior selects.

        The fusing convolution takes input and contexts one by one and sums, so that they are never
        concatenated, nor alive together.
        """
        selected, total = prior.means()  # P X / N (B, N, C1) and 1 X / N (B, 1, C1)
        del prior
        convolution, *rest = self.fuse
        widths = [x.shape[1]] + [selected.shape[2]] * (2 if self.branches == "both" else 1)
        parts = iter(cast(nn.Conv2d, convolution).weight.split(widths, dim=1))
        out = F.conv2d(x, next(parts), padding=1)
        height, width = self.input_size
        if self.branches != "inter":
            context = self.intra(unflatten_positions(selected, height, width))
            out += F.conv2d(context, next(parts), padding=1)
            del context
        if self.branches != "intra":
            selected = total - selected
            context = self.inter(unflatten_positions(selected, height, width))
            del selected
            out += F.conv2d(context, next(parts), padding=1)
        for layer in rest:
            out = layer(out)
        return out

    def _prior(self, features: Tensor) -> Tensor:
        logits = self.predict_prior(features)  # (B, N, H, W): the channels are the keys
        # In place: batch norm does not need its output again, and one N x N map is saved.
        return flatten_positions(logits.sigmoid_())  # (B, N, N)

    def _contexts(self, features: Tensor, prior: Tensor) -> list[Tensor]:
        rows = flatten_positions(features)  # (B, N, C1)
        contexts = []
        if self.form == "published":
            if self.branches != "inter":
                contexts.append(self._transform(self.intra, torch.bmm(prior, rows)))
            if self.branches != "intra":
                contexts.append(self._transform(self.inter, torch.bmm(1 - prior, rows)))
            return contexts
        selected = torch.bmm(prior, rows)  # P X
        if self.branches != "intra":
            reverse = rows.sum(dim=1, keepdim=True) - selected  # (1 - P) X
            contexts.append(self._transform(self.inter, reverse))
        if self.branches != "inter":
            contexts.insert(0, self._transform(self.intra, selected))
        return contexts

    def _transform(self, convolution: nn.Module, context: Tensor) -> Tensor:
        height, width = self.input_size
        mean = context / (height * width)
        return cast(Tensor, convolution(unflatten_positions(mean, height, width)))

    def _require_prior(self) -> None:
        if self.branches == "none":
            raise ValueError(
                'a layer with branches="none" has no prior; choose "both", "intra" or "inter"'
            )

    def _require_size(self, x: Tensor) -> None:
        if tuple(x.shape[-2:]) != self.input_size:
            height, width = self.input_size
            raise ValueError(
                f"this Context Prior Layer was built for maps of {height}x{width}, since its prior "
                f"has one channel per position, but got {x.shape[-2]}x{x.shape[-1]}; build it with "
                f"that input_size, or cut the image into crops that give {height}x{width}"
            )


def _fully_separable(
    channels: int, first: tuple[int, int], second: tuple[int, int], bias: bool
) -> nn.Sequential:
    def depthwise(kernel: tuple[int, int]) -> nn.Conv2d:
        padding = (kernel[0] // 2, kernel[1] // 2)
        return nn.Conv2d(channels, channels, kernel, padding=padding, groups=channels, bias=bias)

    return nn.Sequential(depthwise(first), depthwise(second))


def _aggregation(
    name: Aggregation,
    in_channels: int,
    channels: int,
    kernel_size: int,
    arguments: Mapping[str, Any],
) -> nn.Module:
    match name:
        case "am":
            if arguments.keys() - {"depthwise_bias"}:
                raise ValueError(
                    "aggregation_arguments of am are depthwise_bias alone; it has kernel_size"
                )
            return AggregationModule(
                in_channels, out_channels=channels, kernel_size=kernel_size, **arguments
            )
        case "ppm":
            return PyramidPooling(in_channels, out_channels=channels, **arguments)
        case "aspp":
            return ASPP(in_channels, out_channels=channels, **arguments)
