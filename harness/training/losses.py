"""The loss of a training: the terms of the papers, each where the network gives what it needs."""

from typing import Any

import torch
from torch import Tensor, nn

from context_modules.affinity_loss import AffinityLoss, downsample_labels
from context_modules.boundary import boundary_labels
from context_modules.losses import VOID, CrossEntropy, OHEMCrossEntropy
from context_modules.region_losses import boundary_cross_entropy, cross_entropy
from context_modules.segmentor import SegmentorOutput
from harness.training.recipe import LossSpec


class TrainingLoss(nn.Module):
    """Weighted sum of the terms that apply; scalars by name.

    - `main`: cross entropy, or its hard pixels (OHEM), of the final segmentation.
    - `auxiliary`: the same of the auxiliary head; weight 0.4 after PSPNet (Zhao et al. 2017).
    - `affinity`: CPNet's Affinity Loss (Eq. 7) of `extras["prior"]`.
    - `semantic`, `boundary`: RANet's (Section 4) of `extras["categories"]` and
      `extras["boundary"]`, which with `main` and `auxiliary` make its four.

    Args:
        spec: weights; 0 leaves a term out.
    """

    def __init__(self, spec: LossSpec) -> None:
        super().__init__()
        self.spec = spec
        self.segmentation: CrossEntropy = (
            OHEMCrossEntropy(threshold=spec.ohem_threshold, min_kept=spec.ohem_min_kept)
            if spec.main == "ohem"
            else CrossEntropy()
        )
        self.affinity = AffinityLoss(global_weight=spec.affinity_global)

    def forward(
        self, output: SegmentorOutput, labels: Tensor, map_size: tuple[int, int]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compare with the annotation.

        Args:
            output: of a `Segmentor` in training.
            labels: (B, H, W) integers, void 255.
            map_size: (h, w) of the context module's map.

        Returns:
            What to minimise, and the terms before their weights, without gradients.
        """
        terms = {"main": (1.0, self.segmentation(output.logits, labels))}
        if output.auxiliary is not None and self.spec.auxiliary > 0:
            terms["auxiliary"] = (
                self.spec.auxiliary,
                self.segmentation(output.auxiliary, labels),
            )
        terms.update(self._of_extras(output.extras, labels, map_size))
        total = sum((weight * term for weight, term in terms.values()), labels.new_zeros(()))
        assert isinstance(total, Tensor), "the main term is one"
        return total, {name: term.detach() for name, (_, term) in terms.items()}

    def _of_extras(
        self, extras: dict[str, Any], labels: Tensor, map_size: tuple[int, int]
    ) -> dict[str, tuple[float, Tensor]]:
        terms = {}
        prior, categories, boundary = map(extras.get, ("prior", "categories", "boundary"))
        if isinstance(prior, Tensor) and self.spec.affinity > 0:
            small = downsample_labels(labels, map_size)
            terms["affinity"] = (self.spec.affinity, self.affinity(prior, small))
        if isinstance(categories, Tensor) and self.spec.semantic > 0:
            terms["semantic"] = (
                self.spec.semantic,
                cross_entropy(_precise(categories), labels, void=VOID),
            )
        if isinstance(boundary, Tensor) and self.spec.boundary > 0:
            edges = boundary_labels(labels, void=VOID)
            term = boundary_cross_entropy(_precise(boundary), edges, void=VOID)
            terms["boundary"] = (self.spec.boundary, term)
        return terms


def _precise(x: Tensor) -> Tensor:
    """Half precision raised to float32: a sum over all pixels of a batch leaves its range."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
