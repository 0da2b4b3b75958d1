"""Parameters and random choices of a scene, from one stream per sample."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from harness.messages import suggest
from harness.training.data.dataset import DataError, Split
from harness.training.data.photographs import PHOTOGRAPHS, photographs_digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


CONTEXTS = ("scene", "nearest", "enclosing", "category")
"""Kinds of context, in the order that samples store; see `harness.training.data.contexts`."""

MAX_TEXTURES = 9
MAX_VARIANTS = 4

KEY_LABELS = ("own", "decided")
"""Whose class a key or ring has: one of its own for each variant, or that of what it decides."""

TEXTURES_FROM = ("waves", "photographs")
"""What textures are made of; see `harness.training.data.scenes.pattern`."""

_LATER = ("key_labels", "textures_from")

_GENERATOR = 1  # raised when the same parameters would give other samples than before


@dataclass(frozen=True)
class SceneParameters:
    """What determines a split of `scenes`."""

    size: tuple[int, int] = (64, 64)  # height and width of an image in pixels (one number: both)
    textures: int = 3  # number of textures; regions of one texture look alike whatever their class
    variants: int = 2  # classes that share a texture, which only context tells apart
    # share of each kind of context among the images; given as weights, or as one name: that kind
    # alone
    context: Mapping[str, float] = field(
        default_factory=lambda: dict.fromkeys(CONTEXTS, 1 / len(CONTEXTS))
    )
    regions: int = 8  # most textured regions per image; fewer where no more fit
    region_size: tuple[int, int] = (8, 14)  # shortest and longest side of a region in pixels
    keys: int = 1  # keys of each variant per image where several keys stand in it
    key_size: int = 9  # side of a key in pixels
    ring_width: int = 3  # width of the line that encloses a region, in pixels
    gap: int = 7  # a window of this radius around a region's pixel shows no part of any key or ring
    margin: int = 6  # by how many pixels the nearest key is nearer than any of another variant
    contrast: float = 0.2  # amplitude of the textures, of a range of 1
    # standard deviation of independent noise per pixel and channel, of a range of 1
    noise: float = 0.03
    # `own`: keys and rings have classes of their own, and regions a class for each texture and
    # variant; `decided`: a class is a variant, that of the key and of all regions that it decides
    key_labels: str = "own"
    textures_from: str = "waves"  # or `photographs`, of which there are three
    train: int = 2000  # images of the training split
    val: int = 400  # images of the validation split
    seed: int = 0  # of everything random

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> "SceneParameters":
        """Parameters from plain JSON values.

        Raises:
            DataError: an unknown key, or a value that no image can have.
        """
        known = {f.name: f.default for f in fields(cls)}
        for name in given:
            if name not in known:
                cure = suggest(name, known, "parameters")
                raise DataError(f"scenes has no parameter {name!r}: {cure}")
        values = dict(given)
        if "size" in values:
            values["size"] = _two_integers("size", values["size"], alone=True)
        if "region_size" in values:
            values["region_size"] = _two_integers("region_size", values["region_size"])
        if "context" in values:
            values["context"] = _weights(values["context"])
        for name, choices in (("key_labels", KEY_LABELS), ("textures_from", TEXTURES_FROM)):
            if name in values and values[name] not in choices:
                raise DataError(
                    f"{name} of scenes is {values[name]!r}; give {' or '.join(choices)}"
                )
        for name, default in known.items():
            if name in values and isinstance(default, int | float):
                values[name] = _as_number(name, values[name], type(default))
        made = cls(**values)
        made._check()
        return made

    @property
    def classes(self) -> tuple[str, ...]:
        """Names: the ground, one key per variant, then the variants of each texture in turn.

        With the class of what they decide (`key_labels: decided`) the ground, then the variants.
        """
        letters = "abcd"[: self.variants]
        if self.key_labels == "decided":
            return ("ground", *(f"variant {v}" for v in letters))
        return (
            "ground",
            *(f"key {v}" for v in letters),
            *(f"texture {t + 1}{v}" for t in range(self.textures) for v in letters),
        )

    @property
    def alike(self) -> list[range]:
        """Indices of the classes that only context tells apart, those that look alike together."""
        if self.key_labels == "decided":
            return [range(1, 1 + self.variants)]
        return [
            range(1 + self.variants * (1 + t), 1 + self.variants * (2 + t))
            for t in range(self.textures)
        ]

    def length(self, split: Split) -> int:
        """Number of images of a split."""
        return self.train if split == "train" else self.val

    def version(self, split: Split) -> str:
        """Hash of all that determines the samples of a split, the generator's own edition too."""
        values = asdict(self)
        for other in ("train", "val"):
            del values[other]
        for f in fields(self):
            # What came later is no part of the hash of data that do not ask for it.
            if f.name in _LATER and values[f.name] == f.default:
                del values[f.name]
        if self.textures_from == "photographs":
            values["photographs"] = photographs_digest()
        values |= {"generator": _GENERATOR, "split": split, "length": self.length(split)}
        canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]

    def _check(self) -> None:
        photographs = self.textures_from == "photographs"
        _demand("textures", self.textures, 1, len(PHOTOGRAPHS) if photographs else MAX_TEXTURES)
        _demand("variants", self.variants, 2, len(PHOTOGRAPHS) if photographs else MAX_VARIANTS)
        for name in ("regions", "keys", "train", "val", "ring_width", "margin"):
            _demand(name, getattr(self, name), 1, 10**9)
        for name in ("gap", "seed"):
            _demand(name, getattr(self, name), 0, 2**63 - 1)
        _demand("key_size", self.key_size, 3, 10**9)
        _demand("region_size", self.region_size[0], 3, self.region_size[1])
        _demand("contrast", self.contrast, 0.01, 0.3)
        _demand("noise", self.noise, 0, 1)
        _demand("size", min(self.size), self.region_size[0] + self.key_size + self.gap, 2**14)


