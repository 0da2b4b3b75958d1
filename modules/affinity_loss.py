"""Affinity Loss of CPNet (Yu et al. 2020), which supervises the Context Prior."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from context_modules.layers import one_of

AffinityForm = Literal["text", "released"]

# Floor under every logarithm. The backward of PyTorch's own binary cross entropy uses the same.
_EPSILON = 1e-12


class AffinityLoss(nn.Module):
    """Affinity Loss (CPNet, Eq. 1 to 6): prior (B, N, N) and labels (B, H, W) -> scalar.

    The unary term (Eq. 1) is the binary cross entropy of the prior map against the ideal affinity
    map; the global term (Eq. 2 to 5) raises precision, recall and specificity of each row as a
    whole. Both run over the last dimension: a row of P belongs to one query pixel.

    What the paper leaves open:
    - Pixels without a class (`ignore_index`) are left out as rows and as columns.
    - Precision and recall of a row are defined where the row has an intra-class pixel,
      specificity where it has an inter-class one. An undefined value is left out of the mean of
      its kind, so that Eq. 5 holds to the letter where all are defined.
    - Means run over the pairs (Eq. 1) and rows (Eq. 5) of the whole batch, as the mean reduction
      of PyTorch's cross entropy with an `ignore_index` does. A batch without any labelled pixel
      costs 0.
    - Eq. 2 to 5 write p_ij, sum over i and speak of the jth row. To be a row, j has to count rows
      and i the pixels along it: p_ij is P[j, i]. Read the other way round, the sums would run down
      a column, over the query pixels that name pixel j; the ideal map is symmetric, P is not.
    - The printed Eq. 6 calls the global term L_a once; it is L_g.

    The released code decides otherwise (`form="released"`): the pair of a pixel with itself counts
    in Eq. 1 and among the predicted pairs of Eq. 2, and not among those of one class in Eq. 2 and
    3; pixels without a class are a class of their own; a row in which a value is undefined costs
    100, the bound that PyTorch sets to a logarithm.

    Half precision is raised to float32 inside, since a logarithm of 1 - p needs it. Memory O(N^2).

    Args:
        unary_weight: lambda_u; 1 in the paper.
        global_weight: lambda_g; 1 in the paper. 0 gives the rows "BCE" of its Table 1.
        ignore_index: label of pixels without a class.
        diagonal: whether the pair of a pixel with itself counts, as it does in the paper.
        form: `text`, or `released` as said above, which has neither of the two arguments before.

    Raises:
        ValueError: the form is unknown, or `diagonal` is left out of the released one.
    """

    def __init__(
        self,
        *,
        unary_weight: float = 1.0,
        global_weight: float = 1.0,
        ignore_index: int = 255,
        diagonal: bool = True,
        form: AffinityForm = "text",
    ) -> None:
        super().__init__()
        one_of("form", form, get_args(AffinityForm))
        if form == "released" and not diagonal:
            raise ValueError("the released form has a diagonal of its own; leave diagonal at True")
        self.form = form
        self.unary_weight = unary_weight
        self.global_weight = global_weight
        self.ignore_index = ignore_index
        self.diagonal = diagonal

    def forward(self, prior: Tensor, labels: Tensor) -> Tensor:
        """The complete loss, L_p (Eq. 6).

        Args:
            prior: P, (B, N, N) in [0, 1], as `ContextPriorLayer.forward_with_prior` returns it.
            labels: (B, H, W) integers at the size of the feature map, H * W = N; see
                `downsample_labels`.

        Returns:
            Scalar, float32 or float64.

        Raises:
            ValueError: the shapes do not belong together.
        """
        unary, global_ = self.terms(prior, labels)
        return self.unary_weight * unary + self.global_weight * global_

    def terms(self, prior: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The unary term L_u (Eq. 1) and the global term L_g (Eq. 5), without their weights."""
        _require_shapes(prior, labels)
        if prior.dtype in (torch.float16, torch.bfloat16):
            prior = prior.float()
        ideal = ideal_affinity(labels)
        if self.form == "released":
            return _released_terms(prior, ideal)
        pairs = labelled_pairs(labels, ignore_index=self.ignore_index, diagonal=self.diagonal)
        agreement = torch.where(ideal, prior, 1 - prior)  # p where a = 1, 1 - p where a = 0
        unary = -_mean(_log(agreement), pairs)
        return unary, self._global_term(prior, agreement, ideal & pairs, ~ideal & pairs)

    def _global_term(
        self, prior: Tensor, agreement: Tensor, intra: Tensor, inter: Tensor
    ) -> Tensor:
        """Eq. 2 to 5, from the pairs of one class and of two classes, both (B, N, N)."""
        intra_count, inter_count = intra.sum(dim=-1), inter.sum(dim=-1)  # (B, N)
        true_intra = _row_sum(agreement, intra)  # sum_i a p
        true_inter = _row_sum(agreement, inter)  # sum_i (1 - a) (1 - p)
        predicted = _row_sum(prior, intra | inter)  # sum_i p
        precision = _log(true_intra) - _log(predicted)  # Eq. 2
        recall = _log(true_intra) - _log(intra_count.to(prior.dtype))  # Eq. 3
        specificity = _log(true_inter) - _log(inter_count.to(prior.dtype))  # Eq. 4
        has_intra, has_inter = intra_count > 0, inter_count > 0
        return -(
            _mean(precision, has_intra) + _mean(recall, has_intra) + _mean(specificity, has_inter)
        )  # Eq. 5


