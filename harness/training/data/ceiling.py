"""What an observer without context can reach at most on `scenes`.

**The observer.** It sees, for every pixel, a window of some radius. It may know its own place in
the image, too: that is drawn without regard to variants, and tells nothing. A pixel of a texture is
*informed* if the window shows any part of a key or ring: it counts as right. Otherwise it is
*blind*: all variants of the texture are equally probable given all it sees
(`harness.training.data.scenes` says why), so that what it guesses is independent of the truth.
Everything else (ground, keys, texture of a region) is known by sight. Where keys carry the class
of what they decide (`key_labels: decided`), their pixels are informed pixels of that class, and all
textures are one.

**The best guess.** Of a texture, let I_v and U_v be the informed and the blind pixels of variant v,
N_v = I_v + U_v, F_v the blind pixels of its other variants, and q_v the share of blind pixels for
which v is guessed. In expectation v has I_v + q_v U_v true positives, q_v F_v false positives and
(1 - q_v) U_v false negatives:

    IoU_v(q) = (I_v + q U_v) / (N_v + q F_v).

Its slope is c_v / (N_v + q F_v)^2 with c_v = U_v N_v - I_v F_v. Where c_v <= 0 it is best never to
guess v. The others rise and are concave, so that their sum over all shares with sum(q) <= 1 is
largest where their slopes are equal: q_v = clip((s sqrt(c_v) - N_v) / F_v, 0, 1), with s such that
the shares add up to 1. (Pixels may be left without a guess; so this is an upper bound, and reached
where all c_v > 0.)

Without informed pixels and with the odds o_v = p_v / (1 - p_v) of the shares p_v of the variants
this gives q_v = o_v / sum(o) and

    IoU_v = o_v / (1 + sum(o)):  1/3 each for two equal variants, 1/5 each for three.

Guessing at random is the best here: to name always the same one of two equal variants has IoU 1/2
and 0, mean 1/4. The ceiling is one of expected counts; on a finite split a network can be luckier
by an amount that falls with the square root of the number of images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, inf, sqrt
from typing import TYPE_CHECKING

from harness.training.data.scenes import SceneData

if TYPE_CHECKING:
    from torch import Tensor

_HALVINGS = 200  # of the interval of s: more than the bits of a double


@dataclass(frozen=True)
class Ceiling:
    """Expected scores of the best observer of a kind."""

    class_iou: dict[str, float]  # by class name
    miou: float  # their mean; each class at its best, the guesses chosen for this score


def ceiling(data: SceneData, radius: int = 0) -> Ceiling:
    """The ceiling of observers on a split.

    Args:
        data: the split.
        radius: of the window around each pixel that the observer sees, in pixels: the farthest row
            or column, towards any side, that a network's output at a pixel depends on. 0: the
            texture alone. Up to `parameters.gap` this gives the same.
    """
    parameters, labels = data.parameters, data.labels
    informed = _informed(data.shown, radius)
    iou = dict.fromkeys(parameters.classes, 1.0)
    for classes in parameters.alike:
        seen = [int(((labels == c) & informed).sum()) for c in classes]
        blind = [int(((labels == c) & ~informed).sum()) for c in classes]
        for c, value in zip(classes, best_guess(seen, blind), strict=True):
            iou[parameters.classes[c]] = value
    return Ceiling(iou, fsum(iou.values()) / len(iou))


def best_guess(informed: Sequence[float], blind: Sequence[float]) -> tuple[float, ...]:
    """IoU of the classes that share a texture, under the guess that is best for their mean.

    Args:
        informed: pixels of each class that the observer knows.
        blind: pixels of each class that it can only guess.

    Returns:
        IoU of each class; 1 for a class without pixels that nothing is mistaken for.
    """
    all_blind = fsum(blind)
    whole = [i + u for i, u in zip(informed, blind, strict=True)]
    others = [all_blind - u for u in blind]
    rises = [
        max(0.0, u * n - i * f) for i, u, n, f in zip(informed, blind, whole, others, strict=True)
    ]

    def shares(scale: float) -> list[float]:
        return [_share(scale, c, n, f) for c, n, f in zip(rises, whole, others, strict=True)]

    low, high = 0.0, 1.0
    while fsum(shares(high)) < min(1, sum(c > 0 for c in rises)) and high < inf:
        high *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if fsum(shares(middle)) > 1 else (middle, high)
    return tuple(
        (i + q * u) / (n + q * f) if n + q * f > 0 else 1.0
        for i, u, n, f, q in zip(informed, blind, whole, others, shares(low), strict=True)
    )


def _share(scale: float, rise: float, whole: float, others: float) -> float:
    """How often a class is guessed where all slopes are 1 / scale^2."""
    if rise == 0:
        return 0.0
    if others == 0:  # nothing else is blind: to guess it costs nothing
        return 1.0
    return min(1.0, max(0.0, (scale * sqrt(rise) - whole) / others))


def _informed(shown: "Tensor", radius: int) -> "Tensor":
    """(N, H, W): pixels whose window shows a key or ring."""
    from torch.nn import functional as F

    if radius == 0:
        return shown
    reach = shown[:, None].float()
    for kernel, padding in (((2 * radius + 1, 1), (radius, 0)), ((1, 2 * radius + 1), (0, radius))):
        reach = F.pad(reach, (padding[1], padding[1], padding[0], padding[0]))
        reach = F.max_pool2d(reach, kernel, stride=1)
    return reach[:, 0] > 0