def _demand(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise DataError(f"{name} of scenes is {value}; give a value from {least} to {most}")


def _as_number(name: str, value: Any, kind: type) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if kind is int and not whole:
        raise DataError(f"{name} of scenes is {value!r}; give an integer")
    if kind is float and not (whole or isinstance(value, float)):
        raise DataError(f"{name} of scenes is {value!r}; give a number")
    return kind(value)


def _two_integers(name: str, value: Any, *, alone: bool = False) -> tuple[int, int]:
    both = [value, value] if alone and isinstance(value, int) else value
    if isinstance(both, list | tuple) and len(both) == 2:
        return _as_number(name, both[0], int), _as_number(name, both[1], int)
    raise DataError(f"{name} of scenes is {value!r}; give two integers")


def _weights(given: Any) -> dict[str, float]:
    """Shares of the kinds in use, in the order of `CONTEXTS`, so that equal mixes hash alike."""
    named = {given: 1.0} if isinstance(given, str) else given
    if not isinstance(named, Mapping) or not named:
        raise DataError(f"context of scenes is {given!r}; name a kind, or give kinds their weights")
    for name, weight in named.items():
        if name not in CONTEXTS:
            cure = suggest(str(name), CONTEXTS, "kinds")
            raise DataError(f"scenes has no context {name!r}: {cure}")
        if not 0 <= _as_number(f"context.{name}", weight, float) < float("inf"):
            raise DataError(f"context.{name} of scenes is {weight}; give a weight of at least 0")
    total = sum(named.values())
    if total <= 0:
        raise DataError("all contexts of scenes have weight 0; give one of them more")
    return {kind: named[kind] / total for kind in CONTEXTS if named.get(kind, 0) > 0}


class Draw:
    """Choices that depend on their seed alone, never on the machine or on other samples.

    Only uniform numbers of 53 bits are taken from NumPy's generator, whose bit stream is fixed for
    good (NEP 19); its higher distributions may change between versions, so that they are made here.
    """

    def __init__(self, *place: int) -> None:
        import numpy as np

        seed = np.random.SeedSequence(place)
        self._stream = np.random.Generator(np.random.PCG64(seed))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        """A number from `low` to `high`, exclusive."""
        return low + (high - low) * float(self._stream.random())

    def below(self, count: int) -> int:
        """An integer from 0 to `count`, exclusive."""
        return min(count - 1, int(self.uniform() * count))

    def between(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, inclusive."""
        return low + self.below(high - low + 1)

    def weighted(self, weights: Mapping[str, float]) -> str:
        """One of several names, each as often as it has weight."""
        at = self.uniform(0, sum(weights.values()))
        for name, weight in weights.items():
            at -= weight
            if at < 0:
                return name
        return max(weights, key=lambda name: weights[name])

    def shuffled(self, items: list[int]) -> list[int]:
        """The items in random order (Fisher and Yates)."""
        order = list(items)
        for last in range(len(order) - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order

    def noise(self, shape: tuple[int, ...]) -> "NDArray[np.float32]":
        """Nearly normal noise of mean 0 and standard deviation 1: sums of four uniform numbers.

        Their variance is 4 / 12 (the distribution of Irwin and Hall).
        """
        import numpy as np

        total = self._stream.random((4, *shape)).sum(0) - 2.0
        return np.asarray(total * 3.0**0.5, dtype=np.float32)


@dataclass(frozen=True)
class PixelBox:
    """Rows `top` to `top + height`, columns `left` to `left + width`, ends exclusive."""

    top: int
    left: int
    height: int
    width: int

    @property
    def centre(self) -> tuple[float, float]:
        """Row and column of the middle."""
        return self.top + (self.height - 1) / 2, self.left + (self.width - 1) / 2

    def grown(self, by: int) -> "PixelBox":
        """The box with `by` more pixels on every side."""
        return PixelBox(self.top - by, self.left - by, self.height + 2 * by, self.width + 2 * by)

    def encloses(self, other: "PixelBox") -> bool:
        """Whether the other lies inside."""
        return (
            self.top <= other.top
            and self.left <= other.left
            and other.top + other.height <= self.top + self.height
            and other.left + other.width <= self.left + self.width
        )


def places(
    canvas: tuple[int, int], size: tuple[int, int], apart: Iterable[tuple[PixelBox, int]]
) -> "NDArray[np.bool_]":
    """Where a box of `size` may stand.

    Args:
        canvas: (H, W) in pixels.
        size: (h, w) of the box.
        apart: boxes that stand already, each with the radius of a window that, around any pixel of
            the new box, must show nothing of it.

    Returns:
        (H - h + 1, W - w + 1), true at each top left corner that is free; empty if none fits.
    """
    import numpy as np

    rows, columns = (max(0, whole - side + 1) for whole, side in zip(canvas, size, strict=True))
    free = np.ones((rows, columns), dtype=np.bool_)
    for box, radius in apart:
        top = max(0, box.top - radius - size[0] + 1)
        left = max(0, box.left - radius - size[1] + 1)
        bottom = max(0, box.top + box.height + radius)
        right = max(0, box.left + box.width + radius)
        free[top:bottom, left:right] = False
    return free


def choose(free: "NDArray[np.bool_]", size: tuple[int, int], draw: Draw) -> PixelBox | None:
    """One of the places that are free, each with the same chance; `None` where there is none."""
    import numpy as np

    corners = np.flatnonzero(free)
    if not len(corners):
        return None
    top, left = divmod(int(corners[draw.below(len(corners))]), free.shape[1])
    return PixelBox(top, left, *size)