def _released_terms(prior: Tensor, ideal: Tensor) -> tuple[Tensor, Tensor]:
    """Both terms as the released code has them, from (B, N, N) probabilities and booleans."""
    others = ~torch.eye(prior.shape[-1], dtype=torch.bool, device=prior.device)
    intra, inter = ideal & others, ~ideal
    true_intra = _row_sum(prior, intra)

    def share(part: Tensor, whole: Tensor) -> Tensor:
        return part / torch.where(whole > 0, whole, 1).to(part.dtype)

    shares = (
        share(true_intra, prior.sum(dim=-1)),  # precision, Eq. 2
        share(true_intra, intra.sum(dim=-1)),  # recall, Eq. 3
        share(_row_sum(1 - prior, inter), inter.sum(dim=-1)),  # specificity, Eq. 4
    )
    # -log of a share, at most 100: cross entropy against 1.
    terms = [F.binary_cross_entropy(each, torch.ones_like(each)) for each in shares]
    unary = F.binary_cross_entropy(prior, ideal.to(prior.dtype))
    return unary, terms[0] + terms[1] + terms[2]


def ideal_affinity(labels: Tensor) -> Tensor:
    """Ideal Affinity Map A (CPNet, Figure 3): which pixels share a class.

    The paper writes A = L L^T with one-hot L, N x classes; comparing the labels gives the same
    map without the one-hot encoding.

    Args:
        labels: (B, H, W) integers.

    Returns:
        (B, N, N) booleans, N = H * W. Pixels without a class agree with each other here; see
        `labelled_pairs`.
    """
    flat = labels.flatten(1)
    return flat.unsqueeze(2) == flat.unsqueeze(1)


def labelled_pairs(labels: Tensor, *, ignore_index: int = 255, diagonal: bool = True) -> Tensor:
    """Pairs of pixels that both have a class: (B, H, W) labels -> (B, N, N) booleans.

    Args:
        labels: (B, H, W) integers.
        ignore_index: label of pixels without a class.
        diagonal: whether the pair of a pixel with itself counts.
    """
    labelled = labels.flatten(1) != ignore_index
    pairs = labelled.unsqueeze(2) & labelled.unsqueeze(1)
    if diagonal:
        return pairs
    return pairs & ~torch.eye(pairs.shape[-1], dtype=torch.bool, device=pairs.device)


def downsample_labels(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Bring labels to the size of a feature map by the nearest pixel; no class is ever invented.

    Args:
        labels: (B, H, W) integers.
        size: (height, width) of the feature map.

    Returns:
        (B, height, width), in the dtype of `labels`.
    """
    # float64 holds every label exactly; interpolation takes no integers.
    small = F.interpolate(labels.unsqueeze(1).double(), size=tuple(size), mode="nearest-exact")
    return small.squeeze(1).to(labels.dtype)


def _log(x: Tensor) -> Tensor:
    return x.clamp_min(_EPSILON).log()


def _row_sum(x: Tensor, pairs: Tensor) -> Tensor:
    return x.masked_fill(~pairs, 0.0).sum(dim=-1)


def _mean(x: Tensor, defined: Tensor) -> Tensor:
    # The count is at least 1, so that an empty mean is 0 with gradients of 0.
    return x.masked_fill(~defined, 0.0).sum() / defined.sum().clamp_min(1)


def _require_shapes(prior: Tensor, labels: Tensor) -> None:
    if labels.dim() != 3:
        raise ValueError(f"labels must be (B, H, W), not {tuple(labels.shape)}")
    batch, height, width = labels.shape
    if tuple(prior.shape) != (batch, height * width, height * width):
        raise ValueError(
            f"prior must be (B, N, N) with N = H * W of the labels, but is {tuple(prior.shape)} "
            f"beside labels of {tuple(labels.shape)}; bring the labels to the size of the feature "
            f"map with downsample_labels"
        )
